"""The jobs of a model: bring its data up to a day, train and release as of a date, watch, bring features online."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlops_assets.declaration.catalog import Calendar, Catalog
from mlops_assets.declaration.features import tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.monitoring.parity import PARITY

# The steps of a pipeline that goes on only when the one before has succeeded.
STEPS = {
    "train": (("training_set", "model"), "Train"),
    "evaluate": (("evaluation_report",), "Measure"),
    "register": (("release",), "Judge, and if the gate allows it release,"),
}
# What looks at a champion.
WATCHES = ("drift_report", "performance_report", "verification")


def release_job(model: Model) -> str:
    """The job that trains, evaluates and judges."""
    return f"{model.name}_release"


def model_jobs(catalog: Catalog, model: Model) -> Iterator[UnresolvedAssetJobDefinition]:
    """Its jobs."""
    story = [keys.of_model(model.name, stage) for stage in STAGES]
    for job, (assets, does) in STEPS.items():
        selected = [keys.of_model(model.name, asset) for asset in assets]
        yield dg.define_asset_job(
            f"{model.name}_{job}", selected, description=f"{does} {model.name} as of a date."
        )
    yield dg.define_asset_job(
        release_job(model), story, description=f"Train, evaluate and judge {model.name} as of a date."
    )
    yield dg.define_asset_job(
        f"{model.name}_watch",
        [keys.of_model(model.name, watch) for watch in WATCHES],
        description=f"Look at the champion of {model.name}: drift, performance, and whether its release was right.",
    )
    online = [keys.online(view) for view in catalog.features.views_of(model.features)]
    yield dg.define_asset_job(
        f"{model.name}_online",
        [*online, keys.of_model(model.name, PARITY)],
        description=f"Bring online what became known of the features of {model.name}, and compare it with offline.",
    )
    for data in data_jobs(catalog, model):
        yield dg.define_asset_job(data.name, list(data.assets), description=data.description)


@dataclass(frozen=True)
class DataJob:
    """Assets below a model that have the same days, as a job has."""

    name: str
    description: str
    assets: tuple[dg.AssetKey, ...]


def data_jobs(catalog: Catalog, model: Model) -> Iterator[DataJob]:
    """One job for each calendar below a model, that of its events first; and one for what has no days."""
    tables = list(dict.fromkeys([model.label.table, *tables_read(catalog.features, model.features)]))
    of_calendar: dict[Calendar | None, list[dg.AssetKey]] = {}
    named: dict[Calendar | None, str] = {}
    for table in (far for name in tables for far in catalog.with_referred(name)):
        calendar = catalog.tables[table].calendar
        of_calendar.setdefault(calendar, []).extend(keys.of_table(table))
        named.setdefault(calendar, table)
    for name in catalog.features.views_of(model.features):
        calendar = catalog.view_calendar(catalog.features.views[name])
        of_calendar.setdefault(calendar, []).append(keys.features(name))
        named.setdefault(calendar, name)
    events = catalog.tables[model.label.table].calendar
    for calendar, assets in of_calendar.items():
        if calendar is None:
            name, what = "snapshots", "what has no days"
        elif calendar == events:
            name, what = "data", "day by day"
        else:
            name, what = f"data_{named[calendar]}", f"day by day, of the calendar of {named[calendar]}"
        said = f"Everything that {model.name} learns from: {what}."
        yield DataJob(f"{model.name}_{name}", said, tuple(dict.fromkeys(assets)))
