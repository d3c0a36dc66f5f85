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
from mlops_assets.monitoring.lookup import Lookup
from mlops_assets.monitoring.profile import IntArray, Profile, column_profile
from mlops_assets.monitoring.sketch import Sketching

Array: TypeAlias = npt.NDArray[Any]

# Rows per batch: many enough to be worth the calls, few enough for a column to stay in a processor's cache.
ROWS = 61_440


def tally(batches: Iterable[pa.RecordBatch], cells: Mapping[Watched, Cells]) -> Profile:
    """The profile of the rows that ``values_query`` gives for these cells."""
    rows = 0
    known: dict[str, int] = {}
    totals = [np.zeros((0, len(inside) + 2), dtype=np.int64) for inside in cells.values()]
    others = {at: Sketching() for at, inside in enumerate(cells.values()) if isinstance(inside, Categories)}
    lookups = {
        at: Lookup(inside.edges) for at, inside in enumerate(cells.values()) if isinstance(inside, Edges)
    }
    for batch in batches:
        rows += batch.num_rows
        blocks = _Blocks.of(batch.column(0), known)
        for at, inside in enumerate(cells.values()):
            column = batch.column(at + 1)
            places = _of_numbers(column, lookups[at]) if at in lookups else column.to_numpy()
            if at in others:
                _note_others(others[at], places, len(inside), blocks)
                places = np.minimum(places, len(inside))
            new = np.zeros((len(known) - len(totals[at]), len(inside) + 2), dtype=np.int64)
            totals[at] = np.concatenate([totals[at], new])
            np.add.at(totals[at], blocks.numbers, _counts(places, len(inside), blocks))
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


def _note_others(others: Sketching, places: Array, last: int, blocks: _Blocks) -> None:
    """last: the place of others, to which their hashes are added."""
    rows = np.flatnonzero(places >= last)
    if len(rows):
        others.add(places[rows].astype(np.int64) - last, blocks.numbers[blocks.codes[rows]])


def _of_numbers(column: pa.Array, lookup: Lookup) -> Array:
    """Places as categories have them: nought where there is no number."""
    places = lookup.places(column.to_numpy(zero_copy_only=False))
    if column.null_count:
        places[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return places


def _counts(places: Array, cells: int, blocks: _Blocks) -> IntArray:
    """For each block the rows without a value, those in each cell, and those that are not finite."""
    counts = np.zeros((len(blocks.numbers), cells + 2), dtype=np.int64)
    for at, part in enumerate(blocks.parts(places)):
        counts[at] = np.bincount(part, minlength=cells + 2)
    return counts
