"""The ``mlops`` command. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mlops_assets.errors import MlopsError

if TYPE_CHECKING:
    from mlops_assets.cli.deployment import Deployment

app = typer.Typer(
    help="Governed machine learning on Dagster assets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
problems = Console(stderr=True)

ModelName = Annotated[str, typer.Argument(help="The name of a declared model.", metavar="MODEL")]
Again = Annotated[bool, typer.Option("--again", help="Make everything again, also what is up to date.")]
AsOf = Annotated[
    datetime,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Train with what was known when this day began."),
]

TableName = Annotated[str, typer.Argument(help="The name of a declared table.", metavar="TABLE")]
Partition = Annotated[
    str | None, typer.Option("--partition", help="The day, as 2013-01-31; a table without days needs none.")
]
Export = Annotated[Path | None, typer.Option("--export", help="Write the suite to this file, as JSON.")]


@app.command()
def demo(again: Again = False) -> None:
    """Show the declared demonstration: raw data to a released model, and a challenger judged."""
    from mlops_assets.cli.commands import show_demo

    with _opened() as opened:
        show_demo(opened, again=again, console=console)


@app.command()
def run(model: ModelName, as_of: AsOf, again: Again = False) -> None:
    """Train, evaluate and, if the gate allows it, release MODEL as of a date; data that is missing is made first."""
    from mlops_assets.cli.commands import bring_up_to

    with _opened() as opened:
        bring_up_to(opened, model, [as_of.date()], again=again, console=console)


@app.command()
def status(model: ModelName) -> None:
    """Show the champion of MODEL, every verdict that was reached on it, and the data below it."""
    from mlops_assets.cli.commands import show_status

    with _opened() as opened:
        show_status(opened, model, console=console)


@app.command()
def validate(table: TableName, partition: Partition = None, export: Export = None) -> None:
    """Let Great Expectations judge a partition of TABLE by the suite of its declared expectations."""
    from mlops_assets.cli.commands import show_suite

    with _opened() as opened:
        if not show_suite(opened, table, partition, export=export, console=console):
            raise typer.Exit(1)


@contextmanager
def _opened() -> Iterator["Deployment"]:
    """The deployment; what the platform refuses on purpose is told without a traceback."""
    try:
        from mlops_assets.cli.deployment import deployment

        with deployment() as opened:
            yield opened
    except MlopsError as error:
        problems.print(f"[bold red]{type(error).__name__}[/]: {error}", highlight=False, markup=True)
        raise typer.Exit(1) from error
