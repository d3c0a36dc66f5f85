"""<model>/model: the declared estimator, fitted and kept, with its run in MLflow."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, feature_hash, question, view_versions
from mlops_assets.graph import keys
from mlops_assets.graph.checks import write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.graph.metadata import drawing, say_of_partitions
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

CODE = (
    "mlops_assets.modeling.training",
    "mlops_assets.modeling.estimators",
    "mlops_assets.modeling.frames",
    "mlops_assets.modeling.search",
    "mlops_assets.monitoring.cells",
    "mlops_assets.monitoring.counting",
    "mlops_assets.monitoring.lookup",
    "mlops_assets.monitoring.multivariate",
    "mlops_assets.monitoring.sketch",
    "mlops_assets.monitoring.tally",
)


def model_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that trains."""
    stage = ModelStage.of(catalog, model, "model")
    features, asked = feature_hash(catalog, model.features), question(catalog, model)
    views = view_versions(catalog, model.features)
    recipe, identity = model.recipe(catalog.input_types(model)), trained_by(catalog, model)

    @dg.asset(
        **stage.settings,
        ins={"training_set": dg.AssetIn(keys.of_model(model.name, "training_set"))},
        code_version=identity,
        kinds={"scikitlearn", "mlflow"},
        description=f"{model.description} Trained with {model.estimator.made_by}.",
    )
    def trained_model(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
        training_set: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.lineage.columns import below, of_inputs
        from mlops_assets.lineage.picture import svg
        from mlops_assets.modeling.frames import frame
        from mlops_assets.modeling.serialization import MADE, MODEL, needed_types, to_files
        from mlops_assets.steps.training import fit, keep, made, produced, watched_files

        as_of = context.partition_key
        tags = {
            "dagster/run_id": context.run.run_id,
            "dagster/asset": stage.key.to_user_string(),
            "dagster/partition": as_of,
            "mlops/table_versions": _table_versions(stores, training_set),
            "mlops/feature_hash": features,
            **{f"mlops/features/{name}": str(one) for name, one in views.items()},
            "mlops/code_version": identity,
        }
        with tracking.run(
            context, experiment=model.name, name=f"{model.name} as of {as_of}", tags=tags
        ) as run:
            trained, rows = fit(stores, catalog, model, training_set)
            watched = watched_files(stores, catalog, model, training_set, trained, rows)
            how = {MADE: made(recipe, training_set, code=identity).to_bytes()}
            files = {**to_files(trained, question=asked), **watched, **how}
            record = keep(
                stores, catalog, model, trained, files, as_of=as_of, mlflow_run_id=run.run_id, code=identity
            )
            run.log_params({**_settings(model), **trained.parameters})
            run.log_metrics({"training_rows": trained.rows})
            example = frame(rows, trained.inputs)
            run.log_model(trained.model, example, trusted_types=needed_types(files[MODEL]))
        drawn = drawing(svg(below(catalog, model), keys.table_name(stage.key)), "lineage of its inputs")
        say_of_partitions(context, stage.key, {as_of: {**vars(record), "lineage_of_inputs": drawn}})
        say_lineage(context, stage.key, of_inputs(catalog, model, about=list(vars(record))))
        yield from write_and_tell(context, {stage.key: produced(record, training_set)})

    return trained_model


def trained_by(catalog: Catalog, model: Model) -> str:
    """The version of what is trained as it is declared, and of the code that trains it."""
    parts = {"question": question(catalog, model), "recipe": model.recipe(catalog.input_types(model))}
    return Version.of(parts).made_by(*CODE, *model.estimator.own_code, *model.baseline.own_code)


def _settings(model: Model) -> Mapping[str, Any]:
    return {
        "estimator": model.estimator.made_by,
        "seed": model.seed,
        "features": model.features,
        "train_days": model.window.train_days,
        "evaluate_days": model.window.evaluate_days,
    }


def _table_versions(stores: Stores, training_set: Pinned) -> str:
    """Every table below the training set at the version it was read, and the training set itself."""
    read = [content for made in training_set.contents for content in stores.records.reads(made)]
    newest: dict[str, int] = {training_set.table: training_set.version}
    for content in read:
        newest[content.table] = max(content.version, newest.get(content.table, -1))
    return json.dumps(newest, sort_keys=True)
