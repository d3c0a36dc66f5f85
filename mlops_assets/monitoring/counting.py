"""The SQL that a profile is counted from, and the reading of its answer. DuckDB's dialect.

A reference takes two queries: ``cells_query`` on a sample, then ``values_query`` over all rows, which
``tally`` counts. A batch takes the second one only, on the reference's cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from mlops_assets.data.sql import name, text
from mlops_assets.monitoring.cells import (
    QUANTILES,
    Cells,
    Edges,
    Watched,
    categories_from,
    edges_from,
)
from mlops_assets.monitoring.sketch import HASHES

# Rows on which cells are chosen; beyond it they hardly change.
SAMPLE = 100_000


def cells_query(relation: str, columns: Sequence[Watched], *, sample: int = SAMPLE) -> str:
    """One row, a list of quantiles or a map of categories per column, from about ``sample`` rows.

    The sample is drawn by the rows' positions: the same rows in the same order give the same cells.
    """
    source = name(relation)
    every = f"(SELECT 1 + count(*) // {int(sample)} FROM {source})"
    answers = "".join(f"{_cells_of(at, column)} AS c{at}, " for at, column in enumerate(columns))
    return (
        f"SELECT {answers}count(*) AS rows FROM (SELECT {_renamed(columns)}row_number() OVER () AS position"
        f" FROM {source}) WHERE hash(position) % {every} = 0"
    )


def cells_from(answer: pa.Table, columns: Sequence[Watched]) -> dict[Watched, Cells]:
    """The cells that ``cells_query`` found."""
    (row,) = answer.to_pylist()
    found: dict[Watched, Cells] = {}
    for at, column in enumerate(columns):
        seen = row[f"c{at}"] or []
        found[column] = edges_from(seen) if column.kind == "number" else categories_from(dict(seen))
    return found


def values_query(relation: str, cells: Mapping[Watched, Cells], *, block: str = "''") -> str:
    """What ``tally`` counts, a row for each row: its block, then each column's number or its category's place.

    A place is nought where the value is missing, else counts from one. The last one is for others, to which
    the hash of the value is added: bits of MD5, the same on every machine and in every version of DuckDB.

    block: an SQL expression over the relation, as ``by_column`` writes it; by
        default all rows are one block. Blocks are what dependence in time is estimated from.
    """
    values = "".join(f", {_value_of(at, inside)} AS c{at}" for at, inside in enumerate(cells.values()))
    return f"SELECT block{values} FROM (SELECT {_renamed(cells)}{block} AS block FROM {name(relation)})"


def by_column(column: str) -> str:
    """Blocks that are the values of a column, such as the partition of a day; they sort as text."""
    return f"CAST({name(column)} AS VARCHAR)"


def _renamed(columns: Iterable[Watched]) -> str:
    """The watched columns under names of ours, which cannot clash with any of theirs."""
    return "".join(f"{name(column.name)} AS v{at}, " for at, column in enumerate(columns))


def _cells_of(at: int, column: Watched) -> str:
    if column.kind == "category":
        return f"histogram(CAST(v{at} AS VARCHAR))"
    fractions = [step / QUANTILES for step in range(QUANTILES + 1)]
    return f"quantile_disc({_finite(at)}, {fractions})"


def _value_of(at: int, cells: Cells) -> str:
    if isinstance(cells, Edges):
        return f"CAST(v{at} AS DOUBLE)"
    value = f"CAST(v{at} AS VARCHAR)"
    listed = "[" + ", ".join(text(category) for category in cells.values) + "]::VARCHAR[]"
    place = f"CAST(list_position({listed}, {value}) AS UINTEGER)"
    other = f"CAST({len(cells)} + (md5_number_lower({value}) & {HASHES - 1}::UBIGINT) AS UINTEGER)"
    return f"coalesce({place}, {other}, 0::UINTEGER)"


def _finite(at: int) -> str:
    number = f"CAST(v{at} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"
