"""``mlops features …``: what is known of feature views and services, and what is done with them."""

from typing import Annotated

import typer

from mlops_assets.cli.opening import console, opened_deployment

features = typer.Typer(help="Feature views and services.", no_args_is_help=True)

TOUCHED = 3


@features.command("list")
def list_features() -> None:
    """List the feature views and services: who owns them, their versions, and whether they are up to date."""
    from mlops_assets.cli.declared_features import show_features

    with opened_deployment() as opened:
        show_features(opened, console=console)


@features.command()
def impact(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say what the declarations as they are change of what is there: views, models, releases, partitions.

    Exit code 0: nothing; 3: something is touched.
    """
    from mlops_assets.cli.declared_features import show_impact

    with opened_deployment() as opened:
        found = show_impact(opened, as_json=as_json, console=console)
    if found.tables or found.models:
        raise typer.Exit(TOUCHED)
