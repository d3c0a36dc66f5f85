"""<model>/evaluation_report: evidence, nothing more. The gate reads it, release acts."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.governance.evidence import Evidence
from mlops_assets.graph import keys
from mlops_assets.graph.checks import write_and_tell
from mlops_assets.graph.metadata import picture, say_of_partitions
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def evaluation_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that measures a trained model on the newest mature labels."""
    stage = ModelStage.of(catalog, declared, "evaluation_report")
    asked = Version.of({"question": question(catalog, declared)})
    timezone = catalog.tables[declared.label.table].source.timezone

    @dg.asset(
        **stage.settings,
        ins={
            "training_set": dg.AssetIn(keys.of_model(declared.name, "training_set")),
            "model": dg.AssetIn(keys.of_model(declared.name, "model")),
        },
        code_version=asked.made_by("mlops_assets.modeling.evaluation"),
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
        from mlops_assets.steps.training import require_made_from, trained_record

        require_made_from(stores, model, training_set)
        record = trained_record(stores, model)
        found = evaluate(stores, declared, training_set, record, timezone=timezone)
        tracking.add_metrics(record.mlflow_run_id, found.evidence.metrics)
        metadata = {"evaluation": picture(found.plot, "evaluation"), **_told(found.evidence)}
        say_of_partitions(context, stage.key, {context.partition_key: metadata})
        yield from write_and_tell(context, {stage.key: produced(found.evidence, training_set, model)})

    return evaluation_report


def _told(evidence: Evidence) -> dict[str, Any]:
    champion = evidence.champion
    columns = {"model": evidence.metrics, "baseline": evidence.baseline}
    if champion is not None:
        columns[f"champion, version {champion.champion_version}"] = champion.metrics
    return {
        "comparison": dg.MetadataValue.md(_comparison_table(columns)),
        **evidence.metrics,
        "evaluated_rows": evidence.rows,
        "positive_rows": evidence.positives,
        "notes": evidence.notes,
    }


def _comparison_table(columns: dict[str, dict[str, float]]) -> str:
    metrics = sorted({metric for values in columns.values() for metric in values})
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for metric in metrics:
        cells = [f"{values[metric]:.4f}" if metric in values else "–" for values in columns.values()]
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)
