"""``mlops changes …``: what somebody wants changed, who agreed, and what it waits for."""

from typing import Annotated

import typer

from mlops_assets.cli.opening import KNOWN, READS, console, opened_deployment

changes = typer.Typer(help="Change requests: proposed, agreed to by others, applied.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(help="The number of a request.", metavar="NUMBER")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that an auditor understands.")]
Seen = Annotated[
    str, typer.Option("--digest", help="Of what you looked at, as `mlops changes show NUMBER` prints it.")
]


@changes.command("list")
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are done with.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the requests that wait, and for what."""
    from mlops_assets.cli.requested import show_requests

    with opened_deployment(READS) as opened:
        show_requests(opened, everything=everything, as_json=as_json, console=console)


@changes.command()
def show(number: Number, as_json: AsJson = False) -> None:
    """Show all that a request would change, who said what of it, and its digest."""
    from mlops_assets.cli.requested import show_request

    with opened_deployment(READS) as opened:
        show_request(opened, number, as_json=as_json, console=console)


@changes.command()
def propose(
    kind: Annotated[str, typer.Argument(help="promote, rollback or policy.", metavar="KIND")],
    what: Annotated[str, typer.Argument(help="A model, or the file of a policy.", metavar="MODEL|FILE")],
    reason: Why,
    version: Annotated[int | None, typer.Option("--version", help="Of the model.")] = None,
) -> None:
    """Ask for a change: that a version reigns, or for another policy. A release and an override ask by themselves."""
    from mlops_assets.cli.requested import propose_change

    with opened_deployment(KNOWN, "changes propose") as opened:
        propose_change(opened, kind, what, version, reason=reason, console=console)


@changes.command()
def approve(number: Number, digest: Seen, reason: Why) -> None:
    """Agree to a request of somebody else: to exactly what its digest is of."""
    from mlops_assets.cli.requested import say

    with opened_deployment(KNOWN, "changes approve") as opened:
        say(opened, number, "approve", digest, reason=reason, console=console)


@changes.command()
def refuse(number: Number, reason: Why) -> None:
    """Refuse a request of somebody else, for good."""
    from mlops_assets.cli.requested import say

    with opened_deployment(KNOWN, "changes refuse") as opened:
        say(opened, number, "refuse", None, reason=reason, console=console)


@changes.command()
def withdraw(number: Number, reason: Why) -> None:
    """Withdraw a request of one's own, for good."""
    from mlops_assets.cli.requested import say

    with opened_deployment(KNOWN, "changes withdraw") as opened:
        say(opened, number, "withdraw", None, reason=reason, console=console)


@changes.command()
def apply(number: Number) -> None:
    """Carry out a request that enough people agreed to, once its window is open."""
    from mlops_assets.cli.requested import apply_request

    with opened_deployment(KNOWN, "changes apply") as opened:
        apply_request(opened, number, console=console)
