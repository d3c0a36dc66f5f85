"""What the commands of the ledger do."""

import json
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.errors import BadRequest
from mlops_assets.governance.ledger import Entry, body_of
from mlops_assets.steps.ledger import Verified, accept, guard, note, verify

SHORT = 12
# Findings that are printed; JSON has up to a thousand.
SHOWN = 20


def show_verified(opened: Deployment, *, as_json: bool, console: Console) -> bool:
    """Whether nothing was rewritten; what was, by the first bad entry."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading the ledger", total=None)
        found = verify(opened.stores, lambda done, of: progress.update(bar, completed=done, total=of))
    if as_json:
        console.print_json(json.dumps(found.to_dict()))
    else:
        _print_verified(found, console)
    return found.whole


def show_entries(
    opened: Deployment,
    number: int | None,
    *,
    kind: str | None,
    subject: str | None,
    limit: int,
    as_json: bool,
    console: Console,
) -> None:
    """One entry with all that it says, or the newest."""
    ledger = opened.stores.ledger
    if number is None:
        found = ledger.newest(limit, kind=kind, subject=subject)
    else:
        entry = ledger.entry(number)
        if entry is None:
            head = ledger.head()
            raise BadRequest(f"there is no entry {number}; the newest is {head.number if head else 'none'}")
        found = [entry]
    if as_json or number is not None:
        told = [{**asdict(one), "body": body_of(one)} for one in found]
        console.print_json(json.dumps(told if number is None else told[0]))
    else:
        _print_entries(found, console)


def show_noted(opened: Deployment, *, console: Console) -> None:
    """Note the ledger's head, and say where."""
    noted = note(opened.stores) or ["Nothing is new since the last anchor."]
    console.print("\n".join(map(escape, noted)), highlight=False)


def show_accepted(opened: Deployment, *, by: str, reason: str, console: Console) -> None:
    """Accept a break by name, and say what is noted now."""
    console.print("\n".join(map(escape, accept(opened.stores, by=by, reason=reason))), highlight=False)


def show_guarded(opened: Deployment, *, by: str, reason: str, console: Console) -> None:
    """Put back what is missing, and say what was."""
    put_back = guard(opened.stores, by=by, reason=reason) or ["no trigger was missing"]
    console.print("\n".join(put_back), markup=False, highlight=False)


def _print_verified(found: Verified, console: Console) -> None:
    head = f", the newest {found.head.hash[:SHORT]} of {found.head.at}" if found.head else ""
    console.print(f"{found.entries} entries{head}", highlight=False)
    for place, count in found.anchors.items():
        console.print(f"anchors at {escape(place)}: {count} agree", highlight=False)
    for place, one in found.accepted:
        said = f"{one.at}: {one.by} accepted that the ledger goes on from entry {one.number}: {one.reason}"
        console.print(f"[yellow]{escape(place)}[/], {escape(said)}", highlight=False)
    if found.whole:
        console.print("[green]Nothing was rewritten.[/]")
        return
    table = Table(title="What is not as it was recorded", title_justify="left", box=SIMPLE_HEAD)
    for column in ("entry", "what was done", "to", ""):
        table.add_column(column)
    for finding in found.findings[:SHOWN]:
        number = str(finding.number) if finding.number else "–"
        table.add_row(number, finding.tampering, escape(finding.subject), escape(finding.said))
    console.print(table)
    more = found.more + len(found.findings) - SHOWN
    if more > 0:
        console.print(f"… and {more} more", highlight=False)


def _print_entries(found: list[Entry], console: Console) -> None:
    table = Table(title="The ledger, newest first", title_justify="left", box=SIMPLE_HEAD)
    for column in ("", "at", "kind", "subject", "by", "hash"):
        table.add_column(column)
    for one in found:
        table.add_row(
            str(one.number), one.at, one.kind, escape(one.subject), escape(one.by), one.hash[:SHORT]
        )
    console.print(table)
