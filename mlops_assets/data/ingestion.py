"""Raw rows as they were found, each in the partition of its day, so that no row is lost before it is judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from mlops_assets.data.sql import PARTITION, WHOLE, local_day, text
from mlops_assets.declaration.source import (
    AVAILABLE_AT,
    EVENT_TIME,
    RESERVED_COLUMNS,
    Source,
    Table,
    table_columns,
)
from mlops_assets.governance.verdicts import Verdict

# The relation a source's SQL reads, and the local day of a row's event, which validation compares
# with the partition the row was put in.
SOURCE_RELATION = "source"
EVENT_DAY = "event_day"

CHECKS: dict[str, str] = {
    "schema": "The file can be read, and the source yields every declared column.",
    "arrival": "The file of the partition has arrived.",
}
BLOCKING = ("schema",)


def raw_rows(table: Table, source: Source, *, days: Sequence[str]) -> str:
    """SQL over the relation ``source``: the rows of these days, every value as text.

    A row belongs to the local day of its event. One without an event time, or from before the
    source's first day, goes to the first day; one from after its last day to the last: there
    validation sets it aside with the reason. ``days`` of a table that is not daily are ignored.
    """
    if not table.is_daily:
        return f"SELECT {text(WHOLE)} AS {PARTITION}, {_as_text()} FROM ({table.select})"
    wanted = ", ".join(text(day) for day in days)
    return f"""
        SELECT * FROM (
            SELECT {_day_within(source)} AS {PARTITION}, * FROM ({_with_event_day(table, source)}))
        WHERE {PARTITION} IN ({wanted})"""


def landed_rows(table: Table, source: Source, *, day: str) -> str:
    """SQL over the relation ``source``, the file of one day: all its rows, in that day's partition."""
    return f"SELECT {text(day)} AS {PARTITION}, * FROM ({_with_event_day(table, source)})"


def expected_columns(table: Table) -> list[str]:
    """The columns an empty raw partition has."""
    own = [PARTITION, EVENT_DAY] if table.is_daily else [PARTITION]
    return [*own, *table_columns(table)]


def ambiguous_column(table: Table, yielded: Sequence[str]) -> str | None:
    """What is wrong with the names of the columns that a source's SQL yields, in a sentence; None when nothing is.

    Tables tell names apart without regard to case, and have columns of the platform's own.
    """
    for index, column in enumerate(yielded):
        if column.casefold() in (one for one in RESERVED_COLUMNS if one not in (EVENT_TIME, AVAILABLE_AT)):
            return f"found a column {column!r}, a name of the platform's own; name it otherwise in 'select'"
        others = [*table_columns(table), *yielded[:index]]
        like = next((one for one in others if one != column and one.casefold() == column.casefold()), None)
        if like is not None:
            return f"found a column {column!r} beside {like!r}, and case does not count; name it otherwise in 'select'"
    return None


def verdicts(table: Table, found: Collection[str], *, missing_file: str | None = None) -> tuple[Verdict, ...]:
    """What is said of a raw partition. found: its columns. missing_file: what should have landed."""
    absent = [column for column in table_columns(table) if column not in found]
    return (
        Verdict(
            "schema",
            not absent,
            f"missing columns: {', '.join(absent)}; found: {', '.join(sorted(found))}"
            if absent
            else "all declared columns are there",
            blocking=True,
        ),
        Verdict(
            "arrival",
            missing_file is None,
            "the file is there" if missing_file is None else f"nothing has landed at {missing_file}",
        ),
    )


def unreadable(why: str) -> tuple[Verdict, ...]:
    """What is said of a partition whose file is there and cannot be read."""
    return (Verdict("schema", False, why, blocking=True), Verdict("arrival", True, "the file is there"))


def _with_event_day(table: Table, source: Source) -> str:
    day = local_day(f"TRY_CAST({EVENT_TIME} AS TIMESTAMPTZ)", source.timezone)
    return f"SELECT {day} AS {EVENT_DAY}, {_as_text()} FROM ({table.select})"


def _as_text() -> str:
    return "CAST(COLUMNS(*) AS VARCHAR)"


def _day_within(source: Source) -> str:
    first = _literal(source.start)
    bounded = f"greatest(coalesce({EVENT_DAY}, {first}), {first})"
    return bounded if source.end is None else f"least({bounded}, {_literal(source.end)})"


def _literal(day: date) -> str:
    return text(day.isoformat())
