"""<model>/service_report: how the model's service did on a day."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.governance.served_prediction import TABLE
from mlops_assets.graph import keys
from mlops_assets.graph.automation import when_inputs_are_good
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.features import JOIN
from mlops_assets.graph.launching import RETRIES, never_launched
from mlops_assets.graph.metadata import say_of_partitions, table
from mlops_assets.graph.predictions import SECONDS, served_days
from mlops_assets.graph.stage import of_model
from mlops_assets.monitoring.service import CHECKS, REPORT
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.steps.service_report",
    "mlops_assets.steps.served_parity",
    "mlops_assets.steps.served_windows",
    "mlops_assets.steps.served",
    "mlops_assets.monitoring.distances",
    "mlops_assets.monitoring.parity",
    "mlops_assets.monitoring.service",
    "mlops_assets.monitoring.service_day",
    "mlops_assets.data.on_demand",
    *JOIN,
)


def service_report_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that judges a day of what was answered."""
    key, answered = keys.of_model(model.name, REPORT), keys.of_model(model.name, TABLE)
    days = served_days(catalog, model)
    # How a version comes to answer changes no report.
    limits = model.serving.model_copy(update={"canary": None})
    looked = {"serving": limits, "objectives": model.contract.objectives}
    identity = {"looked": looked, "question": question(catalog, model)}

    @dg.asset(
        **of_model(model, key),
        partitions_def=days,
        deps=[answered],
        automation_condition=when_inputs_are_good(answered),
        check_specs=check_specs(key, CHECKS, partitions=days),
        code_version=Version.of(identity).made_by(*CODE),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        kinds={"duckdb", "deltalake"},
        description=(
            "How the service did on a day: latency by minute, errors and classes by hour, and whether the features "
            "that were served are those that were known offline at that moment."
        ),
    )
    def service_report(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[Any]:
        from mlops_assets.monitoring.service_page import (
            FEATURES,
            HOURS,
            facts,
            features,
            hours,
            page,
            pictures,
        )
        from mlops_assets.steps.service_report import judge_service

        day = context.partition_key
        found = judge_service(stores, catalog, model, day)
        said, title = found.produced.verdicts[day], f"{model.name}: the service on {day}"
        saved = stores.reports.save(f"{model.name}/{day}/service.html", page(title, found.report, said))
        told = {
            "at_a_glance": dg.MetadataValue.md(pictures(found.report)),
            "classes": table(HOURS, hours(found.report)),
            "features": table(FEATURES, features(found.report)),
            "report": dg.MetadataValue.path(saved),
            **{
                name.replace(" ", "_"): dg.MetadataValue.text(fact)
                for name, fact in facts(found.report).items()
            },
        }
        say_of_partitions(context, key, {day: told})
        yield from write_and_tell(context, {key: found.produced}, told=dict.fromkeys(CHECKS, told))

    return service_report


def service_report_sensor(catalog: Catalog, model: Model) -> dg.SensorDefinition:
    """Has a day judged again on which more requests failed than its report counts.

    The report follows rows that are new, and requests that fail leave none.
    """
    key, days = keys.of_model(model.name, REPORT), served_days(catalog, model)
    zone = catalog.tables[model.label.table].source.zone

    @dg.sensor(
        name=f"{model.name}_{REPORT}",
        target=dg.AssetSelection.assets(key),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Has days of {model.name} judged on which more failed than their reports count.",
    )
    def judge_again(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.predictions import taken_over
        from mlops_assets.steps.served_windows import unjudged

        failing = unjudged(stores, model.name, zone)
        there = taken_over(stores, model.name, list(failing))
        asked = {
            f"{failed} failed on {day}": dg.RunRequest(
                run_key=f"{model.name}/{REPORT}/{day}/{failed}", partition_key=day, tags=RETRIES
            )
            for day, failed in failing.items()
            if day in there and days.has_partition_key(day)
        }
        requests, told = never_launched(context.instance, asked)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(told) or "reports count all that failed",
        )

    return judge_again
