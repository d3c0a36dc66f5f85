"""The ``mlops`` command. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlops_assets.cli.features import features
from mlops_assets.cli.opening import FOUND, console, opened_deployment

app = typer.Typer(
    help="Governed machine learning on Dagster assets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(features, name="features")


class FailOn(StrEnum):
    """Severities of drift."""

    error = "error"
    warn = "warn"


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

    with opened_deployment() as opened:
        show_demo(opened, again=again, console=console)


@app.command()
def run(model: ModelName, as_of: AsOf, again: Again = False) -> None:
    """Train, evaluate and, if the gate allows it, release MODEL as of a date; data that is missing is made first."""
    from mlops_assets.cli.commands import bring_up_to

    with opened_deployment() as opened:
        bring_up_to(opened, model, [as_of.date()], again=again, console=console)


@app.command()
def status(model: ModelName) -> None:
    """Show the champion of MODEL, every verdict that was reached on it, and the data below it."""
    from mlops_assets.cli.commands import show_status

    with opened_deployment() as opened:
        show_status(opened, model, console=console)


@app.command()
def skew(
    baseline: Annotated[
        str,
        typer.Option(
            help="What to compare with: MODEL, MODEL:VERSION (what it was trained on) or TABLE@FIRST..LAST."
        ),
    ],
    batch: Annotated[
        str,
        typer.Option(
            help="What to look at: an as-of date for a model, TABLE@DAY or TABLE@FIRST..LAST for rows."
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            help="For rows: calibrated (the default), article, or the path of a function. A model declares its own."
        ),
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="The severity that makes the exit code 3.")] = FailOn.error,
    html: Annotated[Path | None, typer.Option(help="Write the whole report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say whether a batch has drifted from a baseline. Exit code 0: no; 3: it has; 1: it cannot be said."""
    from mlops_assets.cli.checking import show_skew

    with opened_deployment() as opened:
        found = show_skew(opened, baseline, batch, named=policy, html=html, as_json=as_json, console=console)
    if fail_on in (found.severity, FailOn.warn if found.severity else None):
        raise typer.Exit(FOUND)
    if found.verdict == "not enough data":
        raise typer.Exit(1)


@app.command()
def validate(table: TableName, partition: Partition = None, export: Export = None) -> None:
    """Let Great Expectations judge a partition of TABLE by the suite of its declared expectations."""
    from mlops_assets.cli.checking import show_suite

    with opened_deployment() as opened:
        if not show_suite(opened, table, partition, export=export, console=console):
            raise typer.Exit(1)
