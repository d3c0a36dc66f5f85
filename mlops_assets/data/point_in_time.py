"""The as-known-at join: for each request the newest value that was known at its moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from mlops_assets.data.key_codes import NOBODY, Integers, KeyCodes, integers
from mlops_assets.data.line import places
from mlops_assets.data.moments import earlier
from mlops_assets.data.sql import moment, name, names
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME

MICROSECOND = timedelta(microseconds=1)
# An entity and a moment are packed into one integer below this.
ROOM = 2**62


@dataclass(frozen=True)
class JoinedView:
    """A relation of feature rows, and what a request takes from it.

    asked_with: the columns of the request that hold the keys, in their order; called alike when empty.
    columns: feature -> the column it becomes in the result.
    """

    relation: str
    keys: tuple[str, ...]
    columns: dict[str, str]
    ttl: timedelta
    asked_with: tuple[str, ...] = ()


def rows_that_may_count(view: JoinedView, first: datetime, last: datetime) -> str:
    """SQL: the rows of a view that a request from ``first`` to ``last`` could be answered with.

    Rows older than the TTL then, and rows that had not happened or were not known by then, decide nothing.
    """
    return f"""
        SELECT {names((*view.keys, *view.columns))}, {EVENT_TIME}, {AVAILABLE_AT}
        FROM {name(view.relation)} v
        WHERE {EVENT_TIME} BETWEEN {moment(earlier(first, view.ttl))} AND {moment(last)}
          AND {AVAILABLE_AT} <= {moment(last)}"""


def of_entities_asked(view: JoinedView, rows: str, requests: str, at: str) -> str:
    """SQL: of ``rows`` those whose entity is asked for within two TTLs of their event time.

    Time is cut into periods as long as the TTL; what answers a request lies in its own or the one before.
    """
    ttl = view.ttl // MICROSECOND
    same_entity = " AND ".join(f"v.{name(key)} = a.{name(key)}" for key in view.keys)
    return f"""
        SELECT * FROM ({rows}) v SEMI JOIN (
            SELECT DISTINCT {names(view.keys)}, epoch_us({name(at)}) // {ttl} - ago AS period
            FROM {name(requests)}, (VALUES (0), (1)) back(ago)) a
          ON {same_entity} AND epoch_us(v.{EVENT_TIME}) // {ttl} = a.period"""


def newest_known(requests: pa.Table, at: str, view: JoinedView, rows: pa.Table) -> pa.Array:
    """For each of ``requests`` the position in ``rows`` of what answers it; null when nothing does.

    Of the rows with the request's keys, those count that had happened (``event_time`` <= at) *and* could be
    known (``available_at`` <= at); of these the one with the newest ``event_time``, and among its
    restatements the last one known; of rows that differ in nothing but their values, the first by these,
    so that the answer is the same in every process. Nothing answers when none counts or when it is older
    than the TTL, nor a request without a moment.

    Both in any order. rows: of ``rows_that_may_count``; quickest in the lake's own order. Keys have the same
    types in both.

    Rows are sorted once by entity and by the moment from which they are known. One with an older event than a
    row known before it is never the answer, so it is dropped; what is left is ordered alike by both times,
    and one search for a request's moment answers for both.
    """
    asked_at, happened, available = (
        _microseconds(column) for column in (requests[at], rows[EVENT_TIME], rows[AVAILABLE_AT])
    )
    codes = KeyCodes.of(*([table[key] for key in view.keys] for table in (requests, rows)))
    asking = np.flatnonzero((codes.asked != NOBODY) & requests[at].is_valid().to_numpy())
    held = np.flatnonzero(codes.held != NOBODY)
    answers = np.full(len(requests), NOBODY)
    if len(asking) and len(held):
        moments = asked_at.take(asking)
        begin = int(min(moments.min(), happened.take(held).min()))
        span = int(moments.max()) - begin + 1
        alive = min(view.ttl // MICROSECOND, span)
        # Each entity's stretch of the line lies further from the next than a value lives.
        stride = span + alive + 1
        fitting = max(ROOM // stride, 1)
        for low in range(0, codes.count, fitting):
            here, there = (
                of[(code[of] >= low) & (code[of] < low + fitting)] if codes.count > fitting else of
                for code, of in ((codes.asked, asking), (codes.held, held))
            )
            sought = (codes.asked.take(here) - low) * stride + (asked_at.take(here) - begin)
            start = (codes.held.take(there) - low) * stride - begin
            events = start + happened.take(there)
            known = np.maximum(events, start + available.take(there))
            reign = _reigning(known, events)
            known, events, there = (of.take(reign) for of in (known, events, there))
            if len(there):
                _settle_ties(known, events, available, rows.select(list(view.columns)), there)
                found = places(known, sought) - 1
                # A place before every row reads another, which is not used.
                hit = (found >= 0) & (sought - events.take(found, mode="clip") <= alive)
                answers[here] = np.where(hit, there.take(found, mode="clip"), NOBODY)
    return pa.array(answers, mask=answers == NOBODY)


def _reigning(known: Integers, events: Integers) -> Integers:
    """The rows that from ``known`` on have the newest event so far, in this order."""
    order = np.argsort(known, kind="stable")
    newest = events.take(order)
    reigns = newest == np.maximum.accumulate(newest)
    return order if reigns.all() else order[reigns]


def _settle_ties(
    known: Integers, events: Integers, available: Integers, values: pa.Table, there: Integers
) -> None:
    """Put the last word last among the rows ``there`` that are alike in entity, ``known`` and event."""
    # Here: importing it takes 0.2 s, and the code location loads this module.
    import pyarrow.compute as pc

    alike = (known[1:] == known[:-1]) & (events[1:] == events[:-1])
    if not alike.any():
        return
    tied = np.flatnonzero(np.append(alike, False) | np.insert(alike, 0, False))
    rows = there[tied]
    by = {"known": known[tied], "event": events[tied], "available": available[rows]}
    ties = pa.table(by | {f"value {n}": column for n, column in enumerate(values.take(rows).columns)})
    # From the last to the first, so that missing values, which sort last, come to speak first.
    keys = [(column, "descending" if column in by else "ascending") for column in ties.column_names]
    there[tied] = rows[pc.sort_indices(ties, keys).to_numpy()[::-1]]


def _microseconds(moments: pa.ChunkedArray) -> Integers:
    """Since 1970; a null is as any."""
    return integers(moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), missing=0)
