"""<model>/performance_report: how does the champion do on days whose labels are there?"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.features import JOIN, question_inputs
from mlops_assets.graph.metadata import say_of_partitions, table
from mlops_assets.graph.stage import ModelStage
from mlops_assets.monitoring.performance import CHECKS
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.steps.performance",
    "mlops_assets.steps.estimate",
    "mlops_assets.steps.hindsight",
    "mlops_assets.steps.labels",
    "mlops_assets.steps.question",
    "mlops_assets.governance.decay",
    "mlops_assets.governance.paired",
    "mlops_assets.modeling.calibration",
    "mlops_assets.modeling.estimation",
    "mlops_assets.modeling.evaluation",
    "mlops_assets.modeling.expected",
    "mlops_assets.modeling.intervals",
    "mlops_assets.monitoring.arrival",
    "mlops_assets.monitoring.estimates",
    "mlops_assets.monitoring.performance",
    "mlops_assets.data.training_set",
    "mlops_assets.data.on_demand",
    *JOIN,
)


def performance_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that measures the champion on the newest days whose labels are there."""
    stage = ModelStage.of(catalog, declared, "performance_report")
    events, features = question_inputs(catalog, declared, days=declared.window.days)
    champion = dg.AssetDep(
        keys.of_model(declared.name, "release"), partition_mapping=partitions.looking_back(1, 1)
    )
    looked = {
        "mature_at": declared.label.mature_at,
        "decay": declared.retraining.decay,
        "threshold": declared.evaluation.threshold,
        "days": (declared.window, declared.gates.champion.at_least_days),
    }
    identity = Version.of({"looked": looked, "question": question(catalog, declared)}).made_by(*CODE)

    @dg.asset(
        **stage.settings,
        ins={"labelled_events": events, **features},
        deps=[champion],
        check_specs=check_specs(stage.key, CHECKS, partitions=stage.as_of_dates),
        code_version=identity,
        kinds={"duckdb", "deltalake"},
        description=(
            f"The champion of that time on days of which {declared.label.mature_at:.0%} of the labels are expected "
            "to be there, beside the days it was evaluated on and the version before it; and how labels arrive."
        ),
    )
    def performance_report(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        labelled_events: Pinned,
        **views: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.monitoring.performance_page import DAYS, facts, newest_days, page, pictures
        from mlops_assets.steps.performance import judge_performance

        as_of = context.partition_key
        found = judge_performance(stores, catalog, declared, labelled_events, views, as_of)
        title = f"{declared.name}: performance as of {as_of}"
        saved = stores.reports.save(f"{declared.name}/{as_of}/performance.html", page(title, found.report))
        told = {
            "daily_loss_and_arrival": dg.MetadataValue.md(pictures(found.report)),
            "days": table(DAYS, newest_days(found.report)),
            "report": dg.MetadataValue.path(saved),
            **{
                name.replace(" ", "_"): dg.MetadataValue.text(fact)
                for name, fact in facts(found.report).items()
            },
        }
        say_of_partitions(context, stage.key, {as_of: told})
        yield from write_and_tell(context, {stage.key: found.produced}, told=dict.fromkeys(CHECKS, told))

    return performance_report
