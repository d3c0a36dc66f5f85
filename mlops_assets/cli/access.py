"""``mlops access …``: who may do what, and how somebody shows who they are."""

from pathlib import Path
from typing import Annotated

import typer

from mlops_assets.cli.opening import FOUND, KNOWN, READS, console, opened_deployment, problems

access = typer.Typer(help="Who may do what, by one reviewed policy.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="As `mlops access grants` lists it.", metavar="NUMBER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that an auditor understands.")]
PolicyFile = Annotated[
    Path, typer.Argument(help="A policy, as `mlops access example` prints one.", metavar="FILE")
]


@access.command()
def show(as_json: AsJson = False) -> None:
    """Show the policy in force: who has which roles, what changes need, and every token. Exit code 3: there is none."""
    from mlops_assets.cli.policies import show_policy

    with opened_deployment(READS) as opened:
        if not show_policy(opened, as_json=as_json, console=console):
            raise typer.Exit(FOUND)


@access.command()
def explain(
    who: Annotated[str, typer.Argument(help="A member, or svc:NAME.", metavar="WHO")],
    action: Annotated[str, typer.Argument(help="As run, rollback or approve:promote.", metavar="ACTION")],
    resource: Annotated[str, typer.Argument(help="As model:NAME, features or policy.", metavar="RESOURCE")],
    group: Annotated[
        list[str] | None, typer.Option(help="Were they in this group of a provider: PROVIDER:GROUP.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Ask this file, not the policy in force.")] = None,
) -> None:
    """Say which rule lets WHO do ACTION to RESOURCE, or why nothing does. Exit code 3: they may not."""
    from mlops_assets.cli.policies import show_explained

    with opened_deployment(READS) as opened:
        if not show_explained(opened, who, action, resource, group or [], file, console=console):
            raise typer.Exit(FOUND)


@access.command()
def example() -> None:
    """Print a policy to begin with."""
    from mlops_assets.cli.policies import EXAMPLE

    typer.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)


@access.command()
def adopt(file: PolicyFile, by: By, reason: Why) -> None:
    """Put the first policy in force. From then on it changes by change requests only."""
    from mlops_assets.cli.policies import adopt_file

    with opened_deployment(KNOWN, "access adopt", by=by) as opened:
        adopt_file(opened, file, by=by, reason=reason, console=console)


@access.command()
def token(
    name: Annotated[str, typer.Argument(help="Of a member, or svc:NAME.", metavar="NAME")],
    days: Annotated[int, typer.Option(help="How long it is good for, at most 90.")] = 30,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it is for, as ACTION@RESOURCE; may be repeated. By default all that NAME may do."
        ),
    ] = None,
) -> None:
    """Make a token of NAME and print it, once. It is given to commands as MLOPS_TOKEN."""
    from mlops_assets.cli.policies import new_token

    # The token is alone in what is printed, so that a script can take it.
    with opened_deployment(KNOWN, "access token") as opened:
        typer.echo(new_token(opened, name, scopes=scope or [], days=days, console=problems))


@access.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="As `mlops access show` lists it.", metavar="TOKEN_ID")],
    reason: Why,
) -> None:
    """Make a token good for nothing, at once. One's own anybody may."""
    from mlops_assets.cli.policies import revoke

    with opened_deployment(KNOWN, "access revoke") as opened:
        revoke(opened, token_id, reason=reason, console=console)


@access.command()
def grant(
    role: Annotated[str, typer.Argument(help="A role of the policy that only reads.", metavar="ROLE")],
    resource: Annotated[str, typer.Argument(help="As model:NAME.", metavar="RESOURCE")],
    reason: Why,
    days: Annotated[int, typer.Option(help="How long, at most 30.")] = 7,
) -> None:
    """Ask to hold ROLE on RESOURCE for some days: at once, where the policy asks nobody else about it."""
    from mlops_assets.cli.granted import ask

    with opened_deployment(KNOWN, "access grant") as opened:
        ask(opened, role, resource, days=days, reason=reason, console=console)


@access.command()
def grants(
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List who holds which role on what, until when, and why."""
    from mlops_assets.cli.granted import show_grants

    with opened_deployment(READS) as opened:
        show_grants(opened, everything=everything, as_json=as_json, console=console)


@access.command()
def ungrant(number: Number, reason: Why) -> None:
    """End a grant before it expires, at once. One's own anybody may."""
    from mlops_assets.cli.granted import withdraw

    with opened_deployment(KNOWN, "access ungrant") as opened:
        withdraw(opened, number, reason=reason, console=console)
