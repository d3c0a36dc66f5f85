"""The contract of a trained and evaluated model: drawn up, kept by content, held against the champion's."""

from __future__ import annotations

import json

from mlops_assets.data.sql import name
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.declaration.versions import question
from mlops_assets.errors import GateRefusal
from mlops_assets.governance.contract import Contract, Input, Origin
from mlops_assets.governance.evidence import Evidence
from mlops_assets.modeling.environment import told
from mlops_assets.modeling.made import Made
from mlops_assets.steps.inputs import all_below
from mlops_assets.steps.training import TrainedRecord
from mlops_assets.stores.engine import Session
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

# Text of more different values than this is an identifier, not a choice.
CATEGORIES = 1000


def contract_of(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    record: TrainedRecord,
    evidence: Evidence,
    trained: Pinned,
) -> Contract:
    """What this model takes, answers, rests on and promises.

    Raises GateRefusal when what it was trained with is not what is declared now.
    """
    types = catalog.input_types(model)
    taken = [*record.inputs, *record.dropped]
    if sorted(taken) != sorted(types):
        odd = sorted(set(taken) ^ set(types))
        raise GateRefusal(
            f"{model.name} as of {record.as_of} was trained with other inputs than are declared now "
            f"({', '.join(odd)}); materialize its training_set, model and evaluation_report again"
        )
    return Contract(
        model=model.name,
        owner=model.owner,
        edition=model.contract.edition,
        as_of=record.as_of,
        model_digest=record.model_digest,
        keys=_keys(catalog, model),
        inputs=_inputs(stores, model, types, trained),
        output={"version": "integer", "probability": "double from 0 to 1"},
        service=model.features,
        features=record.feature_hash,
        views=json.loads(record.view_versions),
        question=question(catalog, model),
        label=model.label.model_dump(mode="json", include={"table", "positive"}),
        objectives=model.contract.objectives.model_dump(),
        resources=model.contract.resources.model_dump(),
        metrics=dict(evidence.metrics),
        training={
            f"{one.table}@{one.partition}": one.fingerprint
            for one in all_below(stores.records, trained.contents)
        },
        code={"version": record.code},
        environment=told(dict(Made.of(stores.artifacts.load(record.artifact_digest)).environment)),
        prediction_log=model.contract.prediction_log,
        threshold=model.evaluation.threshold,
    )


def keep_contract(stores: Stores, contract: Contract) -> str:
    """Store it under its own digest, which is returned. Equal contracts are stored once."""
    return stores.artifacts.save(contract.to_files())


def kept_contract(stores: Stores, digest: str) -> Contract:
    """The contract under a digest. Raises ArtifactMismatch when it is not what was stored."""
    return Contract.of(stores.artifacts.load(digest))


def _keys(catalog: Catalog, model: Model) -> dict[str, str]:
    """What features are looked up by or computed from, as the caller names it; other inputs of the model apart."""
    taken = catalog.features.request_columns(model.features)
    found = {one.name: one.type for one in taken if one.role == "a key" or one.name not in model.request}
    return dict(sorted(found.items()))


def _inputs(stores: Stores, model: Model, types: dict[str, str], trained: Pinned) -> dict[str, Input]:
    """Each input as the training rows have it."""
    (content,) = trained.contents
    table = f"{model.name}/training_set"
    (read,) = [one for one in stores.records.reads(content) if one.table == table]
    rows = stores.lake.pin(table, [read.partition], version=read.version)
    with stores.engine.session({"training_set": rows}) as session:
        learned = f"(SELECT * FROM training_set WHERE {USE} = 'train' AND {LABEL} IS NOT NULL)"
        origins: dict[str, Origin] = dict.fromkeys(model.request, "request")
        return {
            column: _input(session, learned, column, kind, origins.get(column, "features"))
            for column, kind in types.items()
        }


def _input(session: Session, rows: str, column: str, kind: str, origin: Origin) -> Input:
    (one,) = session.rows(f"SELECT {_asked(name(column), kind)} FROM {rows}").to_pylist()
    found = one["categories"]
    few = found is not None and len(found) <= CATEGORIES
    return Input(kind, origin, one["low"], one["high"], tuple(found) if few else None, one["missing"])


def _asked(column: str, kind: str) -> str:
    """SQL: the range, the categories and the missing share of a column."""
    missing = f"coalesce(avg(({column} IS NULL)::INT), 0.0) AS missing"
    if kind in ("string", "boolean"):
        distinct = f"list_sort(list(DISTINCT {column}::VARCHAR) FILTER ({column} IS NOT NULL))"
        return f"NULL::DOUBLE AS low, NULL::DOUBLE AS high, coalesce({distinct}, []) AS categories, {missing}"
    number = f"epoch({column})" if kind == "timestamp" else f"{column}::DOUBLE"
    low, high = (f"{extreme}({number}) FILTER (isfinite({number}))" for extreme in ("min", "max"))
    return f"{low} AS low, {high} AS high, NULL::VARCHAR[] AS categories, {missing}"
