"""How far the numbers of a feature view lie apart only because engines add in whatever order is fastest."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_assets.data.changes import TOLERANCE, farthest_query
from mlops_assets.data.features import view_rows
from mlops_assets.data.sql import name
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.stores.engine import Session

# Of each table that the view reads. What a window adds up one by one takes the square of them at worst.
ROWS = 5_000
# Longer windows lose more than those of so few rows, and other engines lose otherwise.
ROOM = 100
AS_USUAL, ONE_BY_ONE = "_as_usual", "_one_by_one"


def roundings(
    session: Session,
    view: FeatureView,
    keys: Mapping[str, str],
    tables: Mapping[str, str],
    *,
    days: list[str],
    timezone: str | None,
) -> dict[str, float]:
    """The features that lose more in rounding than any usual one, each with the share by which they may differ.

    Some rows of the view are computed twice from the same rows in the same order, once with windows that add
    one row after the other: what differs then is rounding and nothing else. keys: the view's, with their types.
    tables: of each table that the view reads, SQL that yields its rows; the last known count.
    """
    numbers = [feature for feature, one in view.features.items() if one.type == "number"]
    if not numbers:
        return {}
    for table, rows in tables.items():
        newest = f"SELECT * FROM ({rows}) ORDER BY {AVAILABLE_AT} DESC LIMIT {ROWS}"
        session.keep(_newest(table), newest)
    given = ", ".join(f"{name(table)} AS (SELECT * FROM {name(_newest(table))})" for table in tables)
    sql = f"SELECT * FROM (WITH {given} {view_rows(view, keys, days=days, timezone=timezone)})"
    session.keep(AS_USUAL, sql)
    with session.one_by_one():
        session.keep(ONE_BY_ONE, sql)
    query = farthest_query(AS_USUAL, ONE_BY_ONE, by=(*keys, EVENT_TIME, AVAILABLE_AT), columns=numbers)
    (found,) = session.rows(query).to_pylist()
    return {feature: share * ROOM for feature, share in found.items() if share and share * ROOM > TOLERANCE}


def _newest(table: str) -> str:
    return f"_newest_{table}"
