"""How many rows of a table differ between two states of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_assets.data.sql import moment, name, names
from mlops_assets.declaration.source import AVAILABLE_AT


def restated_rows(
    before: str, now: str, *, key: Sequence[str], columns: Sequence[str], known: datetime
) -> str:
    """SQL: ``rows`` that were added, are gone or hold something else, and those ``known`` before a moment.

    before, now: relations. key: the columns that name a row; columns: those compared. A row counts as known when
    either state of it says so: what became known only later changes nothing that was made before.
    """
    same = " AND ".join(f"b.{name(column)} = n.{name(column)}" for column in key)
    first = name(key[0])
    was_known = " OR ".join(
        f"coalesce({side}.{AVAILABLE_AT} < {moment(known)}, false)" for side in ("b", "n")
    )
    return f"""
        SELECT count(*) AS rows, count(*) FILTER ({was_known}) AS known
        FROM {name(before)} b FULL JOIN {name(now)} n ON {same}
        WHERE b.{first} IS NULL OR n.{first} IS NULL
           OR row({names(columns, of="b")}) IS DISTINCT FROM row({names(columns, of="n")})"""
