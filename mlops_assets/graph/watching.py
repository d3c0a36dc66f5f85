"""A model is looked at when new days are there: a sensor that asks for its reports."""

from datetime import UTC, datetime

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.graph.automation import SECONDS
from mlops_assets.graph.jobs import watch_job
from mlops_assets.graph.launching import RETRIES, never_launched
from mlops_assets.stores.stores import Stores


def watching_sensor(catalog: Catalog, model: Model) -> dg.SensorDefinition:
    """Asks for the reports of every as-of date that is due, each in a run of its own."""

    @dg.sensor(
        name=f"{model.name}_watching",
        job_name=watch_job(model),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Looks at the champion of {model.name} whenever the days of an as-of date are there.",
    )
    def watching(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.due import due

        looked = due(stores, catalog, model, now=datetime.now(UTC))
        asked = {
            f"as of {one.as_of}": dg.RunRequest(
                run_key=f"{model.name}/{one.as_of}/{one.inputs}", partition_key=one.as_of, tags=RETRIES
            )
            for one in looked.due
        }
        requests, told = never_launched(context.instance, asked)
        return dg.SensorResult(
            run_requests=requests, skip_reason=None if requests else "; ".join(told) or looked.why_not
        )

    return watching
