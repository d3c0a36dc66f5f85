"""A validated table as it stood at a moment: what was not known yet cut off, or something planted after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from mlops_assets.data.sql import PARTITION, WHOLE, local_day, moment, name, names, text
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Column, Table

# No declared column begins with an underscore.
NUMBER = "_canary"
EVENT = "_canary_event_time"
# Of an integer.
LEAST, MOST = -(2**63), 2**63 - 1


def known_by(relation: str, at: datetime) -> str:
    """SQL: the rows of a relation that could be known at ``at``; one that says nothing of that never could."""
    return f"SELECT * FROM {relation} WHERE {AVAILABLE_AT} <= {moment(at)}"


def known_of_days(relation: str, days: Sequence[str], at: datetime) -> str:
    """SQL: the rows of these partitions that say they had happened and could be known at ``at``, as a relation."""
    among = ", ".join(text(day) for day in days)
    return f"({known_by(name(relation), at)} AND {PARTITION} IN ({among}) AND {EVENT_TIME} IS NOT NULL)"


def planted(
    table: Table, known: str, *, at: datetime, timezone: str, kept: Collection[str], rows: int
) -> str:
    """SQL: rows that become known in the seconds after ``at``, in the columns of ``known``.

    known: the relation of what was known at ``at``, of whose newest ``rows`` rows these are made. One half
    happens after ``at``, the other happened when its pattern did and arrives late. Numbers are larger
    than all that are known, or smaller, as far as the declaration allows; keys are new.
    kept: columns that stay as they are, so that the rows are of entities that exist; they are changed
    only where a key has no other column.
    """
    key = tuple(column for column in table.key if column not in kept) or table.key
    changed = ", ".join(f"{sql} AS {name(column)}" for column, sql in _changed(table, key, kept, at))
    order = f"{AVAILABLE_AT} DESC, {names(table.key)}"
    day = local_day(EVENT, timezone) if table.is_daily else text(WHOLE)
    return f"""
        WITH pattern AS (
            SELECT *, row_number() OVER (ORDER BY {order}) AS {NUMBER}
            FROM (SELECT * FROM {known} WHERE {EVENT_TIME} IS NOT NULL ORDER BY {order} LIMIT {rows})),
        placed AS (
            SELECT *, CASE WHEN {NUMBER} % 2 = 1 THEN {_after(at)} ELSE {EVENT_TIME} END AS {EVENT} FROM pattern)
        SELECT * EXCLUDE ({NUMBER}, {EVENT})
        REPLACE ({changed}, {EVENT} AS {EVENT_TIME}, {_after(at)} AS {AVAILABLE_AT}, {day} AS {PARTITION})
        FROM placed"""


def _after(at: datetime) -> str:
    return f"{moment(at)} + to_seconds({NUMBER})"


def _changed(
    table: Table, key: Collection[str], kept: Collection[str], at: datetime
) -> Iterator[tuple[str, str]]:
    for column, declared in table.columns.items():
        if column in key:
            yield column, _new_key(column, declared)
        elif column not in kept:
            yield column, _striking(column, declared)


def _new_key(column: str, declared: Column) -> str:
    quoted = name(column)
    if declared.type == "string":
        return f"{quoted} || '~' || {NUMBER}"
    if declared.type == "timestamp":
        return f"{quoted} + ({EVENT} - {EVENT_TIME}) + to_microseconds({NUMBER})"
    if declared.type == "boolean":
        return quoted
    number = _wide(column, declared)
    above = f"max({number}) OVER () + {NUMBER}"
    if declared.between is not None:
        return _stored_as(declared, above)
    # On both sides: SQL may take the order of keys for that of time.
    below = f"min({number}) OVER () - {NUMBER}"
    return _stored_as(declared, f"CASE WHEN {NUMBER} % 8 < 4 THEN {above} ELSE {below} END")


def _striking(column: str, declared: Column) -> str:
    quoted = name(column)
    if declared.type == "boolean":
        return f"{quoted} <> ({NUMBER} % 4 < 2)"
    if declared.type == "timestamp":
        return f"{quoted} + ({EVENT} - {EVENT_TIME})"
    if declared.type == "string":
        return quoted
    number = _wide(column, declared)
    least, most = f"min({number}) OVER ()", f"max({number}) OVER ()"
    spread = f"({most} - {least} + 1)"
    # What is never below zero stays so: SQL may take its root.
    low = f"CASE WHEN {least} >= 0 THEN 0 ELSE {least} - {spread} END"
    high = f"{most} + {spread}"
    floor, ceiling = declared.between or (None, None)
    if floor is not None:
        low = f"greatest({low}, {floor})"
    if ceiling is not None:
        high = f"least({high}, {ceiling})"
    chosen = f"CASE WHEN {NUMBER} % 4 < 2 THEN {high} ELSE {low} END"
    return f"CASE WHEN {quoted} IS NOT NULL THEN {_stored_as(declared, chosen)} END"


def _wide(column: str, declared: Column) -> str:
    """A number with room for larger ones."""
    return f"CAST({name(column)} AS {'HUGEINT' if declared.type == 'integer' else 'DOUBLE'})"


def _stored_as(declared: Column, number: str) -> str:
    if declared.type == "integer":
        return f"CAST(least(greatest({number}, {LEAST}), {MOST}) AS BIGINT)"
    return f"CAST({number} AS DOUBLE)"
