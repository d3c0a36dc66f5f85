"""``mlops features …``: what is known of feature views and services, and what is done with them."""

from typing import Annotated

import typer

from mlops_assets.cli.opening import FOUND, READS, console, opened_deployment

features = typer.Typer(help="Feature views and services.", no_args_is_help=True)


@features.command("list")
def list_features() -> None:
    """List the feature views and services: who owns them, their versions, and whether they are up to date."""
    from mlops_assets.cli.declared_features import show_features

    with opened_deployment(READS) as opened:
        show_features(opened, console=console)


@features.command()
def impact(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say what the declarations as they are change of what is there: views, models, releases, partitions, requests.

    Exit code 0: nothing; 3: something is touched.
    """
    from mlops_assets.cli.declared_features import show_impact

    with opened_deployment(READS) as opened:
        found = show_impact(opened, as_json=as_json, console=console)
    if not found.is_nothing:
        raise typer.Exit(FOUND)


@features.command()
def engines(
    views: Annotated[
        list[str] | None, typer.Argument(help="The views; all of them by default.", metavar="[VIEW]…")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How many of the newest days to compute.")] = 31,
) -> None:
    """Compute days that were made again, on DuckDB and on Spark, and compare the rows; nothing is written.

    Exit code 0: they are the same; 3: they are not, or Spark refuses a view.
    """
    from mlops_assets.cli.declared_features import show_engines

    with opened_deployment(READS) as opened:
        if not show_engines(opened, views or (), days=days, console=console):
            raise typer.Exit(FOUND)


@features.command()
def windows(
    views: Annotated[
        list[str] | None, typer.Argument(help="The views; all of them by default.", metavar="[VIEW]…")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How many of the newest days to compute.")] = 31,
) -> None:
    """Show which windows running totals answer, and compare days with what the SQL as written makes of them.

    Nothing is written. Exit code 0: they are the same; 3: they are not.
    """
    from mlops_assets.cli.declared_features import show_windows

    with opened_deployment(READS) as opened:
        if not show_windows(opened, views or (), days=days, console=console):
            raise typer.Exit(FOUND)


@features.command()
def apply() -> None:
    """Bring Feast's registry to what is declared, and say what that added, changed and removed."""
    from mlops_assets.cli.registry import apply_features

    with opened_deployment("apply", "features") as opened:
        apply_features(opened, console=console)


@features.command()
def materialize(
    views: Annotated[
        list[str] | None,
        typer.Argument(help="Feature views; all of them when none is named.", metavar="[VIEW]…"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="What is known at this moment goes online; UTC without a zone.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Everything, not only what changed; also back to an earlier moment."),
    ] = False,
) -> None:
    """Bring online what became known of feature views since the last time."""
    from mlops_assets.cli.online import materialize as bring_online

    with opened_deployment("materialize", "features") as opened:
        bring_online(opened, views or [], until=until, again=again, console=console)


@features.command()
def get(
    service: Annotated[str, typer.Argument(help="A feature service.", metavar="SERVICE")],
    request: Annotated[
        list[str] | None, typer.Argument(help="What is asked with: column=value.", metavar="COLUMN=VALUE…")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Offline, as known at this moment; online when it is not said.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a feature service answers, how old each value is, and what has expired."""
    from mlops_assets.cli.online import show_features

    with opened_deployment(READS) as opened:
        show_features(opened, service, request or [], at=at, as_json=as_json, console=console)
