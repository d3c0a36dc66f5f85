"""The proof that a training set holds nothing that could not be known when it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from mlops_assets.data.changes import Change, changes, changes_query, same_rows
from mlops_assets.data.knowledge import (
    ROW,
    audited,
    likely_source,
    sources,
    why_wrong,
    wrong_cells,
    wrong_rows,
)
from mlops_assets.data.label_overlap import misused_labels, other_labels, repeated_events, telling_columns
from mlops_assets.data.leaks import Leak, could_not_run, told, verdict
from mlops_assets.data.on_demand import apply_on_demand
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.sql import moment, name, names
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.training_columns import LABEL, PREDICTED_AT
from mlops_assets.errors import GateRefusal, NotMaterialized
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.training_set import joined_views, with_features
from mlops_assets.steps.worlds import CANARY_ROWS, Batch, Worlds, batches, known_here, opened
from mlops_assets.stores.engine import Session
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

# How often the world is cut, how many requests before each cut are answered again, and how far back.
MOMENTS = 6
REQUESTS_PER_MOMENT = 200
REQUESTED_WITHIN = timedelta(days=1)

# Relations that are made on the way. No declared table begins with an underscore.
ROWS, TRAINING = "_rows", "_training"
LABEL_ROWS = "_label_rows"
ASKED, ANSWERED, PLANTED, REST = "_asked", "_answered", "_planted", "_rest"
SOURCES, WRONG, AUDIT = "_sources", "_wrong", "_audit"


@dataclass(frozen=True)
class Proof:
    """Every leak that was found, what it was looked for in, and the verdict."""

    verdict: Verdict
    leaks: tuple[Leak, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Case:
    """What is to be proved of one training set."""

    stores: Stores
    catalog: Catalog
    model: Model
    events: Pinned
    views: Mapping[str, Pinned]
    horizon: Horizon
    lake_tables: Mapping[str, str]
    reads: Mapping[Content, Sequence[Content]]

    def view(self, name: str) -> FeatureView:
        return self.catalog.features.views[name]

    def joins(self) -> Iterator[tuple[str, JoinedView]]:
        """Each view with how it is joined, once for each way."""
        joined = joined_views(self.catalog, self.model)
        for called, one in self.catalog.features.joined(self.model.features).items():
            yield one.view, joined[called]

    @property
    def key(self) -> tuple[str, ...]:
        return self.catalog.tables[self.model.label.table].table.key


@dataclass(frozen=True)
class _Look:
    """What the world cut at one moment showed. rows, requests: how many were computed again."""

    at: datetime
    rows: int
    requests: int
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]


def prove_no_leak(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    made: Produced,
    events: Pinned,
    views: Mapping[str, Pinned],
    as_of: str,
    *,
    lake_tables: Mapping[str, str],
) -> Proof:
    """Look for what a training set could not have known. lake_tables: of each table its name in the lake.

    A version that is gone, or SQL that fails on a world that was cut, makes no proof, and a verdict that says so.
    """
    zone = catalog.tables[model.label.table].source.zone
    horizon = Horizon.of(date.fromisoformat(as_of), model.window, zone)
    read = stores.records.reads_of([one for pinned in views.values() for one in pinned.contents])
    case = _Case(stores, catalog, model, events, views, horizon, lake_tables, read)
    try:
        return _proof(case, made)
    except (NotMaterialized, GateRefusal, duckdb.Error) as error:
        return Proof(could_not_run(str(error)))


def _proof(case: _Case, made: Produced) -> Proof:
    moments = _moments(case, made)
    days = {(view, at): _days(case, view, at) for view in case.views for at in moments}
    read = {content for of_moment in days.values() for batch in of_moment for content in batch.read}
    relations = {ROWS: made.rows, LABEL_ROWS: case.events}
    relations |= {_pinned(view): pinned for view, pinned in case.views.items()}
    with opened(case.stores, case.catalog, case.lake_tables, read, relations) as worlds:
        session = worlds.session
        session.keep(TRAINING, f"SELECT *, row_number() OVER () AS {ROW} FROM {ROWS}")
        for view in case.views:
            session.keep(_stored(view), f"SELECT * FROM {name(_pinned(view))}")
        leaks = [*_labels(case, session), *_cells(case, session, made)]
        looks = [_look(case, worlds, at, {view: days[view, at] for view in case.views}) for at in moments]
    found = _merged([*leaks, *(leak for look in looks for leak in look.leaks)])
    notes = tuple(dict.fromkeys(note for look in looks for note in look.notes))
    return Proof(verdict(found, _looked_at(case, made, looks)), found, notes)


def _moments(case: _Case, made: Produced) -> list[datetime]:
    """Moments at which something was asked, spread evenly over the requests, the last one among them."""
    shares = ", ".join(str((number + 1) / MOMENTS) for number in range(MOMENTS))
    sql = f"SELECT DISTINCT unnest(quantile_disc({PREDICTED_AT}, [{shares}])) AS moment FROM made ORDER BY moment"
    found = case.stores.engine.rows(sql, {"made": made.rows})["moment"].to_pylist()
    return [at for at in found if at is not None]


def _days(case: _Case, view: str, at: datetime) -> list[Batch]:
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


def _look(case: _Case, worlds: Worlds, at: datetime, days: Mapping[str, list[Batch]]) -> _Look:
    """Everything that one cut of the world shows."""
    leaks: list[Leak] = []
    notes: list[str] = []
    rows = 0
    worlds.plant(at, [key for view in days for key in case.catalog.features.keys(view)])
    for view, of_view in days.items():
        then = f"_then_{view}"
        worlds.compute(then, case.view(view), of_view, at)
        worlds.compute(PLANTED, case.view(view), of_view, at, canaries=True)
        moved = _changed_rows(case, worlds.session, view, name(then), name(PLANTED))
        stored = known_here(_stored(view), [day for batch in of_view for day in batch.days], at)
        found = _changed_rows(case, worlds.session, view, name(then), stored)
        rest = _with_more_history(case, view, at, of_view, stored) if found else None
        if rest is None:
            leaks += [Leak("cut", _place(view, one), one.rows, _told_cut(one, at)) for one in found]
        else:
            notes.append(f"{view} reads further back than it declares in 'reads'")
            worlds.session.register(REST, rest)
            worlds.session.keep(then, f"SELECT * FROM {REST}")
        leaks += [Leak("canary", _place(view, one), one.rows, _told_canary(one, at)) for one in moved]
        rows += _count(worlds.session, name(then))
        for joined in (one for of, one in case.joins() if of == view):
            worlds.session.keep(joined.relation, f"SELECT * FROM {name(then)}")
    requests, of_requests = _answer_again(case, worlds.session, at)
    return _Look(at, rows, requests, (*leaks, *of_requests), tuple(notes))


def _changed_rows(case: _Case, session: Session, view: str, there: str, here: str) -> list[Change]:
    by = (*case.catalog.features.keys(view), EVENT_TIME, AVAILABLE_AT)
    columns = {feature: one.type for feature, one in case.view(view).features.items()}
    return _changes(session, there, here, by, columns)


def _changes(
    session: Session, there: str, here: str, by: Sequence[str], columns: Mapping[str, str]
) -> list[Change]:
    if session.rows(same_rows(there, here, [*by, *columns]))["same"][0].as_py():
        return []
    return changes(session.rows(changes_query(there, here, by=by, columns=columns)).to_pylist())


def _with_more_history(
    case: _Case, view: str, at: datetime, days: Sequence[Batch], stored: str
) -> pa.Table | None:
    """The rows in the same cut of a world that has more of the past, if the stored rows are those; else None."""
    wanted = {day for batch in days for day in batch.days}
    past = [
        Batch(tuple(day for day in batch.days if day in wanted), batch.read)
        for batch in batches(case.views[view].contents, case.reads)
        if wanted & set(batch.days)
    ]
    read = {content for batch in past for content in batch.read}
    relations = {_pinned(view): case.views[view]}
    with opened(case.stores, case.catalog, case.lake_tables, read, relations) as worlds:
        worlds.session.keep(_stored(view), f"SELECT * FROM {name(_pinned(view))}")
        worlds.compute(REST, case.view(view), past, at)
        found = _changed_rows(case, worlds.session, view, REST, stored)
        return None if found else worlds.session.rows(f"SELECT * FROM {REST}")


def _answer_again(case: _Case, session: Session, at: datetime) -> tuple[int, list[Leak]]:
    """Answer the last requests before ``at`` from the rows as they were computed in the world cut there."""
    features, service = case.catalog.features, case.model.features
    columns = {one.column: one.type for one in features.served(service)}
    asked_with = dict.fromkeys((*(one.name for one in features.request_columns(service)), PREDICTED_AT))
    since = moment(at - REQUESTED_WITHIN)
    session.keep(
        ASKED,
        f"SELECT {ROW}, {names(asked_with)} FROM {TRAINING} "
        f"WHERE {PREDICTED_AT} <= {moment(at)} AND {PREDICTED_AT} > {since} "
        f"ORDER BY {PREDICTED_AT} DESC, {ROW} LIMIT {REQUESTS_PER_MOMENT}",
    )
    asked = session.rows(f"SELECT * FROM {ASKED}")
    joined = with_features(session, case.catalog, case.model, asked)
    session.register(ANSWERED, apply_on_demand(features, service, joined))
    stored = f"(SELECT * FROM {TRAINING} SEMI JOIN {ASKED} USING ({ROW}))"
    found = _changes(session, ANSWERED, stored, (ROW,), columns)
    leaks = [
        Leak(
            "cut",
            one.column,
            one.rows,
            f"{_request(case, session, one.row[ROW])} holds {one.here}; {_was(one, at)}",
        )
        for one in found
    ]
    return _count(session, ASKED), leaks


def _cells(case: _Case, session: Session, made: Produced) -> Iterator[Leak]:
    """Every cell held against the row it must have come from."""
    for view, joined in case.joins():
        # What only transforms need is not there.
        columns = {of: column for of, column in joined.columns.items() if column in made.rows.column_names}
        if not columns:
            continue
        stored = replace(joined, relation=_stored(view), columns=columns)
        session.keep(SOURCES, sources(TRAINING, PREDICTED_AT, stored))
        session.keep(WRONG, wrong_rows(TRAINING, SOURCES, stored))
        if not _count(session, WRONG):
            continue
        session.keep(AUDIT, audited(TRAINING, SOURCES, WRONG, stored))
        for wrong in session.rows(wrong_cells(AUDIT, stored)).to_pylist():
            feature, row = wrong["feature"], wrong["row"]
            nearest = session.rows(likely_source(TRAINING, row, PREDICTED_AT, stored, feature)).to_pylist()
            asked = _row(session, row)[PREDICTED_AT]
            why = why_wrong(asked, nearest[0] if nearest else None, stored.ttl)
            reason = (
                f"{_request(case, session, row)} holds {wrong['here']}, and {wrong['there']} was the newest "
                f"known: {why}"
            )
            yield Leak("knowledge", stored.columns[feature], wrong["rows"], reason)


def _labels(case: _Case, session: Session) -> Iterator[Leak]:
    """Labels and events held against the start of evaluation."""
    for reason, sql in misused_labels(TRAINING, ROW, case.model, case.horizon):
        found = session.rows(sql)[ROW].to_pylist()
        if found:
            yield Leak("label", LABEL, len(found), f"{_request(case, session, found[0])}: {reason}")
    found = session.rows(
        other_labels(TRAINING, ROW, LABEL_ROWS, case.key, case.model, case.horizon)
    ).to_pylist()
    if found:
        first = min(found, key=lambda one: one[ROW])
        said = f"its label is {first['here']}, and what was known by then says {first['there']}"
        yield Leak("label", LABEL, len(found), f"{_request(case, session, first[ROW])}: {said}")
    found = session.rows(repeated_events(TRAINING, ROW, case.key)).to_pylist()
    if found:
        first = next((one for one in found if one["both_sides"]), found[0])
        where = "trained on and evaluated on" if first["both_sides"] else "there more than once"
        yield Leak(
            "label", ", ".join(case.key), len(found), f"{_request(case, session, first[ROW])} is {where}"
        )
    types = {column: case.catalog.input_types(case.model)[column] for column in case.model.request}
    numbers = [column for column, kind in types.items() if kind in ("integer", "number")]
    for one in session.rows(telling_columns(TRAINING, list(types), numbers)).to_pylist():
        reason = "what is asked with tells the label of every row, without one exception"
        yield Leak("label", one["column"], _count(session, TRAINING), reason)


def _row(session: Session, row: int) -> dict[str, Any]:
    (found,) = session.rows(f"SELECT * FROM {TRAINING} WHERE {ROW} = {row}").to_pylist()
    return dict(found)


def _request(case: _Case, session: Session, row: int) -> str:
    found = _row(session, row)
    return f"{told({column: found[column] for column in case.key})}, asked at {told(found[PREDICTED_AT])},"


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


def _merged(leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """One for each test and place: the first, with the most rows that were seen at one moment."""
    found: dict[tuple[str, str], Leak] = {}
    for one in leaks:
        first = found.setdefault((one.test, one.where), one)
        found[one.test, one.where] = replace(first, rows=max(first.rows, one.rows))
    return tuple(found.values())


def _looked_at(case: _Case, made: Produced, looks: Sequence[_Look]) -> str:
    features = len(case.catalog.features.served(case.model.features))
    cut = f"the world cut at {len(looks)} moments"
    if looks:
        cut += f" from {told(looks[0].at)} to {told(looks[-1].at)}"
    return (
        f"{features} features of {made.rows.num_rows:,} rows traced to when they were known; {cut}, "
        f"{sum(look.rows for look in looks):,} feature rows and {sum(look.requests for look in looks):,} requests "
        f"computed again, and again with {CANARY_ROWS} rows planted in the future of each table"
    )


def _count(session: Session, relation: str) -> int:
    return int(session.rows(f"SELECT count(*) AS n FROM {relation}")["n"][0].as_py())


def _stored(view: str) -> str:
    return f"_stored_{view}"


def _pinned(view: str) -> str:
    return f"_pinned_features_{view}"
