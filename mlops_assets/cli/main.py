"""The ``mlops`` command. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

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


@contextmanager
def _opened() -> Iterator["Deployment"]:
    """The deployment; what the platform refuses on purpose is told without a traceback."""
    try:
        from mlops_assets.cli.deployment import deployment

        with deployment() as opened:
            yield opened
    except MlopsError as error:
        # A refusal quotes what was written, brackets and all.
        said = f"[bold red]{type(error).__name__}[/]: {escape(str(error))}"
        problems.print(said, highlight=False, markup=True)
        raise typer.Exit(1) from error
