"""<model>/evaluation_report: evidence, nothing more. The gate reads it, release acts."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.graph import keys
from mlops_assets.graph.checks import write_and_tell
from mlops_assets.graph.metadata import picture, say_of_partitions, table
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

CODE = (
    "mlops_assets.modeling.agreement",
    "mlops_assets.modeling.behaviour",
    "mlops_assets.modeling.evaluation",
    "mlops_assets.modeling.fairness",
    "mlops_assets.modeling.frames",
    "mlops_assets.modeling.intervals",
    "mlops_assets.modeling.serialization",
    "mlops_assets.modeling.slices",
    "mlops_assets.steps.evaluated",
    "mlops_assets.steps.evaluation",
)


def evaluation_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that measures a trained model on the newest mature labels."""
    stage = ModelStage.of(catalog, declared, "evaluation_report")
    asked = Version.of({"question": question(catalog, declared), "evaluation": declared.evaluation})

    @dg.asset(
        **stage.settings,
        ins={
            "training_set": dg.AssetIn(keys.of_model(declared.name, "training_set")),
            "model": dg.AssetIn(keys.of_model(declared.name, "model")),
        },
        code_version=asked.made_by(*CODE),
        kinds={"scikitlearn"},
        description=(
            f"How the model does on the {declared.window.evaluate_days} days after those it was trained on, "
            "beside its baseline and, on the same rows, the champion."
        ),
    )
    def evaluation_report(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
        training_set: Pinned,
        model: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.steps.evaluation import evaluate, produced
        from mlops_assets.steps.evaluation_page import metrics, pictures, show, slice_table
        from mlops_assets.steps.training import require_made_from, trained_record

        require_made_from(stores, model, training_set)
        record = trained_record(stores, model)
        found = evaluate(stores, catalog, declared, training_set, record, context.log.info)
        evidence, drawn = found.evidence, pictures(found)
        page = show(stores, tracking, found, drawn, record.mlflow_run_id)
        tracking.add_metrics(record.mlflow_run_id, evidence.metrics)
        metadata = {
            "evaluation": picture(drawn[0], "evaluation"),
            "comparison": table(*metrics(evidence)),
            **({"slices": table(*slice_table(evidence.slices))} if evidence.slices else {}),
            "foundations": picture(drawn[1], "importance and staleness"),
            "report": dg.MetadataValue.path(page),
            **evidence.metrics,
            "evaluated_rows": evidence.rows,
            "positive_rows": evidence.positives,
            "notes": evidence.notes,
        }
        say_of_partitions(context, stage.key, {context.partition_key: metadata})
        yield from write_and_tell(context, {stage.key: produced(found, training_set, model)})

    return evaluation_report
