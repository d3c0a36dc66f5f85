"""Why a service answered what it did: the row of its request, who let its version answer, and the proof of the row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from mlops_assets.data.sql import PARTITION, text
from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.governance.prediction import place_of
from mlops_assets.governance.sealed import prove
from mlops_assets.governance.served_prediction import TABLE, ServedPrediction, subject
from mlops_assets.steps.predictions import ID, as_said, logged
from mlops_assets.steps.sealing import seals
from mlops_assets.steps.trace import Touched, Traced, facts_of, proof_told, reigning
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class _Place:
    """A row of the lake."""

    model: str
    day: str
    prediction_id: str
    row: int
    rows: int


def trace_served(stores: Stores, wanted: str, *, row: int = 0) -> Traced | None:
    """The answer to a row of a request, and all that its version was made from; None when no service gave it.

    wanted: the id of the request, or that of the prediction, which names its row itself.
    Raises BadRequest for a row that the request does not have, and for an id of several requests; NotMaterialized for
    one that is still in the log.
    """
    searched = _searched(stores, wanted)
    found = [place for model, days in searched.items() for place in _places(stores, model, days, wanted)]
    if not found:
        _require_not_in_log(stores, searched, wanted)
        return None
    place = _one(found, wanted, row)
    pinned = stores.lake.pin(f"{place.model}/{TABLE}", [place.day])
    rows = sorted(
        ((one[ID], as_said(place.model, place.day, one)) for one in stores.lake.rows(pinned).to_pylist()),
        key=lambda one: one[0],
    )
    proof = prove(rows, place.prediction_id, seals(stores, subject(place.model, place.day)))
    said = dict(rows)[place.prediction_id]
    release = stores.releases.version(place.model, said.version)
    if release is None:
        raise NotMaterialized(
            f"{wanted} was answered by version {said.version} of {place.model}, and there is none. {proof.said}"
        )
    reached = stores.lineage.backward(stores.lineage.find(release.made_from))
    version = Touched(
        place.model, release.version, release.as_of, release.version == reigning(stores, place.model)
    )
    facts = {
        **_told(said, place, pinned),
        "proof": proof_told(proof),
        "features": [{"feature": name, "value": value} for name, value in json.loads(said.features).items()],
        "views": _views(said, release.view_versions),
        **facts_of(stores, release, reached),
    }
    return Traced(f"prediction {place.prediction_id}", facts, reached, (version,))


def _searched(stores: Stores, wanted: str) -> dict[str, list[str] | None]:
    """Where an id may be, each model with its days: a prediction's names its own, that of a request may be of any."""
    try:
        model, day = place_of(wanted)
    except BadRequest:
        return dict.fromkeys(stores.releases.models())
    return {model: [day]}


def _places(stores: Stores, model: str, days: list[str] | None, wanted: str) -> Iterator[_Place]:
    """Where a model's rows have that id, in order of day and row."""
    try:
        pinned = stores.lake.pin(f"{model}/{TABLE}", days)
    except NotMaterialized:
        return
    columns = f"{PARTITION}, {ID}, request_id, row"
    sql = (
        f"WITH asked AS (SELECT DISTINCT {PARTITION}, request_id FROM held "
        f"WHERE request_id = {text(wanted)} OR {ID} = {text(wanted)}) "
        f"SELECT {columns}, count(*) OVER (PARTITION BY {PARTITION}, request_id) AS rows "
        f"FROM held JOIN asked USING ({PARTITION}, request_id) ORDER BY {PARTITION}, row"
    )
    for one in stores.engine.rows(sql, {"held": pinned}).to_pylist():
        yield _Place(model, one[PARTITION], one[ID], one["row"], one["rows"])


def _one(found: list[_Place], wanted: str, row: int) -> _Place:
    by_id = [one for one in found if one.prediction_id == wanted]
    if by_id:
        return by_id[0]
    requests = sorted({(one.model, one.day) for one in found})
    if len(requests) > 1:
        named = ", ".join(one.prediction_id for one in found if one.row == 0)
        raise BadRequest(f"{len(requests)} requests had the id {wanted!r}; say which prediction: {named}")
    of_row = [one for one in found if one.row == row]
    if not of_row:
        raise BadRequest(
            f"found row {row}, expected one of the {found[0].rows} of request {wanted!r}, from 0"
        )
    return of_row[0]


def _require_not_in_log(stores: Stores, models: Iterable[str], wanted: str) -> None:
    for model in models:
        for segment in logged(stores, model, UTC, finished=False):
            if any(wanted in (first.request_id, first.id) for first, *_ in segment.requests):
                raise NotMaterialized(
                    f"{wanted} is in the log of {model} and not yet in {model}/{TABLE}; once its segment is finished, "
                    f"run mlops predictions compact {model}"
                )


def _told(said: ServedPrediction, place: _Place, pinned: Pinned) -> dict[str, Any]:
    return {
        "version": said.version,
        "score": said.probability,
        "request_id": said.request_id,
        "row": f"{place.row} of {place.rows}",
        "predicted_at": said.predicted_at,
        "asked_by": said.by or "nobody had to say",
        "milliseconds": said.milliseconds,
        "table_version": pinned.contents[0].version,
        "request": [{"column": name, "value": value} for name, value in json.loads(said.request).items()],
    }


def _views(said: ServedPrediction, trained: Mapping[str, str]) -> list[dict[str, str]]:
    """Of each view the version that was asked online, and the one that the model learned from."""
    asked = json.loads(said.views)
    return [
        {"view": name, "online": asked[name], "trained_with": trained.get(name, "none")} for name in asked
    ]
