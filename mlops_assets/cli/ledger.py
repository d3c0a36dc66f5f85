"""``mlops ledger …``: what was recorded, in order, and the proof that nobody rewrote it."""

from typing import Annotated

import typer

from mlops_assets.cli.opening import FOUND, READS, console, opened_deployment

ledger = typer.Typer(help="What was recorded, and the proof that nobody rewrote it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that an auditor understands.")]


@ledger.command()
def verify(as_json: AsJson = False) -> None:
    """Look at every entry, anchor, row and file: is all as it was recorded, and what was done where it is not?

    Exit code 0: it is; 3: it is not.
    """
    from mlops_assets.cli.recorded import show_verified

    with opened_deployment(READS) as opened:
        if not show_verified(opened, as_json=as_json, console=console):
            raise typer.Exit(FOUND)


@ledger.command()
def show(
    number: Annotated[
        int | None, typer.Argument(help="An entry, all of it; by default the newest.", metavar="[NUMBER]")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="As release, reign, override or commit.")] = None,
    subject: Annotated[str | None, typer.Option(help="As MODEL:VERSION, MODEL@AS_OF or a table.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show entries of the ledger, newest first."""
    from mlops_assets.cli.recorded import show_entries

    with opened_deployment(READS) as opened:
        show_entries(
            opened, number, kind=kind, subject=subject, limit=limit, as_json=as_json, console=console
        )


@ledger.command()
def anchor() -> None:
    """Note the ledger's head where MLOPS_ANCHOR says, as every command and a sensor do when anything is new."""
    from mlops_assets.cli.recorded import show_noted

    with opened_deployment(READS) as opened:
        show_noted(opened, console=console)


@ledger.command()
def guard(by: By, reason: Why) -> None:
    """Put back triggers that `verify` misses, recorded with who asked for it and why."""
    from mlops_assets.cli.recorded import show_guarded

    with opened_deployment("guard", "ledger", by=by) as opened:
        show_guarded(opened, by=by, reason=reason, console=console)


@ledger.command()
def accept(by: By, reason: Why) -> None:
    """Go on although ledger and anchors do not agree, as after a restored backup: by name, never silently."""
    from mlops_assets.cli.recorded import show_accepted

    with opened_deployment("accept", "ledger", by=by) as opened:
        show_accepted(opened, by=by, reason=reason, console=console)
