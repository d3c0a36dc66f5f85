"""When could each cell of a training set be known? Asked again, by another way than the join that made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mlops_assets.data.leaks import told
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.sql import name, names, text
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME

# The columns that are added on the way. No declared column begins with an underscore.
ROW, AT, ASKED, SEEN, NEWEST = "_row", "_at", "_asked", "_seen", "_newest"
CELL, RIGHT = "_cell", "_right"


def sources(requests: str, at: str, view: JoinedView) -> str:
    """SQL: for each request the times ``NEWEST`` of the row of the view that answers it; null where none does.

    requests: a relation with ``ROW``, the keys and the moment ``at``. All that a view says of an entity
    is walked through in the order in which it became known, the requests among it, so that each meets
    the newest event that was known, in its newest version; one past its TTL answers nothing.
    """
    keys, times = names(view.keys), f"{{e: {EVENT_TIME}, a: {AVAILABLE_AT}}}"
    asked_with = names(view.asked_with or view.keys)
    ttl = round(view.ttl.total_seconds() * 1e6)
    return f"""
        WITH story AS (
            SELECT {keys}, greatest({EVENT_TIME}, {AVAILABLE_AT}) AS {AT}, 0 AS {ASKED}, NULL AS {ROW},
                   {times} AS {SEEN}
            FROM {name(view.relation)} WHERE {EVENT_TIME} IS NOT NULL AND {AVAILABLE_AT} IS NOT NULL
            UNION ALL SELECT {asked_with}, {name(at)}, 1, {ROW}, NULL FROM {name(requests)}),
        told AS (
            SELECT {ROW}, {keys}, {AT}, max({SEEN}) OVER (
                PARTITION BY {keys} ORDER BY {AT}, {ASKED} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS {SEEN}
            FROM story)
        SELECT {ROW}, {keys}, CASE WHEN epoch_us({AT}) - epoch_us({SEEN}.e) <= {ttl} THEN {SEEN} END AS {NEWEST}
        FROM told WHERE {ROW} IS NOT NULL"""


def wrong_rows(requests: str, found: str, view: JoinedView) -> str:
    """SQL: the requests of which the stored cells are not those of the row that answers them.

    requests: with ``ROW`` and the view's columns as they were stored. found: the relation of ``sources``.
    """
    cells = names(view.columns.values(), of="r")
    values = names(view.columns, of="v")
    right = f"row({cells}) IS NOT DISTINCT FROM row({values})"
    return f"""
        SELECT r.{ROW} FROM {_answered(requests, found, view)}
        GROUP BY r.{ROW} HAVING NOT bool_or({right})"""


def audited(requests: str, found: str, wrong: str, view: JoinedView) -> str:
    """SQL: of the requests in the relation ``wrong`` whether each cell is right, what it holds and what it should."""
    cells = ", ".join(_cell(feature, column) for feature, column in view.columns.items())
    return f"""
        SELECT r.{ROW}, {cells} FROM {_answered(requests, found, view)}
        WHERE r.{ROW} IN (SELECT {ROW} FROM {name(wrong)}) GROUP BY r.{ROW}"""


def _answered(requests: str, found: str, view: JoinedView) -> str:
    same = " AND ".join(f"v.{name(key)} = s.{name(key)}" for key in view.keys)
    return f"""
        {name(requests)} r JOIN {name(found)} s ON s.{ROW} = r.{ROW} LEFT JOIN {name(view.relation)} v
        ON {same} AND v.{EVENT_TIME} = s.{NEWEST}.e AND v.{AVAILABLE_AT} = s.{NEWEST}.a"""


def wrong_cells(audit: str, view: JoinedView) -> str:
    """SQL over the audit: per feature how many cells are wrong, and the first of them."""
    return " UNION ALL ".join(_wrong(audit, feature) for feature in view.columns)


def likely_source(requests: str, row: int, at: str, view: JoinedView, feature: str) -> str:
    """SQL: the row of the entity that holds what a cell holds, the nearest in time; the cell came from there."""
    pairs = zip(view.keys, view.asked_with or view.keys, strict=True)
    same = " AND ".join(f"v.{name(key)} = r.{name(asked)}" for key, asked in pairs)
    known = f"epoch_us(coalesce(greatest(v.{EVENT_TIME}, v.{AVAILABLE_AT}), v.{EVENT_TIME}))"
    return f"""
        SELECT v.{EVENT_TIME} AS e, v.{AVAILABLE_AT} AS a
        FROM {name(requests)} r JOIN {name(view.relation)} v ON {same}
        WHERE r.{ROW} = {row} AND v.{name(feature)} IS NOT DISTINCT FROM r.{name(view.columns[feature])}
        ORDER BY abs({known} - epoch_us(r.{name(at)})), a, e LIMIT 1"""


def why_wrong(asked: datetime, source: Mapping[str, Any] | None, ttl: timedelta) -> str:
    """What is wrong with taking a value from a row of these times ``e`` and ``a``."""
    if source is None:
        return "no row of the entity holds it"
    happened, known = source["e"], source["a"]
    if known is None or happened is None:
        return "it is from a row of which nobody knows when it could be known"
    if known > asked:
        return f"it became known at {told(known)}, {known - asked} after it was asked"
    if happened > asked:
        return f"it is of {told(happened)}, {happened - asked} after it was asked"
    if asked - happened > ttl:
        return f"it is of {told(happened)}, older than its TTL of {ttl}"
    return f"it is of {told(happened)}, and not the newest that was known"


def _cell(feature: str, column: str) -> str:
    stored, right = f"r.{name(column)}", f"v.{name(feature)}"
    return (
        f"bool_or({stored} IS NOT DISTINCT FROM {right}) AS {name(RIGHT + feature)}, "
        f"any_value({stored}) AS {name(CELL + feature)}, any_value({right}) AS {name(feature)}"
    )


def _wrong(audit: str, feature: str) -> str:
    return f"""
        (SELECT {text(feature)} AS feature, count(*) OVER () AS rows, {ROW} AS "row",
                CAST({name(CELL + feature)} AS VARCHAR) AS here, CAST({name(feature)} AS VARCHAR) AS there
         FROM {name(audit)} WHERE NOT {name(RIGHT + feature)} ORDER BY {ROW} LIMIT 1)"""
