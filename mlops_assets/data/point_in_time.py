"""The as-known-at join: for each request the newest value that was known at its moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlops_assets.data.sql import name, names

# No declared name begins with an underscore.
KNOWN_AT = "_known_at"


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


def as_known_at(requests: str, at: str, views: Sequence[JoinedView]) -> str:
    """SQL that adds to every row of ``requests`` the features as known at its time ``at``.

    Of the view rows with the request's keys, those count that had happened (``event_time``
    <= at) *and* could be known (``available_at`` <= at); of these the one with the newest
    ``event_time``, and among its restatements the last one known. It is null when none counts
    or when it is older than the TTL. Every request row comes out once; order is not promised.
    """
    joined = requests
    steps = []
    for index, view in enumerate(views):
        step = name(f"with_{index}_{view.relation}")
        steps.append(f"{name(f'known_{view.relation}')} AS ({_reigning_rows(view)})")
        steps.append(f"{step} AS ({_join_one(joined, at, view)})")
        joined = step
    if not steps:
        return f"SELECT * FROM {requests}"
    return "WITH " + ",\n".join(steps) + f"\nSELECT * FROM {joined}"


def _reigning_rows(view: JoinedView) -> str:
    """View rows by the moment from which each is the newest known value of its entity.

    A row that becomes known after a row with a later event time is never the answer, so it is
    dropped. What is left is ordered alike by event time and by the moment it became known,
    which lets one ASOF join answer the question about both times. Rows that differ in nothing but
    their values are ordered by these, so that the answer is the same in every process.
    """
    keys = names(view.keys)
    features = names(view.columns)
    return f"""
        SELECT * FROM (
            SELECT {keys}, {features}, event_time, available_at,
                   greatest(event_time, available_at) AS {KNOWN_AT}
            FROM {name(view.relation)}
            WHERE event_time IS NOT NULL AND available_at IS NOT NULL
            QUALIFY row_number() OVER (
                PARTITION BY {keys}, greatest(event_time, available_at)
                ORDER BY event_time DESC, available_at DESC, {features}) = 1)
        QUALIFY event_time >= max(event_time) OVER (
            PARTITION BY {keys} ORDER BY {KNOWN_AT} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"""


def _join_one(requests: str, at: str, view: JoinedView) -> str:
    seconds = int(view.ttl.total_seconds())
    alive = f"epoch_us(r.{name(at)}) - epoch_us(v.event_time) <= {seconds * 1_000_000}"
    values = ", ".join(
        f"CASE WHEN {alive} THEN v.{name(feature)} END AS {name(column)}"
        for feature, column in view.columns.items()
    )
    pairs = zip(view.asked_with or view.keys, view.keys, strict=True)
    same_entity = " AND ".join(f"r.{name(asked)} = v.{name(key)}" for asked, key in pairs)
    return f"""
        SELECT r.*, {values}
        FROM {requests} r ASOF LEFT JOIN {name(f"known_{view.relation}")} v
          ON {same_entity} AND r.{name(at)} >= v.{KNOWN_AT}"""
