"""How every command opens the deployment, and where it prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from mlops_assets.errors import MlopsError, outermost

if TYPE_CHECKING:
    from mlops_assets.cli.deployment import Deployment

# The exit code of a command that found what it looks for; 1 is for what could not be done.
FOUND = 3

console = Console()
problems = Console(stderr=True)


def _note_ledger(opened: "Deployment") -> None:
    """Note what a command recorded where nobody can take it back. That this fails is told, and fails no command."""
    from mlops_assets.steps.ledger import note

    try:
        note(opened.stores)
    except MlopsError as error:
        problems.print(
            f"[bold yellow]{type(error).__name__}[/]: ", escape(str(error)), sep="", highlight=False
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
        problems.print(f"[bold red]{type(ours).__name__}[/]: ", escape(str(ours)), sep="", highlight=False)
        raise typer.Exit(1) from error


@contextmanager
def opened_deployment() -> Iterator["Deployment"]:
    """The deployment; what the platform refuses on purpose is told without a traceback."""
    with refusals_told():
        from mlops_assets.cli.deployment import deployment

        with deployment() as opened:
            try:
                yield opened
            finally:
                _note_ledger(opened)
