"""Rows counted into a profile as they stream by: in one pass, and in memory that a batch of them bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from mlops_assets.monitoring.cells import Cells, Edges, Watched
from mlops_assets.monitoring.profile import IntArray, Profile, column_profile

# Rows per batch: many enough to be worth the calls, few enough for a column to stay in a processor's cache.
ROWS = 61_440


def tally(batches: Iterable[pa.RecordBatch], cells: Mapping[Watched, Cells]) -> Profile:
    """The profile of the rows that ``values_query`` gives for these cells.

    Numbers are sorted, and the edges are then sought among them: that takes no longer for heavy tails
    or ties, and is a fraction of seeking each number among the edges.
    """
    rows = 0
    totals: dict[str, list[IntArray]] = {}
    for batch in batches:
        rows += batch.num_rows
        order, names, bounds = _blocks(batch.column(0))
        for name in names:
            totals.setdefault(name, [np.zeros(len(inside) + 2, dtype=np.int64) for inside in cells.values()])
        for at, inside in enumerate(cells.values()):
            counts = _counts(batch.column(at + 1), inside, order, bounds)
            for name, block in zip(names, counts, strict=True):
                totals[name][at] += block
    names = sorted(totals)
    columns = {}
    for at, (column, inside) in enumerate(cells.items()):
        found = np.array([totals[name][at] for name in names], dtype=np.int64).reshape(-1, len(inside) + 2)
        columns[column.name] = column_profile(
            column, inside, found[:, 1:-1], found[:, 0], found[:, -1], names
        )
    return Profile(rows, columns)


def _blocks(column: pa.Array) -> tuple[IntArray | None, list[str], list[int]]:
    """An order in which the rows of a block are together, if they are not yet; the blocks; their bounds in it."""
    encoded = column.dictionary_encode("encode")
    # The codes of blocks are in the order of their first rows.
    codes = encoded.indices.to_numpy()
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    together = bool((codes[:-1] <= codes[1:]).all())
    ends = np.bincount(codes, minlength=len(names)).cumsum()
    return None if together else np.argsort(codes), names, [0, *ends.tolist()]


def _counts(
    column: pa.Array, cells: Cells, order: IntArray | None, bounds: Sequence[int]
) -> list[IntArray]:
    """For each block the rows without a value, those in each cell, and those that are not finite."""
    values = column.to_numpy(zero_copy_only=False)
    parts = _parts(values, order, bounds)
    if not isinstance(cells, Edges):
        return [np.bincount(part, minlength=len(cells) + 2) for part in parts]
    if column.null_count:
        absent = _parts(column.is_null().to_numpy(zero_copy_only=False), order, bounds)
        missing = [np.count_nonzero(part) for part in absent]
    else:
        missing = [0] * len(parts)
    # Infinities are at the ends of what is sorted, NaN and what is missing beyond them.
    edges = np.array([-np.inf, *cells.edges, np.finfo(np.float64).max])
    counts = []
    for part, without in zip(parts, missing, strict=True):
        inside = np.diff(np.searchsorted(np.sort(part), edges, side="right"))
        counts.append(np.array([without, *inside, len(part) - inside.sum() - without]))
    return counts


def _parts(values: IntArray, order: IntArray | None, bounds: Sequence[int]) -> list[IntArray]:
    ordered = values if order is None else values[order]
    return [ordered[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
