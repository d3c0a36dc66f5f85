"""The jobs of a model: bring its data up to a day, train and release as of a date, watch, bring features online."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.governance.ml_test_score import STAGE as SCORE
from mlops_assets.graph import keys
from mlops_assets.graph.plan import LINEAGE, STAGES
from mlops_assets.monitoring.parity import PARITY
from mlops_assets.steps.due import WATCHES

# The steps of a pipeline that goes on only when the one before has succeeded.
STEPS = {
    "train": (("training_set", "model"), "Train"),
    "evaluate": (("evaluation_report",), "Measure"),
    "register": (("release",), "Judge, and if the gate allows it release,"),
}


def release_job(model: Model) -> str:
    """The job that trains, evaluates and judges."""
    return f"{model.name}_release"


def watch_job(model: Model) -> str:
    """The job that looks at a champion."""
    return f"{model.name}_watch"


def model_jobs(catalog: Catalog, model: Model) -> Iterator[UnresolvedAssetJobDefinition]:
    """Its jobs; that of the data only when all of it has the same days, as a job has."""
    story = [keys.of_model(model.name, stage) for stage in (*STAGES, LINEAGE)]
    for job, (assets, does) in STEPS.items():
        selected = [keys.of_model(model.name, asset) for asset in assets]
        yield dg.define_asset_job(
            f"{model.name}_{job}", selected, description=f"{does} {model.name} as of a date."
        )
    yield dg.define_asset_job(
        release_job(model),
        [*story, keys.of_model(model.name, SCORE)],
        description=f"Train, evaluate and judge {model.name} as of a date, and count how ready for production it is.",
    )
    yield dg.define_asset_job(
        watch_job(model),
        [keys.of_model(model.name, watch) for watch in WATCHES],
        description=f"Look at the champion of {model.name}: drift, performance, and whether its release was right.",
    )
    online = [keys.online(view) for view in catalog.features.views_of(model.features)]
    yield dg.define_asset_job(
        f"{model.name}_online",
        [*online, keys.of_model(model.name, PARITY)],
        description=f"Bring online what became known of the features of {model.name}, and compare it with offline.",
    )
    tables = list(dict.fromkeys([model.label.table, *tables_read(catalog.features, model.features)]))
    views = [catalog.features.views[view] for view in catalog.features.views_of(model.features)]
    calendars = {catalog.tables[table].calendar for table in tables}
    calendars |= {catalog.view_calendar(view) for view in views}
    if len(calendars - {None}) == 1:
        data = [key for table in tables for key in keys.of_table(table)]
        data += [keys.features(view.name) for view in views]
        yield dg.define_asset_job(
            f"{model.name}_data", data, description=f"Everything that {model.name} learns from, day by day."
        )
