"""The SQL that counts rows into a profile, and the reading of its answer. DuckDB's dialect.

A reference takes two queries: ``cells_query`` on a sample, then ``counts_query`` over all rows. A
batch takes the second one only, on the reference's cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
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
from mlops_assets.monitoring.profile import IntArray, Profile, column_profile

# Rows on which cells are chosen; beyond it they hardly change.
SAMPLE = 100_000
# Blocks into which rows in order are cut. More would leave few rows for each.
BLOCKS = 32


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


def counts_query(relation: str, cells: Mapping[Watched, Cells], *, block: str = "''") -> str:
    """One row per block: its name, its rows, and for each column its counts.

    block: an SQL expression over the relation, as ``by_column`` or ``by_order`` write it; by
        default all rows are one block. Blocks are what dependence in time is estimated from.
    """
    answers = "".join(_counts_of(at, column, inside) for at, (column, inside) in enumerate(cells.items()))
    return (
        f"SELECT block, {answers}count(*) AS rows"
        f" FROM (SELECT {_renamed(cells)}{block} AS block FROM {name(relation)})"
        f" GROUP BY block ORDER BY block"
    )


def by_column(column: str) -> str:
    """Blocks that are the values of a column, such as the partition of a day; they sort as text."""
    return f"CAST({name(column)} AS VARCHAR)"


def by_order(column: str, blocks: int = BLOCKS, *, prefix: str = "") -> str:
    """``blocks`` blocks of equal size, contiguous in the order of ``column``.

    prefix: stands before the number of a block; profiles that will be merged need different ones,
        else their blocks of equal number become one.

    >>> by_order("event_time", 8, prefix="2013-01-01/")
    '\\'2013-01-01/\\' || printf(\\'%04d\\', ntile(8) OVER (ORDER BY "event_time"))'
    """
    return f"{text(prefix)} || printf('%04d', ntile({int(blocks)}) OVER (ORDER BY {name(column)}))"


def profile_from(answer: pa.Table, cells: Mapping[Watched, Cells]) -> Profile:
    """The profile that ``counts_query`` counted."""
    rows = answer.to_pylist()
    names = [str(row["block"]) for row in rows]
    columns = {}
    for at, (column, inside) in enumerate(cells.items()):
        counts = np.array([_read(dict(row[f"h{at}"] or []), inside) for row in rows], dtype=np.int64)
        columns[column.name] = column_profile(
            column,
            inside,
            counts.reshape(-1, len(inside)),
            _values([row[f"m{at}"] for row in rows]),
            _values([row[f"n{at}"] for row in rows]),
            names,
        )
    return Profile(sum(row["rows"] for row in rows), columns)


def _values(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _renamed(columns: Iterable[Watched]) -> str:
    """The watched columns under names of ours, which cannot clash with any of theirs."""
    return "".join(f"{name(column.name)} AS v{at}, " for at, column in enumerate(columns))


def _cells_of(at: int, column: Watched) -> str:
    if column.kind == "category":
        return f"histogram(CAST(v{at} AS VARCHAR))"
    fractions = [step / QUANTILES for step in range(QUANTILES + 1)]
    return f"quantile_disc({_finite(at)}, {fractions})"


def _counts_of(at: int, column: Watched, cells: Cells) -> str:
    missing = f"count(*) FILTER (v{at} IS NULL) AS m{at}"
    if isinstance(cells, Edges):
        edges = f"CAST({text(json.dumps(cells.edges))} AS DOUBLE[])"
        nonfinite = f"count(*) FILTER (NOT isfinite(CAST(v{at} AS DOUBLE))) AS n{at}"
        return f"histogram({_finite(at)}, {edges}) AS h{at}, {missing}, {nonfinite}, "
    value = f"CAST(v{at} AS VARCHAR)"
    listed = "[" + ", ".join(text(category) for category in cells.values) + "]::VARCHAR[]"
    # The position in the list, from one; a category that is not in it has position nought.
    position = f"CASE WHEN {value} IS NOT NULL THEN coalesce(list_position({listed}, {value}), 0) END"
    return f"histogram({position}) AS h{at}, {missing}, 0 AS n{at}, "


def _finite(at: int) -> str:
    number = f"CAST(v{at} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _read(found: Mapping[float, int], cells: Cells) -> list[int]:
    """Counts in the order of the cells. DuckDB names what exceeds the last edge infinity."""
    if isinstance(cells, Edges):
        return [found.get(edge, 0) for edge in (*cells.edges, float("inf"))]
    return [found.get(position, 0) for position in (*range(1, len(cells)), 0)]
