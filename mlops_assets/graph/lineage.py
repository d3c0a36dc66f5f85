"""<model>/lineage: what the version of an as-of date was made from, as a picture in the UI."""

from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.metadata import drawing, table
from mlops_assets.graph.plan import LINEAGE
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.stores import Stores

HEADS = ("table", "partitions", "", "versions of code", "runs")


def lineage_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that shows a release down to its files. What it tells is in the records; it stores nothing else."""
    stage = ModelStage.of(catalog, model, LINEAGE)

    @dg.asset(
        **stage.settings,
        deps=[keys.of_model(model.name, "release")],
        description=(
            "All that the version of this as-of date was made from, down to the files; `mlops trace model` walks it."
        ),
    )
    def lineage(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]
    ) -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(metadata=_told(stores, model.name, context.partition_key))

    return lineage


def _told(stores: Stores, model: str, as_of: str) -> dict[str, Any]:
    from mlops_assets.steps.trace import span, trace_release
    from mlops_assets.steps.trace_page import page, picture

    traced = trace_release(stores, model, as_of)
    if traced is None:
        return {"version": "none: nothing was released as of this date"}
    tables, files = traced.reached.tables(), traced.reached.files()
    rows = [
        (one.table, str(one.partitions), span(one.first, one.last), str(one.code_versions), str(one.runs))
        for one in tables
    ]
    saved = stores.reports.save(f"{model}/{as_of}/lineage.html", page(traced))
    return {
        "version": traced.about,
        "lineage": drawing(picture(traced.reached), traced.about),
        "tables": table(HEADS, rows),
        "partitions": sum(one.partitions for one in tables),
        "files": len(files),
        "walk": dg.MetadataValue.path(saved),
        "in_words": dg.MetadataValue.text("; ".join(f"{row[0]}: {row[1]} ({row[2]})" for row in rows)),
    }
