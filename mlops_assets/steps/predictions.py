"""What a service wrote down becomes rows of days: each request of a day once, sealed, and then forgotten by its log."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, takewhile
from operator import attrgetter
from sys import intern
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from filelock import FileLock

from mlops_assets.data.sql import PARTITION
from mlops_assets.errors import GateRefusal, NotMaterialized
from mlops_assets.governance.canonical import canonical, digest
from mlops_assets.governance.served_prediction import TABLE, ServedPrediction, subject, verdicts
from mlops_assets.steps.sealing import is_sealed, seal
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.prediction_log import Segment, log_folder, readings, segments, set_aside
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.shipments import forgettable
from mlops_assets.stores.stores import Stores

ID = "prediction_id"
MOMENT = pa.timestamp("us", tz="UTC")
# One row for each row of a request, in order of time.
SCHEMA = pa.schema(
    {
        PARTITION: pa.string(),
        ID: pa.string(),
        "request_id": pa.string(),
        "row": pa.int64(),
        "predicted_at": MOMENT,
        "version": pa.int64(),
        "probability": pa.float64(),
        "milliseconds": pa.float64(),
        "request": pa.string(),
        "features": pa.string(),
        "views": pa.string(),
        "by": pa.string(),
    }
)
# What a record of another form than a prediction's is met with.
NO_PREDICTION = (KeyError, TypeError, ValueError)
# A request within a day: its day, and the id by which it counts once.
Key = tuple[str, str]


@dataclass(frozen=True)
class Logged:
    """What a segment holds. requests: the rows of each, in the order of the answers. damage: in sentences."""

    segment: Segment
    requests: tuple[list[ServedPrediction], ...]
    damage: tuple[str, ...]

    @property
    def keys(self) -> set[Key]:
        return {(first.day, first.request_id) for first, *_ in self.requests}


@dataclass(frozen=True)
class Compacted:
    """Days as they are to be written: what they held and what the log has of them. logged: that it was read from."""

    stores: Stores
    model: str
    produced: Produced
    logged: tuple[Logged, ...]

    def forget(self) -> None:
        """Remove the segments all of whose records are kept by now, and shipped; those of a writer in their order.

        Out of order, one that is missing would look like one that was forgotten. One that was damaged stays, under
        another name.
        """
        kept = _kept(self.stores, self.model, {day for one in self.logged for day, _ in one.keys})
        shipped = set(forgettable([one.segment for one in self.logged]))
        for _, of_writer in groupby(self.logged, key=attrgetter("segment.run")):
            for one in takewhile(lambda one: one.keys <= kept and one.segment in shipped, of_writer):
                one.segment.forget(damaged=bool(one.damage))


@dataclass(frozen=True)
class Waiting:
    """What finished segments hold. days: in order. digest: of the segments, other when they are."""

    days: list[str]
    digest: str


def waiting(stores: Stores, model: str, zone: ZoneInfo) -> Waiting:
    """What is to be compacted. Of what was read only names and days are kept: a service may have answered for hours."""
    days: set[str] = set()
    names = []
    for segment in segments(log_folder(stores.places.home, model), finished=True):
        # Who takes the same log over meanwhile may forget it.
        with suppress(FileNotFoundError):
            days |= _days(model, segment, zone)
            names.append(segment.path.stem)
    return Waiting(sorted(days), digest(canonical(names)))


def taken_over(stores: Stores, model: str, days: Sequence[str]) -> set[str]:
    """Of some days those that were written, with rows or without."""
    return {one.partition for one in stores.records.contents(f"{model}/{TABLE}", partitions=days)}


@contextmanager
def compacting(stores: Stores, model: str, zone: ZoneInfo, days: Sequence[str]) -> Iterator[Compacted]:
    """Days with what the finished segments of the log have of them; a service goes on writing its own.

    zone: of the days. Within it, what was read may be written and forgotten: who compacts the same log waits. Records
    of other days stay in their segments. A damaged record is left out, and a check says so.
    Raises GateRefusal when rows that a day holds are not those that were sealed: what is added would be sealed with
    them.
    """
    folder = log_folder(stores.places.home, model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Of two that read the same day, the later one would write it without what the first one adds and forgets.
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        yield _compacted(stores, model, zone, days)


def logged(stores: Stores, model: str, zone: ZoneInfo, *, finished: bool = True) -> Iterator[Logged]:
    """What segments of a model's log hold, by writer and in order. finished: only those of which no more will come."""
    folder = log_folder(stores.places.home, model)
    for segment, reading in readings(segments(folder, finished=finished)):
        requests: list[list[ServedPrediction]] = []
        damage = list(reading.damage)
        for record in reading.records:
            try:
                requests.append(_said(model, record, zone))
            except NO_PREDICTION as error:
                damage.append(
                    f"{segment.path}: the record {record.get('id')!r} is none of a prediction: {error!r}"
                )
        yield Logged(segment, tuple(requests), tuple(damage))


def served(
    stores: Stores, model: str, days: Sequence[str] | None = None
) -> dict[str, list[ServedPrediction]]:
    """Day -> what the lake has of it, by default of every day, in order of time. A day of no rows is not there."""
    try:
        pinned = stores.lake.pin(f"{model}/{TABLE}", days)
    except NotMaterialized:
        return {}
    rows = stores.engine.rows("SELECT * FROM held ORDER BY predicted_at, request_id, row", {"held": pinned})
    found: dict[str, list[ServedPrediction]] = {one.partition: [] for one in pinned.contents if one.rows}
    for row in rows.to_pylist():
        found[row[PARTITION]].append(as_said(model, row[PARTITION], row))
    return found


