"""Rows counted into a profile as they stream by: in one pass, and in memory that a batch of them bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlops_assets.monitoring.cells import Categories, Cells, Edges, Watched
from mlops_assets.monitoring.profile import IntArray, Profile, column_profile
from mlops_assets.monitoring.sketch import Sketching

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
    others = {at: Sketching() for at, inside in enumerate(cells.values()) if isinstance(inside, Categories)}
    for batch in batches:
        rows += batch.num_rows
        blocks = _Blocks.of(batch.column(0), known)
        for at, inside in enumerate(cells.values()):
            new = np.zeros((len(known) - len(totals[at]), len(inside) + 2), dtype=np.int64)
            totals[at] = np.concatenate([totals[at], new])
            np.add.at(totals[at], blocks.numbers, _counts(batch.column(at + 1), inside, blocks))
            if at in others:
                _note_others(others[at], batch.column(at + 1), len(inside), blocks)
    names = sorted(known)
    ordered = [known[name] for name in names]
    columns = {}
    for at, ((column, inside), total) in enumerate(zip(cells.items(), totals, strict=True)):
        missing, counts, nonfinite = total[ordered, 0], total[ordered, 1:-1], total[ordered, -1]
        made = others[at].made(list(known)) if at in others else None
        columns[column.name] = column_profile(column, inside, counts, missing, nonfinite, names, made)
    return Profile(rows, columns)


@dataclass(frozen=True)
class _Blocks:
    """Of the rows of a batch. numbers: of its blocks, as they were first met in all batches.

    codes: of each row the place of its block in ``numbers``. order: in which the rows of a block are
    together, if they are not yet. bounds: of the blocks in that order.
    """

    numbers: IntArray
    codes: IntArray
    order: IntArray | None
    bounds: Sequence[int]

    @classmethod
    def of(cls, column: pa.Array, known: dict[str, int]) -> _Blocks:
        """known: the number of each block; those that are new are added."""
        encoded = column.dictionary_encode("encode")
        # The codes of blocks are in the order of their first rows.
        codes = encoded.indices.to_numpy()
        names = [str(name) for name in encoded.dictionary.to_pylist()]
        numbers = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
        together = bool((codes[:-1] <= codes[1:]).all())
        ends = np.bincount(codes, minlength=len(names)).cumsum()
        return cls(numbers, codes, None if together else np.argsort(codes), [0, *ends.tolist()])

    def parts(self, values: Array) -> list[Array]:
        """The values of each block."""
        ordered = values if self.order is None else values[self.order]
        return [ordered[start:end] for start, end in pairwise(self.bounds)]


def _note_others(others: Sketching, column: pa.Array, last: int, blocks: _Blocks) -> None:
    """last: the place of others, to which their hashes are added."""
    values = column.to_numpy()
    rows = np.flatnonzero(values >= last)
    if len(rows):
        others.add(values[rows].astype(np.int64) - last, blocks.numbers[blocks.codes[rows]])


def _counts(column: pa.Array, cells: Cells, blocks: _Blocks) -> IntArray:
    """For each block the rows without a value, those in each cell, and those that are not finite."""
    parts = blocks.parts(column.to_numpy(zero_copy_only=False))
    counts = np.zeros((len(parts), len(cells) + 2), dtype=np.int64)
    if not isinstance(cells, Edges):
        for at, part in enumerate(parts):
            counts[at] = np.bincount(np.minimum(part, len(cells)), minlength=len(cells) + 2)
        return counts
    if column.null_count:
        missing = blocks.parts(column.is_null().to_numpy(zero_copy_only=False))
        counts[:, 0] = [np.count_nonzero(part) for part in missing]
    # Infinities are at the ends of what is sorted, NaN and what is missing beyond them.
    edges = np.array([-np.inf, *cells.edges, np.finfo(np.float64).max])
    for at, part in enumerate(parts):
        below = np.sort(part).searchsorted(edges, side="right")
        counts[at, 1:-1] = below[1:] - below[:-1]
    counts[:, -1] = np.diff(blocks.bounds) - counts.sum(axis=1)
    return counts
