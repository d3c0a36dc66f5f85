"""<model>/batch_predictions: every event of a day, scored by the version that reigned when the day began."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Calendar, Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.governance.prediction import CHECKS, TABLE
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.features import JOIN, view_mapping
from mlops_assets.graph.stage import of_model
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.steps.scoring",
    "mlops_assets.steps.sealing",
    "mlops_assets.steps.question",
    "mlops_assets.governance.canonical",
    "mlops_assets.governance.prediction",
    "mlops_assets.modeling.frames",
    "mlops_assets.data.training_set",
    "mlops_assets.data.on_demand",
    *JOIN,
)


def batch_predictions_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that scores days of events."""
    key = keys.of_model(model.name, TABLE)
    days = partitions.days_of(scored_days(catalog, model))
    _, views = catalog.model_tables(model)
    before = partitions.looking_back(1, 1)

    @dg.asset(
        **of_model(model, key),
        partitions_def=days,
        deps=[
            keys.validated(model.label.table),
            *(_view(catalog, model, view) for view in views),
            dg.AssetDep(keys.of_model(model.name, "release"), partition_mapping=before),
        ],
        check_specs=check_specs(
            key, CHECKS, blocking=["ids_unique", "scores_are_probabilities"], partitions=days
        ),
        code_version=Version.of({"question": question(catalog, model)}).made_by(*CODE),
        backfill_policy=dg.BackfillPolicy.single_run(),
        kinds={"scikitlearn", "deltalake"},
        description=(
            "Every event of a day, scored by the version that reigned when the day began, with its features as known "
            "when it was asked. `mlops trace prediction ID` tells why."
        ),
    )
    def batch_predictions(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]
    ) -> Iterator[Any]:
        from mlops_assets.steps.scoring import predict

        made = predict(stores, catalog, model, partitions.produced(context, days))
        yield from write_and_tell(context, {key: made})

    return batch_predictions


def scored_days(catalog: Catalog, model: Model) -> Calendar:
    """The days that a version could be there for: of the events, from the first as-of date on."""
    events, _ = catalog.model_tables(model)
    source = events.source
    return Calendar(source.timezone, catalog.first_as_of(model), source.end)


def _view(catalog: Catalog, model: Model, view: str) -> dg.AssetDep:
    """A view on the days whose values may live on the day that is scored."""
    declared = catalog.features.views[view]
    mapping = view_mapping(catalog, declared, first=0, last=0, before=model.predict_before)
    return dg.AssetDep(keys.features(view), partition_mapping=mapping)
