"""Why one prediction is what it is: from its row down to the files, who let its version answer, and its proof."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.prediction import TABLE, Prediction, place_of, subject
from mlops_assets.governance.sealed import prove
from mlops_assets.steps.scoring import named_predictions
from mlops_assets.steps.sealing import seals
from mlops_assets.steps.trace import Touched, Traced, facts_of, proof_told, reigning
from mlops_assets.stores.lineage import Materialized
from mlops_assets.stores.stores import Stores

Rows = Sequence[tuple[str, Prediction]]


def trace_prediction(stores: Stores, prediction_id: str) -> Traced:
    """The prediction with that id, as it was first written, and all that it was made from.

    Raises BadRequest for what is no id, and NotMaterialized when there is no such prediction.
    """
    model, day = place_of(prediction_id)
    made = stores.lineage.materialized(stores.lineage.written(f"{model}/{TABLE}", day))
    held = [(one, rows) for one in made if _has(rows := _rows(stores, model, one), prediction_id)]
    if not held:
        raise NotMaterialized(_unknown(stores, model, day, prediction_id, made))
    first, rows = held[0]
    proof = prove(rows, prediction_id, seals(stores, subject(model, day)))
    said = dict(rows)[prediction_id]
    reached = stores.lineage.backward([first.id])
    release = stores.releases.version(model, said.version)
    if release is None:
        raise NotMaterialized(
            f"{prediction_id} says that version {said.version} of {model} made it, and there is none: its row was "
            f"changed. {proof.said}"
        )
    version = Touched(model, release.version, release.as_of, release.version == reigning(stores, model))
    facts = {
        **_said(said, first, [one.version for one, _ in held[1:]]),
        "proof": proof_told(proof),
        "features": [{"feature": name, "value": value} for name, value in json.loads(said.features).items()],
        **facts_of(stores, release, reached),
    }
    return Traced(f"prediction {prediction_id}", facts, reached, (version,))


def _rows(stores: Stores, model: str, made: Materialized) -> Rows:
    return named_predictions(stores, model, made.partition, version=made.version)


def _has(rows: Rows, wanted: str) -> bool:
    return any(name == wanted for name, _ in rows)


def _unknown(stores: Stores, model: str, day: str, wanted: str, made: Sequence[Materialized]) -> str:
    if not made:
        days = [one.partition for one in stores.records.contents(f"{model}/{TABLE}")]
        there = f"it has those of {days[0]} to {days[-1]}" if days else "it has none"
        return f"no predictions of {model} of {day} were ever made; {there}"
    sealed = (
        ", ".join(f"{one.count} in entry {one.entry}" for one in seals(stores, subject(model, day))) or "none"
    )
    there = " and then ".join(str(one.rows) for one in made)
    return (
        f"{model} has no prediction {wanted}: there were {there} of {day}, of which the ledger sealed {sealed}. "
        "Look at the id again"
    )


def _said(said: Prediction, first: Materialized, again: Sequence[int]) -> dict[str, Any]:
    return {
        "version": said.version,
        "score": said.score,
        "entity": json.loads(said.entity),
        "event_time": said.event_time,
        "predicted_at": said.predicted_at,
        "written_at": first.written_at,
        "table_version": first.version,
        "written_again_in": list(again),
    }