def newest_served(stores: Stores, model: str, count: int) -> list[list[ServedPrediction]]:
    """The rows of requests that the lake has: of the newest days, whole, that have so many requests or more."""
    try:
        contents = stores.lake.pin(f"{model}/{TABLE}").contents
    except NotMaterialized:
        return []
    found: list[list[ServedPrediction]] = []
    for day in sorted((one.partition for one in contents if one.rows), reverse=True):
        if len(found) >= count:
            break
        of_day = served(stores, model, [day])[day]
        found += [list(rows) for _, rows in groupby(of_day, key=attrgetter("predicted_at", "request_id"))]
    return found


def as_said(model: str, day: str, row: Mapping[str, Any]) -> ServedPrediction:
    """A row of the table as it is sealed."""
    fields = {name: row[name] for name in SCHEMA.names if name not in (PARTITION, ID)}
    return ServedPrediction(
        **{**fields, "model": model, "day": day, "predicted_at": _moment(row["predicted_at"])}
    )


def _compacted(stores: Stores, model: str, zone: ZoneInfo, days: Sequence[str]) -> Compacted:
    found, held = tuple(logged(stores, model, zone)), served(stores, model, days)
    for day, said in held.items():
        _require_sealed(stores, model, day, said)
    releases = {one.version: one for one in stores.releases.versions(model)}
    damage = [said for one in found for said in one.damage]
    damage += [
        f"{path} was not whole, and what is whole of it is kept: look at it, and move it away"
        for path in set_aside(log_folder(stores.places.home, model))
    ]
    rows: list[ServedPrediction] = []
    reads: dict[str, tuple[Content, ...]] = {}
    checked = {}
    for day in days:
        said = _merged(held.get(day, []), found, day)
        seal(stores, subject(model, day), said)
        rows += said
        answered = {one.version for one in said} & releases.keys()
        reads[day] = tuple({content: None for one in sorted(answered) for content in releases[one].made_from})
        checked[day] = verdicts(said, released=releases, damage=damage)
    made = Produced(_as_table(rows), days, reads=reads, verdicts=checked)
    return Compacted(stores, model, made, found)


def _require_sealed(stores: Stores, model: str, day: str, said: Sequence[ServedPrediction]) -> None:
    if not is_sealed(stores, subject(model, day), said):
        raise GateRefusal(
            f"the {len(said)} rows that {model}/{TABLE} has of {day} are not those that the ledger sealed; "
            "`mlops trace prediction` names those that were changed. Put the table's files back as they were; until "
            "then what was answered that day stays in the log"
        )


def _merged(held: Sequence[ServedPrediction], found: Sequence[Logged], day: str) -> list[ServedPrediction]:
    """What is held, and each request that is not yet among it, as it was first written down; in order of time."""
    known, merged = {one.request_id for one in held}, list(held)
    for one in found:
        for rows in one.requests:
            if rows[0].day == day and rows[0].request_id not in known:
                known.add(rows[0].request_id)
                merged += rows
    return sorted(merged, key=attrgetter("predicted_at", "request_id", "row"))


def _kept(stores: Stores, model: str, days: Collection[str]) -> set[Key]:
    """The requests of days that the lake has."""
    if not days:
        return set()
    try:
        pinned = stores.lake.pin(f"{model}/{TABLE}", sorted(days))
    except NotMaterialized:
        return set()
    rows = stores.engine.rows(f"SELECT DISTINCT {PARTITION}, request_id FROM held", {"held": pinned})
    return set(zip(rows[PARTITION].to_pylist(), rows["request_id"].to_pylist(), strict=True))


def _days(model: str, segment: Segment, zone: ZoneInfo) -> set[str]:
    """The days of which a segment has predictions: a record of a day that is known by then is not looked into.

    Where it has lines and none of them is a prediction, the day that it ended: somebody must be told all the same.
    """
    days: set[str] = set()
    for record in segment.whole():
        with suppress(*NO_PREDICTION):
            if _day(datetime.fromisoformat(record["at"]), zone) not in days:
                days.add(_said(model, record, zone)[0].day)
    return days or ({_last_written(segment, zone)} if segment.lines() else set())


def _said(model: str, record: Mapping[str, Any], zone: ZoneInfo) -> list[ServedPrediction]:
    """The rows of a record of the log. Raises one of ``NO_PREDICTION`` for one of another form."""
    at = datetime.fromisoformat(record["at"])
    told = list(zip(record["request"], record["features"], record["probability"], strict=True))
    if not told:
        raise ValueError("it has no row")
    return [
        ServedPrediction(
            model=model,
            day=_day(at, zone),
            request_id=record["id"],
            row=number,
            predicted_at=_moment(at),
            version=int(record["version"]),
            probability=float(probability),
            milliseconds=float(record["milliseconds"]),
            request=json.dumps(request, sort_keys=True),
            features=json.dumps(features, sort_keys=True),
            # The same of most requests, and kept once.
            views=intern(json.dumps(record["views"], sort_keys=True)),
            by=record.get("by", ""),
        )
        for number, (request, features, probability) in enumerate(told)
    ]


def _as_table(said: Sequence[ServedPrediction]) -> pa.Table:
    moments = [datetime.fromisoformat(one.predicted_at) for one in said]
    columns = {PARTITION: [one.day for one in said], ID: [one.id for one in said], "predicted_at": moments}
    fields = {name: [getattr(one, name) for one in said] for name in SCHEMA.names if name not in columns}
    return pa.table({**fields, **columns}).select(SCHEMA.names).cast(SCHEMA)


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def _last_written(segment: Segment, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(segment.path.stat().st_mtime, zone).date().isoformat()


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")
