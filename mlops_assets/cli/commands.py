"""What the commands do, on an opened deployment."""

from collections.abc import Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import bury_dead_runs, execute
from mlops_assets.cli.tables import print_champion, print_data, print_failed, print_history
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.demo import Demo
from mlops_assets.declaration.features import tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.errors import ImpossibleDate
from mlops_assets.graph import keys
from mlops_assets.graph.plan import Written, data_runs, is_made, model_run
from mlops_assets.graph.plan import written as known_writes
from mlops_assets.graph.settling import settle
from mlops_assets.steps.standing import waiting

UI = "http://127.0.0.1:3000"


def show_demo(opened: Deployment, demo: Demo, *, again: bool, console: Console) -> None:
    """Bring the demonstration's model up to its dates."""
    console.print(demo.title)
    bring_up_to(opened, demo.model, demo.as_of, again=again, console=console)


def bring_up_to(
    opened: Deployment, name: str, dates: Sequence[date], *, again: bool, console: Console
) -> None:
    """Make what is missing below a model, then train, evaluate and judge it as of each date in turn."""
    model = opened.project.model(name)
    require_possible(opened.project.catalog, model, dates)
    for run_id in bury_dead_runs(opened.instance):
        console.print(
            f"[yellow]Run {run_id} was killed; it is marked as failed and made again where needed.[/]"
        )
    settle(opened.instance, opened.stores, opened.tracking)
    bring_data_up_to(opened, model, dates, again=again, console=console)
    for as_of in dates:
        _judge_as_of(opened, model, as_of.isoformat(), again=again, console=console)
    show_status(opened, name, console=console)


def show_status(opened: Deployment, name: str, *, console: Console) -> None:
    """The data, the verdicts and the champion of a model, and where to look at them."""
    model = opened.project.model(name)
    tables = dict.fromkeys([model.label.table, *tables_read(opened.project.catalog.features, model.features)])
    data = [row for table in tables if (row := _data_row(opened, table))]
    if data:
        print_data(console, data)
    made = [keys.table_name(stage(table)) for table in tables for stage in (keys.raw, keys.validated)]
    print_failed(console, opened.stores.records.failed(made))
    history = opened.stores.releases.history(name)
    if history:
        print_history(console, name, history)
    print_champion(console, name, opened.stores.releases.champion(name))
    for one, stands in waiting(opened.stores, f"model:{name}"):
        console.print(
            f"Request {one.request.number}, {one.request.proposal.kind}: {escape(stands.sentence)}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"\nTo look at all of it: [bold]make dev[/], then {UI}/assets/{name}/release", highlight=False
    )


def bring_data_up_to(
    opened: Deployment, model: Model, dates: Sequence[date], *, again: bool, console: Console
) -> None:
    """Make what is missing below a model for these dates, whose order is that of time."""
    catalog, days = opened.project.catalog, {"first_as_of": dates[0], "last_as_of": dates[-1]}
    planned = data_runs(catalog, model, written(opened), **days, again=again)
    if not planned:
        console.print("The data is up to date.")
    # What was made may hold other rows than before, and then what reads it is out of date. Every round
    # climbs one storey at least.
    while planned:
        for run in planned:
            execute(opened, run, console)
        planned = data_runs(catalog, model, written(opened), **days)


def _judge_as_of(opened: Deployment, model: Model, as_of: str, *, again: bool, console: Console) -> None:
    made = is_made(model, as_of, written(opened)) and opened.stores.releases.stands(model.name, as_of)
    if made and not again:
        console.print(f"{model.name} as of {as_of} was judged already; --again trains it anew.")
    else:
        execute(opened, model_run(model, as_of), console)


def written(opened: Deployment) -> Written:
    """What is known now."""
    return known_writes(opened.stores, opened.project.catalog, opened.project.code_version)


def require_possible(catalog: Catalog, model: Model, dates: Sequence[date]) -> None:
    """Raise ImpossibleDate where no window of events ends."""
    first, last = catalog.first_as_of(model), catalog.last_as_of(model) or date.today()
    for as_of in dates:
        if not first <= as_of <= last:
            raise ImpossibleDate(
                f"{model.name} cannot be trained as of {as_of}: its window of {model.window.days} days ends the day "
                f"before, and its events give as-of dates from {first} to {last}"
            )


def _data_row(opened: Deployment, table: str) -> tuple[str, int, str, str, int, int] | None:
    good = opened.stores.records.contents(keys.table_name(keys.validated(table)))
    bad = opened.stores.records.contents(keys.table_name(keys.quarantine(table)))
    if not good:
        return None
    rows, aside = sum(c.rows for c in good), sum(c.rows for c in bad)
    return table, len(good), good[0].partition, good[-1].partition, rows, aside
