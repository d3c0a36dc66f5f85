"""Rows counted into a profile as they stream by: in one pass, and in memory that a batch of them bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlops_assets.monitoring.cells import Cells, Edges, Watched
from mlops_assets.monitoring.profile import IntArray, Profile, column_profile

Array: TypeAlias = npt.NDArray[Any]

# Rows per batch: many enough to be worth the calls, few enough for a column to stay in a processor's cache.
ROWS = 61_440


def tally(batches: Iterable[pa.RecordBatch], cells: Mapping[Watched, Cells]) -> Profile:
    """The profile of the rows that ``values_query`` gives for these cells.

    Numbers are sorted, and the edges are then sought among them: that takes no longer for heavy tails
    or ties, and is a fraction of seeking each number among the edges.
    """
    rows = 0
    known: dict[str, int] = {}
    totals = [np.zeros((0, len(inside) + 2), dtype=np.int64) for inside in cells.values()]
    for batch in batches:
        rows += batch.num_rows
        order, names, bounds = _blocks(batch.column(0))
        places = [known.setdefault(name, len(known)) for name in names]
        for at, inside in enumerate(cells.values()):
            new = np.zeros((len(known) - len(totals[at]), len(inside) + 2), dtype=np.int64)
            totals[at] = np.concatenate([totals[at], new])
            np.add.at(totals[at], places, _counts(batch.column(at + 1), inside, order, bounds))
    names = sorted(known)
    ordered = [known[name] for name in names]
    columns = {}
    for (column, inside), total in zip(cells.items(), totals, strict=True):
        missing, counts, nonfinite = total[ordered, 0], total[ordered, 1:-1], total[ordered, -1]
        columns[column.name] = column_profile(column, inside, counts, missing, nonfinite, names)
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


def _counts(column: pa.Array, cells: Cells, order: IntArray | None, bounds: Sequence[int]) -> IntArray:
    """For each block the rows without a value, those in each cell, and those that are not finite."""
    parts = _parts(column.to_numpy(zero_copy_only=False), order, bounds)
    counts = np.zeros((len(parts), len(cells) + 2), dtype=np.int64)
    if not isinstance(cells, Edges):
        for at, part in enumerate(parts):
            counts[at] = np.bincount(part, minlength=len(cells) + 2)
        return counts
    if column.null_count:
        missing = _parts(column.is_null().to_numpy(zero_copy_only=False), order, bounds)
        counts[:, 0] = [np.count_nonzero(part) for part in missing]
    # Infinities are at the ends of what is sorted, NaN and what is missing beyond them.
    edges = np.array([-np.inf, *cells.edges, np.finfo(np.float64).max])
    for at, part in enumerate(parts):
        below = np.sort(part).searchsorted(edges, side="right")
        counts[at, 1:-1] = below[1:] - below[:-1]
    counts[:, -1] = np.diff(bounds) - counts.sum(axis=1)
    return counts


def _parts(values: Array, order: IntArray | None, bounds: Sequence[int]) -> list[Array]:
    ordered = values if order is None else values[order]
    return [ordered[start:end] for start, end in pairwise(bounds)]
