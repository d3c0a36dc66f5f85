"""A model is looked at when new days are there: a sensor that asks for its reports."""

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.graph.automation import SECONDS
from mlops_assets.graph.jobs import watch_job
from mlops_assets.graph.launched import RETRIES, became
from mlops_assets.stores.stores import Stores

# As-of dates that a tick names.
SHOWN = 5


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

        looked = due(stores, catalog, model)
        asked = [
            dg.RunRequest(
                run_key=f"{model.name}/{one.as_of}/{one.inputs}", partition_key=one.as_of, tags=RETRIES
            )
            for one in looked.due
        ]
        before = {one.partition_key: became(context.instance, one) for one in asked}
        requests = [one for one in asked if before[one.partition_key] is None]
        told = [f"as of {as_of}: {said}" for as_of, said in before.items() if said is not None]
        return dg.SensorResult(
            run_requests=requests, skip_reason=None if requests else "; ".join(told[:SHOWN]) or looked.why_not
        )

    return watching
