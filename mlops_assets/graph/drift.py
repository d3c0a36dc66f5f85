"""<model>/drift_report: has the world moved since the champion learned it?"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.features import JOIN, question_inputs
from mlops_assets.graph.metadata import say_of_partitions
from mlops_assets.graph.stage import ModelStage
from mlops_assets.monitoring.checks import CHECKS
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.steps.drift",
    "mlops_assets.steps.population",
    "mlops_assets.steps.settled",
    "mlops_assets.steps.watching",
    "mlops_assets.monitoring.article",
    "mlops_assets.monitoring.calibrated",
    "mlops_assets.monitoring.cells",
    "mlops_assets.monitoring.checks",
    "mlops_assets.monitoring.comparison",
    "mlops_assets.monitoring.counting",
    "mlops_assets.monitoring.dependence",
    "mlops_assets.monitoring.distances",
    "mlops_assets.monitoring.findings",
    "mlops_assets.data.legible",
    "mlops_assets.monitoring.lookup",
    "mlops_assets.monitoring.multiplicity",
    "mlops_assets.monitoring.multivariate",
    "mlops_assets.monitoring.own_policy",
    "mlops_assets.monitoring.policies",
    "mlops_assets.monitoring.profile",
    "mlops_assets.monitoring.sketch",
    "mlops_assets.monitoring.tally",
    "mlops_assets.monitoring.unseen",
    "mlops_assets.data.on_demand",
    *JOIN,
)


def drift_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that compares the newest events with what the champion was trained on."""
    stage = ModelStage.of(catalog, declared, "drift_report")
    events, features = question_inputs(catalog, declared, days=declared.drift.days)
    champion = dg.AssetDep(
        keys.of_model(declared.name, "release"), partition_mapping=partitions.looking_back(1, 1)
    )
    identity = Version.of({"drift": declared.drift, "question": question(catalog, declared)}).made_by(*CODE)

    @dg.asset(
        **stage.settings,
        ins={"labelled_events": events, **features},
        deps=[champion],
        check_specs=check_specs(stage.key, CHECKS, partitions=stage.as_of_dates),
        code_version=identity,
        kinds={"duckdb", "deltalake"},
        description=(
            f"The inputs, scores and labels of the {declared.drift.window_days} days before, beside what the "
            f"champion of that time was trained on; judged by the policy {declared.drift.policy!r}."
        ),
    )
    def drift_report(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        labelled_events: Pinned,
        **views: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.steps.drift import judge_drift, show

        as_of = context.partition_key
        found = judge_drift(stores, catalog, declared, labelled_events, views, as_of)
        shown = show(stores, catalog, declared, found, as_of)
        told = {
            "distributions": dg.MetadataValue.md(shown.pictures),
            "worst": dg.MetadataValue.md(shown.table),
            "report": dg.MetadataValue.path(shown.page),
            **{name: dg.MetadataValue.text(fact) for name, fact in shown.facts.items()},
        }
        say_of_partitions(context, stage.key, {as_of: told})
        yield from write_and_tell(context, {stage.key: found.produced}, told=dict.fromkeys(CHECKS, told))

    return drift_report
