"""<model>/predictions: what the model's service answered, day by day, taken over from its log."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning, source_code
from mlops_assets.declaration.model import Model
from mlops_assets.governance.served_prediction import CHECKS, TABLE
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.launching import RETRIES, how, runs_of
from mlops_assets.graph.plan import stretches
from mlops_assets.graph.stage import of_model
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.steps.predictions",
    "mlops_assets.steps.sealing",
    "mlops_assets.governance.canonical",
    "mlops_assets.governance.served_prediction",
)
# A day is written anew each time, so not after each segment.
SECONDS = 600


def predictions_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that takes over what a service wrote down. Of a model that nobody serves it is empty."""
    key, days = keys.of_model(model.name, TABLE), served_days(catalog, model)
    zone = catalog.tables[model.label.table].source.zone

    @dg.asset(
        **of_model(model, key),
        partitions_def=days,
        deps=[
            dg.AssetDep(keys.of_model(model.name, "release"), partition_mapping=partitions.looking_back(1, 1))
        ],
        check_specs=check_specs(key, CHECKS, partitions=days),
        code_version=meaning(source_code(*CODE)),
        backfill_policy=dg.BackfillPolicy.single_run(),
        kinds={"deltalake"},
        description=(
            "What the prediction service answered on a day, each request once: its rows as they were sent, their "
            "features as served, version and time. `mlops trace prediction REQUEST_ID` tells why."
        ),
    )
    def predictions(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[Any]:
        from mlops_assets.steps.predictions import compacting

        with compacting(stores, model.name, zone, partitions.produced(context, days)) as made:
            # What was read is forgotten when it is written, which is when Dagster asks for more.
            yield from write_and_tell(context, {key: made.produced})
            made.forget()

    return predictions


def served_days(catalog: Catalog, model: Model) -> dg.DailyPartitionsDefinition:
    """The days on which a version could have answered: from the first as-of date to today, with or without events."""
    timezone = catalog.tables[model.label.table].source.timezone
    return partitions.as_of_dates(catalog.first_as_of(model), None, timezone)


def predictions_sensor(catalog: Catalog, model: Model) -> dg.SensorDefinition:
    """Has the log taken over when a service, or one that was killed, has finished a segment of it.

    And a day written, without rows, of which nothing was taken over and requests failed: its report needs one.
    """
    key, days = keys.of_model(model.name, TABLE), served_days(catalog, model)
    zone = catalog.tables[model.label.table].source.zone

    @dg.sensor(
        name=f"{model.name}_predictions",
        target=dg.AssetSelection.assets(key),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Takes over what the service of {model.name} wrote down, each ten minutes in which it did.",
    )
    def take_over(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.predictions import taken_over, waiting
        from mlops_assets.steps.served_windows import unjudged

        found, failing = waiting(stores, model.name, zone), unjudged(stores, model.name, zone)
        only_failed = failing.keys() - taken_over(stores, model.name, list(failing))
        wanted = sorted({*found.days, *only_failed})
        requests = [
            dg.RunRequest(
                run_key=f"{model.name}/{TABLE}/{first}/{last}/{found.digest}",
                asset_selection=[key],
                tags={**RETRIES, partitions.RANGE_START: first, partitions.RANGE_END: last},
            )
            for first, last in stretches(day for day in wanted if days.has_partition_key(day))
        ]
        runs = runs_of(context.instance, (str(one.run_key) for one in requests))
        told = "; ".join(how(run) for run in runs.values())
        new = [one for one in requests if one.run_key not in runs]
        return dg.SensorResult(
            run_requests=new, skip_reason=None if new else told or "nothing waits in finished segments"
        )

    return take_over
