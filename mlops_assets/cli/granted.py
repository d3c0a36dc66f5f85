"""What the commands of grants do."""

import json
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.requested import tell_asked
from mlops_assets.steps.grants import ask_for_role, withdraw_grant


def ask(opened: Deployment, role: str, resource: str, *, days: int, reason: str, console: Console) -> None:
    """Ask to hold a role on a resource; where nobody else is asked, it is held at once."""
    asked = ask_for_role(opened.stores, opened.who, role, resource, days=days, reason=reason)
    tell_asked(opened, asked, console=console)
    for one in opened.stores.grants.about(resource):
        if one.number == asked.number:
            console.print(
                f"{escape(one.name)} holds {escape(one.role)} on {escape(one.resource)} until {one.expires}.",
                highlight=False,
                soft_wrap=True,
            )


def show_grants(opened: Deployment, *, everything: bool, as_json: bool, console: Console) -> None:
    """The roles that are held now, or all that ever were, oldest first."""
    at = opened.stores.ledger.now()
    found = [one for one in opened.stores.grants.all() if everything or one.state(at) == "held"]
    if as_json:
        console.print_json(json.dumps([{**asdict(one), "state": one.state(at)} for one in found]))
        return
    if not found:
        console.print("Nobody holds a role for a time." if not everything else "Nobody ever did.")
        return
    table = Table(box=SIMPLE_HEAD)
    for head in ("", "who", "role", "on", "until", "why", ""):
        table.add_column(head, overflow="fold")
    for one in found:
        row = (str(one.number), one.name, one.role, one.resource, one.expires, one.reason)
        table.add_row(*map(escape, row), escape(f"{one.state(at)} {one.withdrawn}".rstrip()))
    console.print(table)


def withdraw(opened: Deployment, number: int, *, reason: str, console: Console) -> None:
    """End a grant."""
    ended = withdraw_grant(opened.stores, opened.who, number, reason=reason)
    console.print(
        f"{escape(ended.name)} holds {escape(ended.role)} on {escape(ended.resource)} no more.",
        highlight=False,
        soft_wrap=True,
    )
