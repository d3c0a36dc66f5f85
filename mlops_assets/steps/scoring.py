"""Days of events scored by the version that reigned when each day began, sealed before they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa

from mlops_assets.data.on_demand import apply_on_demand
from mlops_assets.data.sql import PARTITION, names
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import EVENT_TIME
from mlops_assets.declaration.training_columns import PREDICTED_AT
from mlops_assets.declaration.versions import question, view_version
from mlops_assets.governance.canonical import canonical, plain
from mlops_assets.governance.prediction import TABLE, Prediction, subject, verdicts
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.serialization import Loaded
from mlops_assets.steps.evaluation import OTHER_QUESTION, loaded_model
from mlops_assets.steps.question import pinned_question
from mlops_assets.steps.sealing import seal
from mlops_assets.steps.training_set import EVENTS, contents_read, gathered, require_versions, with_features
from mlops_assets.steps.watching import other_features
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced, together
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

ID = "prediction_id"
# So many versions are kept in memory.
MODELS = 4
MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        PARTITION: pa.string(),
        ID: pa.string(),
        "model_version": pa.int64(),
        "artifact_digest": pa.string(),
        "entity": pa.string(),
        EVENT_TIME: MOMENT,
        PREDICTED_AT: MOMENT,
        "features": pa.string(),
        "score": pa.float64(),
    }
)


def predict(stores: Stores, catalog: Catalog, model: Model, days: Sequence[str]) -> Produced:
    """Score the events of days, each by the version that reigned just before, with features as known when asked.

    A day on which nothing reigned, or only a version that was asked something else, has no predictions, and its
    check says why. The ledger has the Merkle root of each day's before a row of it is written.
    Raises NotMaterialized when a day is missing, and GateRefusal when one of a view is of another version of it.
    """
    load = lru_cache(MODELS)(lambda digest: loaded_model(stores, digest))
    made = [_of_day(stores, catalog, model, day, load) for day in days]
    return together(made, stores.places.home / "spill")


def named_predictions(
    stores: Stores, model: str, day: str, *, version: int | None = None
) -> list[tuple[str, Prediction]]:
    """The predictions of a day as the lake has them (by table version ``version``), in the order of their ids.

    Each with the id that its row has. Whether it is what was sealed, that id and the ledger tell.
    """
    pinned = stores.lake.pin(f"{model}/{TABLE}", [day], version=version)
    rows = stores.lake.rows(pinned).to_pylist()
    return sorted(((row[ID], _as_said(model, day, row)) for row in rows), key=lambda one: one[0])


def _of_day(
    stores: Stores, catalog: Catalog, model: Model, day: str, load: Callable[[str], Loaded]
) -> Produced:
    zone = catalog.tables[model.label.table].source.zone
    horizon = Horizon.watched(date.fromisoformat(day) + timedelta(days=1), 1, zone)
    events, views = pinned_question(stores, catalog, model, horizon)
    events.require([day])
    require_versions(stores.records, views, {view: str(view_version(catalog, view)) for view in views})
    champion = stores.releases.reigned(model.name, until=day)
    loaded = None if champion is None else load(champion.artifact_digest)
    why = _why_not(catalog, model, champion, loaded, day)
    read = contents_read(events, views, horizon)
    said: list[Prediction] = []
    if not why and champion is not None and loaded is not None:
        asked = _asked(stores, catalog, model, events, views, horizon)
        key = catalog.tables[model.label.table].table.key
        said = list(_answered(model.name, day, champion, loaded, key, asked))
        read = (*read, *champion.made_from)
    return sealed(stores, model.name, day, said, read=read, requests=events.rows, why=why)


def sealed(
    stores: Stores,
    model: str,
    day: str,
    said: Sequence[Prediction],
    *,
    read: tuple[Content, ...],
    requests: int,
    why: str = "",
) -> Produced:
    """The predictions of a day as they are to be written, once the ledger has their root.

    read: what they were made from. requests: events of the day. why: why none was scored; empty where they were.
    """
    seal(stores, subject(model, day), said)
    rows = [{PARTITION: day, ID: one.id, **_as_row(one)} for one in said]
    checked = verdicts([row[ID] for row in rows], [one.score for one in said], requests=requests, why=why)
    return Produced(pa.Table.from_pylist(rows, SCHEMA), [day], reads={day: read}, verdicts={day: checked})


def _why_not(
    catalog: Catalog, model: Model, champion: Release | None, loaded: Loaded | None, day: str
) -> str:
    """Why the events of a day cannot be scored; empty when they can."""
    if champion is None or loaded is None:
        return f"no version of {model.name} reigned before {day}"
    if loaded.question == question(catalog, model):
        return ""
    return other_features(catalog, model, champion) or f"version {champion.version}: {OTHER_QUESTION}"


def _asked(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    horizon: Horizon,
) -> pa.Table:
    """Every event of the horizon, whatever became of its label, with its features as known when asked."""
    key = catalog.tables[model.label.table].table.key
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        requests = session.rows(f"SELECT * FROM {EVENTS} ORDER BY {EVENT_TIME}, {names(key)}")
        joined = with_features(session, catalog, model, requests)
    return apply_on_demand(catalog.features, model.features, joined)


def _answered(
    model: str, day: str, champion: Release, loaded: Loaded, key: Sequence[str], asked: pa.Table
) -> Iterator[Prediction]:
    scores = score(loaded.model, loaded.inputs, asked.to_pandas())
    for row, answer in zip(asked.to_pylist(), scores, strict=True):
        yield Prediction(
            model=model,
            day=day,
            version=champion.version,
            artifact_digest=champion.artifact_digest,
            entity=_spelled(row, key),
            event_time=_moment(row[EVENT_TIME]),
            predicted_at=_moment(row[PREDICTED_AT]),
            features=_spelled(row, loaded.inputs.columns),
            score=float(answer),
        )


def _as_row(one: Prediction) -> dict[str, Any]:
    return {
        "model_version": one.version,
        "artifact_digest": one.artifact_digest,
        "entity": one.entity,
        EVENT_TIME: datetime.fromisoformat(one.event_time),
        PREDICTED_AT: datetime.fromisoformat(one.predicted_at),
        "features": one.features,
        "score": one.score,
    }


def _as_said(model: str, day: str, row: Mapping[str, Any]) -> Prediction:
    return Prediction(
        model=model,
        day=day,
        version=row["model_version"],
        artifact_digest=row["artifact_digest"],
        entity=row["entity"],
        event_time=_moment(row[EVENT_TIME]),
        predicted_at=_moment(row[PREDICTED_AT]),
        features=row["features"],
        score=row["score"],
    )


def _spelled(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    values = {column: row[column] for column in columns}
    moments = {column: _moment(value) for column, value in values.items() if isinstance(value, datetime)}
    return canonical(plain({**values, **moments}))


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")
