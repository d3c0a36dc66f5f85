"""What a version answers: features looked up for all rows of some requests at once, then one call of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_assets.serving.released import Released
from mlops_assets.serving.request import Finding, Request
from mlops_assets.steps.served import Rows, answered, joined_columns, online_rows
from mlops_assets.stores.online import Online

if TYPE_CHECKING:
    from mlops_assets.modeling.frames import Scores


@dataclass(frozen=True)
class Answer:
    """features: of each row, as served. explanations: of each row, by input; None when they were not asked for.

    findings: what was not online.
    """

    probabilities: list[float]
    features: list[dict[str, Any]]
    explanations: list[dict[str, float]] | None
    findings: list[Finding]


def answers(
    released: Released,
    online: Online,
    versions: Mapping[str, str],
    requests: Sequence[Request],
    at: datetime,
) -> list[Answer]:
    """What is answered to each request. versions: of each view, the one that is asked. at: from which TTLs are counted.

    Raises NotMaterialized when a view went offline, TransformFailed when an on-demand transform raises.
    """
    rows = [row for request in requests for row in request.rows]
    looked_up, found = _looked_up(released, online, versions, rows, at)
    records = [{**row, **features} for row, features in zip(rows, looked_up, strict=True)]
    probabilities = released.engine.scores(records)
    explained = iter(_explained(released, requests, records, probabilities))
    told: list[Answer] = []
    first = 0
    for request in requests:
        place = slice(first, first + len(request.rows))
        first = place.stop
        told.append(
            Answer(
                probabilities[place].tolist(),
                looked_up[place],
                [next(explained) for _ in request.rows] if request.explain else None,
                _absent(found, place),
            )
        )
    return told


def _looked_up(
    released: Released,
    online: Online,
    versions: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    at: datetime,
) -> tuple[list[dict[str, Any]], Rows]:
    delivery = released.delivery
    found = online_rows(online, delivery, versions, rows, at)
    return answered(delivery, rows, joined_columns(delivery, found)), found


def _explained(
    released: Released,
    requests: Sequence[Request],
    records: Sequence[Mapping[str, Any]],
    probabilities: Scores,
) -> list[dict[str, float]]:
    """Of each row that is to be explained the difference that each input alone makes.

    That is by how much the probability is higher than with that input as in the reference row, a row in the middle
    of what the model learned from.
    """
    asked = [request.explain for request in requests for _ in request.rows]
    columns, reference = released.inputs.columns, released.golden.reference
    chosen = [number for number, explain in enumerate(asked) if explain]
    if not chosen:
        return []
    others = [{**records[number], column: reference[column]} for number in chosen for column in columns]
    without = released.engine.scores(others).reshape(len(chosen), len(columns))
    differences = probabilities[chosen][:, None] - without
    return [dict(zip(columns, row.tolist(), strict=True)) for row in differences]


def _absent(found: Rows, place: slice) -> list[Finding]:
    """For each row what is not online, or is expired, so that its features are null."""
    told = []
    for number in range(place.start, place.stop):
        for view, rows in found.items():
            row = rows[number]
            if row is None:
                told.append(Finding(number - place.start, view, "no row", "has no row online: null"))
            elif row.expired:
                since = row.event_time.isoformat()
                told.append(Finding(number - place.start, view, since, "is older than its TTL: null"))
    return told
