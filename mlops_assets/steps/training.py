"""From a training set to a trained model in the artifact store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from mlops_assets.data.sql import PARTITION
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.declaration.training_columns import USE
from mlops_assets.declaration.versions import feature_hash, view_versions
from mlops_assets.errors import GateRefusal
from mlops_assets.modeling.environment import environment
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.golden import Golden
from mlops_assets.modeling.made import Made, Rows
from mlops_assets.modeling.serialization import CORRELATIONS, PROFILE, SETTLED_AFTER
from mlops_assets.modeling.training import Trained, train
from mlops_assets.steps.inputs import require_proven
from mlops_assets.steps.population import (
    RELATIONS,
    answered,
    asked,
    correlations,
    reference_profile,
    watched_columns,
)
from mlops_assets.steps.proven import of_training_set
from mlops_assets.steps.settled import settled_labels
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

# Where the bytes are and who tracked the run differ between equal trainings.
VOLATILE = ("artifact_digest", "mlflow_run_id", "code", "cpu_seconds")


@dataclass(frozen=True)
class TrainedRecord:
    """What is recorded of a trained model; the row of the table ``<model>/model``.

    feature_hash: of its feature service. view_versions: of each view below it, as JSON.
    parameters: of the estimator, as JSON, those that were searched for among them. tried: how many combinations
    were. code: the version of what trained it. cpu_seconds: that the fit took, of all its threads.
    """

    as_of: str
    model_digest: str
    artifact_digest: str
    mlflow_run_id: str
    rows: int
    inputs: list[str]
    dropped: list[str]
    feature_hash: str
    view_versions: str
    estimator: str
    parameters: str
    tried: int
    seed: int
    code: str
    cpu_seconds: float


def fit(stores: Stores, catalog: Catalog, model: Model, training_set: Pinned) -> tuple[Trained, pd.DataFrame]:
    """Fit on one pinned training set; the rows are returned too, as examples of what the model takes.

    Raises GateRefusal when no proof that it leaks nothing passed for exactly this training set.
    """
    require_proven(stores.records, training_set.contents, of_training_set(model))
    rows = stores.engine.rows("SELECT * FROM training_set", {"training_set": training_set}).to_pandas()
    return train(model.recipe(catalog.input_types(model)), rows), rows


def made(recipe: Recipe, training_set: Pinned, *, code: str) -> Made:
    """How a model is made here and now."""
    (content,) = training_set.contents
    rows = Rows(content.table, content.partition, content.version, content.fingerprint)
    return Made(recipe, rows, code, environment())


def watched_files(
    stores: Stores, catalog: Catalog, model: Model, training_set: Pinned, trained: Trained, rows: pd.DataFrame
) -> dict[str, bytes]:
    """What later batches are compared with: the rows the model learned from, and how it scores others.

    And some of those rows with its answers, for where it is served.
    """
    timezone = catalog.tables[model.label.table].source.timezone
    columns = watched_columns(catalog, model)
    held_out = rows[rows[USE] == "evaluate"]
    scores = answered(held_out, score(trained.model, trained.inputs, held_out), timezone)
    settled = settled_labels(stores, catalog, model, training_set)
    learned = f"(SELECT * FROM training_set WHERE {USE} = 'train')"
    relations = {
        "training_set": training_set,
        RELATIONS["score"]: scores,
        RELATIONS["label"]: settled.labels,
    }
    with stores.engine.session(relations) as session:
        session.keep(RELATIONS["feature"], asked(catalog, model, learned, timezone))
        profile = reference_profile(session, columns)
        between = correlations(session, columns)
    learned_from = rows[rows[USE] == "train"]
    files = {
        PROFILE: json.dumps(profile.to_dict()).encode(),
        SETTLED_AFTER: json.dumps(settled.after.total_seconds()).encode(),
        **Golden.made(trained.model, trained.inputs, learned_from, seed=model.seed).to_files(),
    }
    return files if between is None else {**files, CORRELATIONS: between.to_bytes()}


def keep(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    trained: Trained,
    files: Mapping[str, bytes],
    *,
    as_of: str,
    mlflow_run_id: str,
    code: str,
) -> TrainedRecord:
    """Store the model's files and say what is recorded of it."""
    views = {name: str(one) for name, one in view_versions(catalog, model.features).items()}
    return TrainedRecord(
        as_of=as_of,
        model_digest=trained.digest,
        artifact_digest=stores.artifacts.save(files),
        mlflow_run_id=mlflow_run_id,
        rows=trained.rows,
        inputs=trained.inputs.columns,
        dropped=list(trained.dropped),
        feature_hash=feature_hash(catalog, model.features),
        view_versions=json.dumps(views, sort_keys=True),
        estimator=model.estimator.made_by,
        parameters=json.dumps(trained.parameters, sort_keys=True),
        tried=len(trained.searched.tried) if trained.searched else 0,
        seed=model.seed,
        code=code,
        cpu_seconds=trained.cpu_seconds,
    )


def produced(record: TrainedRecord, training_set: Pinned) -> Produced:
    """The record as the one row of its partition."""
    return one_row(vars(record), record.as_of, training_set, volatile=VOLATILE)


def trained_record(stores: Stores, model: Pinned) -> TrainedRecord:
    """The record of a pinned model. Raises NotMaterialized when there is none."""
    return TrainedRecord(**only_row(stores, model))


def require_made_from(stores: Stores, made: Pinned, *sources: Pinned) -> None:
    """Raise GateRefusal unless the newest of ``made`` was made from exactly what the sources hold now."""
    for source in sources:
        for content in source.contents:
            if not all(stores.records.made_from(one, content) for one in made.contents):
                raise GateRefusal(
                    f"{made.table} was made before {source.table}, partition {content.partition}, was last "
                    f"written; materialize {made.table} again, so that all that is judged belongs together"
                )


def require_newest(stores: Stores, *pinned: Pinned) -> None:
    """Raise GateRefusal unless these are what their tables hold now."""
    for one in pinned:
        now = stores.lake.pin(one.table, [content.partition for content in one.contents])
        if now.contents != one.contents:
            raise GateRefusal(
                f"{one.table} was written again since version {one.version} of it was read; found version "
                f"{now.version}. Judge what is there now"
            )


def one_row(values: dict[str, Any], as_of: str, *inputs: Pinned, volatile: tuple[str, ...] = ()) -> Produced:
    """A partition of one row, made from the given inputs."""
    read = tuple(content for pinned in inputs for content in pinned.contents)
    rows = pa.Table.from_pylist([{PARTITION: as_of, **values}])
    return Produced(_without_null_types(rows), [as_of], reads={as_of: read}, volatile=volatile)


def only_row(stores: Stores, pinned: Pinned) -> dict[str, Any]:
    """The row of a partition that has one."""
    pinned.require(pinned.absent)
    rows: list[dict[str, Any]] = stores.engine.rows("SELECT * FROM pinned", {"pinned": pinned}).to_pylist()
    (row,) = rows
    del row[PARTITION]
    return row


def _without_null_types(rows: pa.Table) -> pa.Table:
    """Lists without elements have elements of type null, which no table can store; here they are of text."""
    fields = [
        pa.field(field.name, pa.list_(pa.string())) if field.type == pa.list_(pa.null()) else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))
