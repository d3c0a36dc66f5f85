"""Which rows of two relations differ, column by column, with an example of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.data.sql import name, names, text

# The share of a number by which it may differ where nothing else is said: engines add in whatever order is fastest.
TOLERANCE = 1e-9
COPY = "_copy"
THERE, HERE = "_there", "_here"


@dataclass(frozen=True)
class Change:
    """What differs in one column, or whole rows where ``column`` is empty.

    row: the first that differs, by the columns that name it. there, here: its values, None for null.
    """

    column: str
    kind: str
    rows: int
    row: Mapping[str, Any]
    there: str | None = None
    here: str | None = None


def same_rows(there: str, here: str, columns: Sequence[str]) -> str:
    """SQL: whether two relations hold the same rows, each as often, in whatever order: one look at each."""
    both = (
        f"(SELECT {{n: count(*), h: sum(CAST(hash({names(columns)}) AS HUGEINT))}} FROM {relation})"
        for relation in (there, here)
    )
    return f"SELECT {' IS NOT DISTINCT FROM '.join(both)} AS same"


def changes_query(
    there: str,
    here: str,
    *,
    by: Sequence[str],
    columns: Mapping[str, str],
    roundings: Mapping[str, float] | None = None,
) -> str:
    """SQL: a row per column that differs, and one for rows that are ``gone`` from here or ``added`` here.

    there, here: relations. by: the columns that name a row; rows of one name are told apart by the order
    of their values. columns: those compared, each with its declared type; a null equals only a null.
    roundings: for a number that may differ by another share than usual, that share.
    """
    shares = roundings or {}
    return f"{_compared(there, here, by, columns)} {' UNION ALL '.join(_counted(by, columns, shares))}"


def farthest_query(there: str, here: str, *, by: Sequence[str], columns: Sequence[str]) -> str:
    """SQL: for each number the largest share by which it differs between two relations with the same rows."""
    shares = []
    for column in columns:
        t, h = name(THERE + column), name(HERE + column)
        is_number = f"isfinite({t}) AND isfinite({h})"
        share = f"abs({t} - {h}) / nullif({_size(t, h)}, 0)"
        shares.append(f"max({share}) FILTER ({is_number}) AS {name(column)}")
    return f"{_compared(there, here, by, columns)} SELECT {', '.join(shares)} FROM compared"


def _compared(there: str, here: str, by: Sequence[str], columns: Collection[str]) -> str:
    """SQL: the rows of both relations beside each other, as ``compared``."""
    values = names(columns) or "1"
    numbered = f"row_number() OVER (PARTITION BY {names(by)} ORDER BY {values}) AS {COPY}"
    same = " AND ".join(f"t.{name(c)} = h.{name(c)}" for c in (*by, COPY))
    shown = ", ".join(f"coalesce(t.{name(c)}, h.{name(c)}) AS {name(c)}" for c in by)
    pairs = ", ".join(f"t.{name(c)} AS {name(THERE + c)}, h.{name(c)} AS {name(HERE + c)}" for c in columns)
    sides = f"t.{COPY} IS NOT NULL AS {THERE}, h.{COPY} IS NOT NULL AS {HERE}"
    return f"""
        WITH t AS (SELECT *, {numbered} FROM {there}), h AS (SELECT *, {numbered} FROM {here}),
        compared AS MATERIALIZED (
            SELECT {shown}, {sides}{", " + pairs if pairs else ""} FROM t FULL JOIN h ON {same})"""


def changes(found: Sequence[Mapping[str, Any]]) -> list[Change]:
    """The rows of the query that say something."""
    return [Change(**row) for row in found if row["rows"]]


def _counted(by: Sequence[str], columns: Mapping[str, str], roundings: Mapping[str, float]) -> Iterator[str]:
    yield _of("", "gone", f"{THERE} AND NOT {HERE}", by)
    yield _of("", "added", f"{HERE} AND NOT {THERE}", by)
    for column, kind in columns.items():
        there, here = name(THERE + column), name(HERE + column)
        differs = f"{THERE} AND {HERE} AND {there} IS DISTINCT FROM {here}"
        if kind == "number":
            differs += f" AND NOT coalesce({_alike(there, here, roundings.get(column, TOLERANCE))}, false)"
        yield _of(column, "differs", differs, by, there, here)


def _alike(there: str, here: str, share: float) -> str:
    """Whether two numbers are one but for rounding."""
    room = f"{share!r} * {_size(there, here)}"
    return f"(isfinite({there}) AND isfinite({here}) AND abs({there} - {here}) <= {room})"


def _size(there: str, here: str) -> str:
    """What a difference is small or large beside: both numbers, and what the column usually holds."""
    usual = f"(SELECT median(abs({there})) FROM compared WHERE isfinite({there}))"
    return f"greatest(abs({there}), abs({here}), coalesce({usual}, 0))"


def _of(
    column: str, kind: str, differs: str, by: Sequence[str], there: str = "NULL", here: str = "NULL"
) -> str:
    row = "{" + ", ".join(f"{text(c)}: {name(c)}" for c in by) + "}"
    values = f"CAST({there} AS VARCHAR) AS there, CAST({here} AS VARCHAR) AS here"
    return f"""
        (SELECT {text(column)} AS "column", {text(kind)} AS kind, max(_rows) AS rows,
                first(_named) AS row, first(there) AS there, first(here) AS here
         FROM (SELECT {row} AS _named, {values}, count(*) OVER () AS _rows FROM compared WHERE {differs}
               ORDER BY {names(by)} LIMIT 1))"""
