"""Requests with the features of views as known at their moments, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from mlops_assets.data.key_codes import Integers
from mlops_assets.data.point_in_time import (
    EARLIEST,
    JoinedView,
    newest_known,
    of_entities_asked,
    rows_that_may_count,
)
from mlops_assets.data.sql import name, names
from mlops_assets.errors import BadRequest
from mlops_assets.stores.engine import Session

MOMENT = pa.timestamp("us", tz="UTC")
# Relation and column of the requests while rows of a view are looked for; no declared name begins so.
ASKED, AT = "_asked", "_at"
# Requests and feature rows that are held at once, at some hundred bytes each.
AT_ONCE = 16_000_000
# A view with so many rows for each request is read for the entities that are asked for only.
MANY_ROWS = 8


def features_as_known(
    session: Session, requests: pa.Table, at: str, views: Sequence[JoinedView], *, at_once: int = AT_ONCE
) -> pa.Table:
    """``requests``, in their order, each with the features of the views as known at its time ``at``.

    Which values these are, ``newest_known`` says. at_once: requests and feature rows to hold together; where
    there are more, time is gone through piece by piece. Raises BadRequest for keys that are no keys of a view.
    """
    moments = requests[at].cast(MOMENT)
    order = _in_time(moments)
    keys = dict.fromkeys(key for view in views for key in view.keys)
    asked = pa.table({AT: moments, **{key: requests[key] for key in keys}}).take(order)
    places, values, rank = [], [], np.empty_like(order)
    for first, last in _pieces(session, asked, views, at_once):
        place = np.sort(order[first:last])
        rank[place] = np.arange(len(place))
        values.append(_values(session, asked.slice(first, last - first), views, rank[order[first:last]]))
        places.append(place)
    found, place = pa.concat_tables(values), np.concatenate(places)
    if (place[1:] < place[:-1]).any():
        found = found.take(np.argsort(place))
    for column in found.column_names:
        requests = requests.append_column(column, found[column])
    return requests


def _values(session: Session, asked: pa.Table, views: Sequence[JoinedView], into: Integers) -> pa.Table:
    """What the views answer. asked: in the order of time. into: at which place of the result each answer is."""
    values = {}
    for view in views:
        typed = _typed(session, asked, view)
        rows = session.rows(_rows_for(session, typed, view))
        answers = newest_known(typed, AT, view, rows)
        in_place = np.empty_like(into)
        in_place[into] = np.arange(len(into))
        answers = answers.take(in_place)
        for feature, column in view.columns.items():
            values[column] = rows[feature].take(answers)
    # A table without columns would have no rows.
    return pa.table(values) if values else asked.select([])


def _rows_for(session: Session, asked: pa.Table, view: JoinedView) -> str:
    """SQL: the rows of a view among which the answers are."""
    rows = rows_that_may_count(view, *_range(asked))
    if len(asked) * MANY_ROWS > _count(session, _all_rows(view)):
        return rows
    session.register(ASKED, asked)
    return of_entities_asked(view, rows, ASKED, AT)


def _pieces(
    session: Session, asked: pa.Table, views: Sequence[JoinedView], at_once: int
) -> Iterator[tuple[int, int]]:
    """First and end of neighbours in time that fit into memory with the rows among which their answers are."""
    if len(asked) + sum(_count(session, _all_rows(view)) for view in views) <= at_once:
        yield 0, len(asked)
        return

    def weight(first: int, end: int) -> int:
        span = _range(asked.slice(first, end - first))
        return end - first + sum(_count(session, rows_that_may_count(view, *span)) for view in views)

    def halved(first: int, end: int, heavy: int) -> Iterator[tuple[int, int]]:
        middle = (first + end) // 2
        halves = [(*half, weight(*half)) for half in ((first, middle), (middle, end)) if heavy > at_once]
        # Where rows live longer than the piece lasts, half of it needs as many of them.
        if not halves or max(weighs for *_, weighs in halves) > 0.9 * heavy:
            yield first, end
        else:
            for half in halves:
                yield from halved(*half)

    yield from halved(0, len(asked), weight(0, len(asked)))


def _typed(session: Session, asked: pa.Table, view: JoinedView) -> pa.Table:
    """The moments and the view's keys, these as the view has them."""
    held = session.rows(f"SELECT {names(view.keys)} FROM {name(view.relation)} LIMIT 0").schema
    try:
        return asked.select([AT, *view.keys]).cast(pa.schema([asked.schema.field(AT), *held]))
    except pa.ArrowException as error:
        types = ", ".join(f"{field.name} ({field.type})" for field in held)
        raise BadRequest(
            f"{view.relation!r} is joined by {types}; what is asked is no such key: {error}"
        ) from error


def _range(asked: pa.Table) -> tuple[datetime, datetime]:
    """The first and the last moment; where there are none, one before everything."""
    import pyarrow.compute as pc

    found = pc.min_max(asked[AT]).as_py()
    return (EARLIEST, EARLIEST) if found["min"] is None else (found["min"], found["max"])


def _in_time(moments: pa.ChunkedArray) -> Integers:
    """The places of moments, earliest first; those without a moment are anywhere."""
    return np.argsort(moments.cast(pa.int64()).fill_null(0).to_numpy(), kind="stable")


def _count(session: Session, rows: str) -> int:
    (found,) = session.rows(f"SELECT count(*) AS rows FROM ({rows})").to_pylist()
    return int(found["rows"])


def _all_rows(view: JoinedView) -> str:
    return f"SELECT * FROM {name(view.relation)}"
