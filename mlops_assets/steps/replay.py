"""Days of the past asked again: which request each event would have sent, and when; and what was answered."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mlops_assets.data.sql import names
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import EVENT_TIME
from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.contract import Contract
from mlops_assets.stores.replays import ReplayedDay
from mlops_assets.stores.stores import Stores

EVENTS = "_events"


@dataclass(frozen=True)
class Question:
    """What is sent for one event. at: the moment. id: of the request, the same each time. row: as JSON has it."""

    at: datetime
    id: str
    row: Mapping[str, Any]


def questions(stores: Stores, catalog: Catalog, model: Model, day: date) -> list[Question]:
    """A request for each event of a day, as long before it as the model is asked, in the order of these moments.

    What would have been asked before the day began is asked when it begins. The rows are as the contract of the version
    that reigns has them: keys and columns of the request. Raises NotMaterialized when the day
    is not there, or nothing reigns.
    """
    release = stores.releases.champion(model.name)
    if release is None:
        raise NotMaterialized(f"no version of {model.name} reigns; run mlops run {model.name} first")
    contract = Contract.of(stores.artifacts.load(release.contract))
    sent = dict.fromkeys(
        [*contract.keys, *(name for name, one in contract.inputs.items() if one.origin == "request")]
    )
    events = stores.lake.pin(f"validated/{model.label.table}", [day.isoformat()])
    events.require([day.isoformat()])
    declared = catalog.tables[model.label.table]
    key = declared.table.key
    columns = names(dict.fromkeys([*key, *sent, EVENT_TIME]))
    sql = f"SELECT {columns} FROM {EVENTS} ORDER BY {EVENT_TIME}, {names(key)}"
    begins = day_begins(catalog, model, day)
    found = []
    for event in stores.engine.rows(sql, {EVENTS: events}).to_pylist():
        named = meaning(model.name, [str(event[name]) for name in key])
        row = {name: _spelled(event[name]) for name in sent}
        found.append(Question(max(begins, event[EVENT_TIME] - model.predict_before), named, row))
    return found


def day_begins(catalog: Catalog, model: Model, day: date) -> datetime:
    """The moment in the zone of the model's events, told in UTC, where each day has as many hours as it has."""
    zone = catalog.tables[model.label.table].source.zone
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def in_slots(
    asked: Sequence[Question], begins: datetime, every: timedelta
) -> list[tuple[datetime, list[Question]]]:
    """Questions by the last of the moments ``begins``, ``begins + every``, … before them; without empty ones.

    >>> in_slots([], datetime(2013, 3, 1), timedelta(hours=3))
    []
    """
    found: dict[datetime, list[Question]] = {}
    for one in asked:
        found.setdefault(begins + (one.at - begins) // every * every, []).append(one)
    return list(found.items())


def answered(
    records: Iterable[Mapping[str, Any]], day: ReplayedDay, begins: datetime, ends: datetime
) -> ReplayedDay:
    """The day with what the log has of it, each request once. begins, ends: of the day."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in records:
        if begins <= datetime.fromisoformat(one["at"]) < ends:
            found.setdefault(one["id"], one)
    versions = [int(one["version"]) for one in found.values()]
    took = sorted(float(one["milliseconds"]) for one in found.values())
    scores = [float(score) for one in found.values() for score in one["probability"]]
    return replace(
        day,
        answers={version: versions.count(version) for version in sorted(set(versions))},
        milliseconds=(_at(took, 0.5), _at(took, 0.95)) if took else None,
        scores=statistics.fmean(scores) if scores else None,
    )


def _at(ascending: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _spelled(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
