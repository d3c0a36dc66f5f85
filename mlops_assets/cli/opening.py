"""How every command opens the deployment, and where it prints."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from mlops_assets.errors import AccessDenied, ChangeRefused, MlopsError, outermost

if TYPE_CHECKING:
    from mlops_assets.cli.deployment import Deployment
    from mlops_assets.governance.access import Who
    from mlops_assets.steps.access import Shown

# The exit code of a command that found what it looks for; 1 is for what could not be done.
FOUND = 3

# What a command does that changes nothing: whoever can read the stores may.
READS = "reads"
# What a command does that asks the policy itself, of who is known.
KNOWN = "known"

# What is printed may have a name between colons, as model:x: has, which is no picture.
console = Console(emoji=False)
problems = Console(stderr=True, emoji=False)


def _note_ledger(opened: "Deployment") -> None:
    """Note what a command recorded where nobody can take it back. That this fails is told, and fails no command."""
    from mlops_assets.steps.ledger import note

    try:
        note(opened.stores)
    except MlopsError as error:
        problems.print(
            f"[bold yellow]{type(error).__name__}[/]: ", escape(str(error)), sep="", highlight=False
        )


def _note_refused(
    opened: "Deployment", who: "Who", action: str, resource: str, error: AccessDenied | ChangeRefused
) -> None:
    """Note who was refused what. That this fails is told, and lets nobody do it."""
    from mlops_assets.stores.denials import Denial

    denied = Denial(who.name, action, resource, str(error))
    if isinstance(error, AccessDenied):
        denied = Denial(
            who.name or error.who, error.action or action, error.resource or resource, denied.reason
        )
    try:
        opened.stores.denials.note(denied)
    # Whatever a database says that is full, locked or gone.
    except Exception as failed:
        problems.print(
            "[bold yellow]the refusal was not noted[/]: ", escape(str(failed)), sep="", highlight=False
        )


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the platform refuses on purpose is told without a traceback, and is exit code 1."""
    try:
        yield
    except Exception as error:
        # Dagster wraps what its resources raise.
        ours = outermost(error)
        if ours is None:
            raise
        problems.print(
            f"[bold red]{type(ours).__name__}[/]: {escape(str(ours))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from error


def _let_in(opened: "Deployment", action: str, resource: str, by: str | None) -> "Deployment":
    """The same, with who asks, when the policy lets them."""
    from mlops_assets.steps.access import require, require_own_name, who_asks

    who = who_asks(opened.stores, _shown())
    if action != KNOWN:
        require(opened.stores, who, action, resource)
    if by is not None:
        require_own_name(opened.stores, who, by)
    return replace(opened, who=who)


def _shown() -> "Shown":
    from mlops_assets.resources.environment import BEARER, SIGNED_IN
    from mlops_assets.steps.access import Shown

    return Shown(os.environ.get(BEARER, ""), os.environ.get(SIGNED_IN, ""), _user())


def _user() -> str:
    try:
        return getpass.getuser()
    # A container may run as a number that has no name.
    except (KeyError, OSError):
        return f"user {os.getuid()}"


@contextmanager
def opened_deployment(action: str, resource: str = "", *, by: str | None = None) -> Iterator["Deployment"]:
    """The deployment, for who may do this; what the platform refuses on purpose is told without a traceback.

    action, resource: what is asked of the policy, as ``run`` of ``model:NAME``; READS asks nothing, KNOWN only who it
        is, and has the command in the place of the resource.
    by: the name that is signed with, which has to be that of who asks.
    """
    with refusals_told():
        from mlops_assets.cli.deployment import deployment
        from mlops_assets.governance.access import NOBODY

        with deployment() as opened:
            who = NOBODY
            try:
                let_in = opened if action == READS else _let_in(opened, action, resource, by)
                who = let_in.who
                yield let_in
            except (AccessDenied, ChangeRefused) as error:
                _note_refused(
                    opened, who, *((resource, "") if action == KNOWN else (action, resource)), error
                )
                raise
            finally:
                _note_ledger(opened)
