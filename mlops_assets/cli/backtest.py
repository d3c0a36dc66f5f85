"""``mlops backtest``: what policies of retraining would have trained, promoted and lost."""

from collections.abc import Sequence
from datetime import date

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.cli.commands import bring_data_up_to, require_possible, written
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.jobs import STEPS
from mlops_assets.graph.plan import PlannedRun
from mlops_assets.steps.backtest import BEST, HEADS, Asked, Backtest, backtest
from mlops_assets.steps.backtest_page import show


def show_backtest(
    opened: Deployment,
    name: str,
    first: date,
    last: date,
    *,
    every_days: int,
    asked: Sequence[str],
    console: Console,
) -> Backtest:
    """Replay the policies on as-of dates so many days apart, and print what each did."""
    model, catalog = opened.project.model(name), opened.project.catalog
    wanted = Asked.of(model, first, last, every_days, asked)
    require_possible(catalog, model, [*wanted.dates, wanted.until])
    # A training set knows of later days what was known as of its date, which is nothing.
    bring_data_up_to(opened, model, [first, wanted.until], again=False, console=console)
    found = backtest(
        opened.stores,
        catalog,
        model,
        wanted,
        make=lambda as_of: _train(opened, model, as_of, console),
        say=lambda said: console.print(said, highlight=False),
    )
    page = show(opened.stores, model.name, found)
    _print(found, console)
    console.print(f"Every step, and a picture: {page}", highlight=False, soft_wrap=True)
    return found


def _train(opened: Deployment, model: Model, as_of: str, console: Console) -> None:
    lacking = written(opened)
    assets = tuple(keys.of_model(model.name, stage) for stage in STEPS["train"][0])
    if any(lacking.lacks(asset, [as_of]) for asset in assets):
        execute(opened, PlannedRun(f"{model.name} as of {as_of}", assets, as_of, as_of), console)


def _print(found: Backtest, console: Console) -> None:
    table = Table(title="Policies of retraining, on the same days", title_justify="left", box=SIMPLE_HEAD)
    for column in HEADS:
        table.add_column(column, justify="left" if column == "policy" else "right")
    for row in found.rows():
        table.add_row(*row, style="dim" if row[0] == BEST else "")
    console.print(table)
