"""Requests with the features of views as known at their moments, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pyarrow as pa

from mlops_assets.data.key_codes import Integers
from mlops_assets.data.moments import EARLIEST
from mlops_assets.data.point_in_time import (
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
ASKED, AT = "_asked_of_view", "_at"
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
    keys = dict.fromkeys(key for view in views for key in view.asked_with or view.keys)
    asked = pa.table({AT: moments, **{key: requests[key] for key in keys}})
    if len(asked) + sum(_count(session, _all_rows(view)) for view in views) <= at_once:
        values = _values(session, asked, views)
    else:
        order = _in_time(moments)
        pieces = _pieces(session, asked.take(order), views, at_once)
        parts = [_values(session, piece, views) for piece in pieces]
        values = pa.concat_tables(parts).take(np.argsort(order))
    for column in values.column_names:
        requests = requests.append_column(column, values[column])
    return requests


def _values(session: Session, asked: pa.Table, views: Sequence[JoinedView]) -> pa.Table:
    """What the views answer; while one is read, others are answered from."""
    with ThreadPoolExecutor(session.threads) as pool:
        answers = []
        for view in views:
            typed = _typed(session, asked, view)
            answers.append(pool.submit(_answered, typed, view, session.rows(_rows_for(session, typed, view))))
        columns = [answer.result() for answer in answers]
    return pa.table({column: values for of_view in columns for column, values in of_view.items()})


def _answered(asked: pa.Table, view: JoinedView, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The columns that a view becomes. asked: the moments and the view's keys."""
    answers = newest_known(asked, AT, view, rows)
    return {column: rows[feature].take(answers) for feature, column in view.columns.items()}


def _rows_for(session: Session, asked: pa.Table, view: JoinedView) -> str:
    """SQL: the rows of a view among which the answers are."""
    rows = rows_that_may_count(view, *span_of(asked[AT]))
    if len(asked) * MANY_ROWS > _count(session, _all_rows(view)):
        return rows
    session.register(ASKED, asked)
    return of_entities_asked(view, rows, ASKED, AT)


def _pieces(
    session: Session, asked: pa.Table, views: Sequence[JoinedView], at_once: int
) -> Iterator[pa.Table]:
    """Neighbours in time that fit into memory with the rows among which their answers are. asked: in order of time."""

    def weight(piece: pa.Table) -> int:
        span = span_of(piece[AT])
        return len(piece) + sum(_count(session, rows_that_may_count(view, *span)) for view in views)

    def halved(piece: pa.Table, heavy: int) -> Iterator[pa.Table]:
        middle = len(piece) // 2
        halves = [piece.slice(0, middle), piece.slice(middle)] if heavy > at_once else []
        weights = [weight(half) for half in halves]
        # Where rows live longer than the piece lasts, half of it needs as many of them.
        if not halves or max(weights) > 0.9 * heavy:
            yield piece
        else:
            for half, weighs in zip(halves, weights, strict=True):
                yield from halved(half, weighs)

    yield from halved(asked, weight(asked))


def _typed(session: Session, asked: pa.Table, view: JoinedView) -> pa.Table:
    """The moments and the view's keys, these as the view has them."""
    held = session.rows(f"SELECT {names(view.keys)} FROM {name(view.relation)} LIMIT 0").schema
    try:
        keys = asked.select([AT, *(view.asked_with or view.keys)]).rename_columns([AT, *view.keys])
        return keys.cast(pa.schema([asked.schema.field(AT), *held]))
    except pa.ArrowException as error:
        types = ", ".join(f"{field.name} ({field.type})" for field in held)
        raise BadRequest(
            f"{view.relation!r} is joined by {types}; what is asked is no such key: {error}"
        ) from error


def span_of(moments: pa.ChunkedArray) -> tuple[datetime, datetime]:
    """The first and the last moment; where there are none, one before everything."""
    import pyarrow.compute as pc

    found = pc.min_max(moments).as_py()
    return (EARLIEST, EARLIEST) if found["min"] is None else (found["min"], found["max"])


def _in_time(moments: pa.ChunkedArray) -> Integers:
    """The places of moments, earliest first; those without a moment are anywhere."""
    return np.argsort(moments.cast(pa.int64()).fill_null(0).to_numpy(), kind="stable")


def _count(session: Session, rows: str) -> int:
    (found,) = session.rows(f"SELECT count(*) AS rows FROM ({rows})").to_pylist()
    return int(found["rows"])


def _all_rows(view: JoinedView) -> str:
    return f"SELECT * FROM {name(view.relation)}"
