"""The newest known row of every entity, which is what is online; and of which entities it may have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from mlops_assets.data.moments import earlier
from mlops_assets.data.sql import PARTITION, moment, name, names, text

KNOWN = "greatest(event_time, available_at)"
# DuckDB's greatest() passes over nulls; a row without one of its times was never known.
TIMED = "event_time IS NOT NULL AND available_at IS NOT NULL"


def last_known(rows: str, until: datetime) -> str:
    """SQL: the moment (microseconds) at which the last thing became known, up to ``until``; null for none."""
    return (
        f"SELECT epoch_us(max({KNOWN})) AS at FROM {name(rows)} WHERE {TIMED} AND {KNOWN} <= {moment(until)}"
    )


def newest_of_each(
    rows: str,
    keys: Sequence[str],
    features: Mapping[str, str],
    until: datetime,
    *,
    ttl: timedelta,
    among: str | None = None,
) -> str:
    """SQL: of each entity the row that is the answer at ``until``: keys, both times, features by name.

    That is the row which ``point_in_time.newest_known`` finds: known by then, of these the one with the newest
    event time, and among its restatements the last one known. What is older than ``ttl`` by then is no answer, then or
    ever after. Moments are microseconds. features: each with its type, in the order in which the view
    declares them, by which rows that differ in nothing else are told apart. among: a relation of keys.
    """
    same = " AND ".join(f"r.{name(key)} = a.{name(key)}" for key in keys)
    joined = f" SEMI JOIN {name(among)} a ON {same}" if among else ""
    of_entity = f"PARTITION BY {names(keys)} ORDER BY event_time DESC, available_at DESC, {names(features)}"
    return f"""
        SELECT {names(keys)}, epoch_us(event_time) AS event_time, epoch_us(available_at) AS available_at,
               {_told(features)}
        FROM (SELECT r.* FROM {name(rows)} r{joined}
              WHERE {TIMED} AND event_time <= {moment(until)} AND available_at <= {moment(until)}
                AND event_time >= {moment(earlier(until, ttl))}
              QUALIFY row_number() OVER ({of_entity}) = 1)"""


def touched(
    keys: Sequence[str], before: str, rows: str, changed: Sequence[str], since: datetime, until: datetime
) -> str:
    """SQL: the entities whose answer may be another one at ``until`` than it was at ``since``.

    before: what the changed partitions held then. changed: those that hold other rows now.
    """
    columns, known = names(keys), f"{KNOWN} <= {moment(until)}"
    listed = ", ".join(text(partition) for partition in changed) or "NULL"
    return f"""
        SELECT {columns} FROM {name(before)} WHERE {TIMED}
        UNION SELECT {columns} FROM {name(rows)} WHERE {TIMED} AND {known} AND {PARTITION} IN ({listed})
        UNION SELECT {columns} FROM {name(rows)} WHERE {TIMED} AND {known} AND {KNOWN} > {moment(since)}"""


def _told(features: Mapping[str, str]) -> str:
    return ", ".join(
        f"epoch_us({name(feature)}) AS {name(feature)}" if features[feature] == "timestamp" else name(feature)
        for feature in sorted(features)
    )
