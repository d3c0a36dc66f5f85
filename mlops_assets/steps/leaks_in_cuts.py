"""What a world that is cut shows: feature rows and answers that are others than those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from mlops_assets.data.changes import Change
from mlops_assets.data.knowledge import ROW
from mlops_assets.data.leaks import Leak, told
from mlops_assets.data.on_demand import apply_on_demand
from mlops_assets.data.sql import moment, name, names
from mlops_assets.data.worlds import known_of_days
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.training_columns import PREDICTED_AT
from mlops_assets.errors import NotMaterialized
from mlops_assets.steps.changed import changed
from mlops_assets.steps.leak_case import TRAINING, Case, count, pinned_rows, request, stored_rows
from mlops_assets.steps.training_set import with_features
from mlops_assets.steps.worlds import Batch, Worlds, batches, opened
from mlops_assets.stores.engine import Session

# How many requests before each cut are answered again, and how far back.
REQUESTS = 200
REQUESTED_WITHIN = timedelta(days=1)

ASKED, ANSWERED, PLANTED, REST = "_asked", "_answered", "_planted", "_rest"


@dataclass(frozen=True)
class Look:
    """What the world cut at one moment showed. rows, requests: how many were computed again."""

    at: datetime
    rows: int
    requests: int
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]


def days_before(case: Case, view: str, at: datetime) -> list[Batch]:
    """The partitions of a view that can answer what is asked before ``at``, with what they were made of."""
    pinned, calendar = case.views[view].contents, case.catalog.view_calendar(case.view(view))
    if calendar is not None:
        zone = ZoneInfo(calendar.timezone)
        oldest = at - REQUESTED_WITHIN - case.view(view).ttl
        first, last = (one.astimezone(zone).date().isoformat() for one in (oldest, at))
        pinned = tuple(one for one in pinned if first <= one.partition <= last)
    for one in pinned:
        if not case.reads[one]:
            raise NotMaterialized(
                f"{one.table}, partition {one.partition}, keeps no record of what it was made from; "
                "materialize it again"
            )
    return batches(pinned, case.reads)


@dataclass(frozen=True)
class Roundings:
    """By which share the numbers of each view may differ, asked of the world cut at one moment, and once at most.

    days: of each view the partitions that can answer then.
    """

    case: Case
    worlds: Worlds
    at: datetime
    days: Mapping[str, list[Batch]]
    known: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def of_view(self, view: str) -> Mapping[str, float]:
        if view not in self.known:
            self.known[view] = self.worlds.roundings(self.case.view(view), self.days[view], self.at)
        return self.known[view]

    def of_answers(self) -> dict[str, float]:
        """The same by the columns that are served; what is computed on demand from some loses as they do."""
        features, service = self.case.catalog.features, self.case.model.features
        joined = {
            column: share
            for one in features.joined(service).values()
            for feature, column in one.columns.items()
            if (share := self.of_view(one.view).get(feature)) is not None
        }
        on_demand = {
            f"{transform.name}__{feature}": max(shares)
            for transform in features.on_demand_of(service)
            if (shares := [joined[one] for one in features.input_types(transform) if one in joined])
            for feature in transform.features
        }
        return {**joined, **on_demand}


def look(
    case: Case, worlds: Worlds, at: datetime, days: Mapping[str, list[Batch]], roundings: Roundings
) -> Look:
    """Everything that one cut of the world shows."""
    leaks: list[Leak] = []
    notes: list[str] = []
    rows = 0
    worlds.plant(at, [key for view in days for key in case.catalog.features.keys(view)])
    for view, of_view in days.items():
        then = f"_then_{view}"
        worlds.compute(then, case.view(view), of_view, at)
        worlds.compute(PLANTED, case.view(view), of_view, at, canaries=True)
        moved = _changed_rows(case, worlds.session, view, name(then), name(PLANTED), roundings)
        stored = known_of_days(stored_rows(view), [day for batch in of_view for day in batch.days], at)
        found = _changed_rows(case, worlds.session, view, name(then), stored, roundings)
        rest = _with_more_history(case, view, at, of_view, stored, roundings) if found else None
        if rest is None:
            leaks += [Leak("cut", _place(view, one), one.rows, _told_cut(one, at)) for one in found]
        else:
            notes.append(f"{view} reads further back than it declares in 'reads'")
            worlds.session.register(REST, rest)
            worlds.session.keep(then, f"SELECT * FROM {REST}")
        leaks += [Leak("canary", _place(view, one), one.rows, _told_canary(one, at)) for one in moved]
        rows += count(worlds.session, name(then))
        for joined in (one for of, one in case.joins() if of == view):
            worlds.session.keep(joined.relation, f"SELECT * FROM {name(then)}")
    requests, of_requests = _answer_again(case, worlds.session, at, roundings)
    return Look(at, rows, requests, (*leaks, *of_requests), tuple(notes))


def _changed_rows(
    case: Case, session: Session, view: str, there: str, here: str, roundings: Roundings
) -> list[Change]:
    by = (*case.catalog.features.keys(view), EVENT_TIME, AVAILABLE_AT)
    columns = {feature: one.type for feature, one in case.view(view).features.items()}
    return changed(session, there, here, by=by, columns=columns, roundings=lambda: roundings.of_view(view))


def _with_more_history(
    case: Case, view: str, at: datetime, days: Sequence[Batch], stored: str, roundings: Roundings
) -> pa.Table | None:
    """The rows in the same cut of a world that has more of the past, if the stored rows are those; else None."""
    wanted = {day for batch in days for day in batch.days}
    past = [
        Batch(tuple(day for day in batch.days if day in wanted), batch.read)
        for batch in batches(case.views[view].contents, case.reads)
        if wanted & set(batch.days)
    ]
    read = {content for batch in past for content in batch.read}
    relations = {pinned_rows(view): case.views[view]}
    with opened(case.stores, case.catalog, case.lake_tables, read, relations) as worlds:
        worlds.session.keep(stored_rows(view), f"SELECT * FROM {name(pinned_rows(view))}")
        worlds.compute(REST, case.view(view), past, at)
        found = _changed_rows(case, worlds.session, view, REST, stored, roundings)
        return None if found else worlds.session.rows(f"SELECT * FROM {REST}")


def _answer_again(case: Case, session: Session, at: datetime, roundings: Roundings) -> tuple[int, list[Leak]]:
    """Answer the last requests before ``at`` from the rows as they were computed in the world cut there."""
    features, service = case.catalog.features, case.model.features
    columns = {one.column: one.type for one in features.served(service)}
    asked_with = dict.fromkeys((*(one.name for one in features.request_columns(service)), PREDICTED_AT))
    since = moment(at - REQUESTED_WITHIN)
    session.keep(
        ASKED,
        f"SELECT {ROW}, {names(asked_with)} FROM {TRAINING} "
        f"WHERE {PREDICTED_AT} <= {moment(at)} AND {PREDICTED_AT} > {since} "
        f"ORDER BY {PREDICTED_AT} DESC, {ROW} LIMIT {REQUESTS}",
    )
    asked = session.rows(f"SELECT * FROM {ASKED}")
    joined = with_features(session, case.catalog, case.model, asked)
    session.register(ANSWERED, apply_on_demand(features, service, joined))
    stored = f"(SELECT * FROM {TRAINING} SEMI JOIN {ASKED} USING ({ROW}))"
    found = changed(session, ANSWERED, stored, by=(ROW,), columns=columns, roundings=roundings.of_answers)
    leaks = [
        Leak(
            "cut",
            one.column,
            one.rows,
            f"{request(case, session, one.row[ROW])} holds {one.here}; {_was(one, at)}",
        )
        for one in found
    ]
    return count(session, ASKED), leaks


def _told_cut(one: Change, at: datetime) -> str:
    if one.kind == "added":
        return f"{told(one.row)}: it says it was known then, and cannot be computed from what was known at {told(at)}"
    if one.kind == "gone":
        return f"{told(one.row)}: it was known at {told(at)}, and what came later took it away"
    return f"{told(one.row)}: it holds {one.here}; {_was(one, at)}"


def _was(one: Change, at: datetime) -> str:
    return f"computed from what was known at {told(at)} it is {one.there}"


def _told_canary(one: Change, at: datetime) -> str:
    changed = {"gone": "goes", "added": "appears"}.get(one.kind, f"turns from {one.there} to {one.here}")
    return f"{told(one.row)}: it {changed} when rows are planted that become known after {told(at)}"


def _place(view: str, one: Change) -> str:
    return f"{view}.{one.column}" if one.column else view
