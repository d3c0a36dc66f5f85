"""Keys as small numbers, so that entities of any type and of several columns sort and compare as integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

Integers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
NOBODY = -1


@dataclass(frozen=True)
class KeyCodes:
    """Entities numbered from 0 to ``count`` - 1, in the order of their keys.

    asked, held: the number of each row's entity; ``NOBODY`` for a key that is null, or that was
    not asked for.
    """

    asked: Integers
    held: Integers
    count: int

    @classmethod
    def of(cls, asked: Sequence[pa.ChunkedArray], held: Sequence[pa.ChunkedArray]) -> KeyCodes:
        """The entities of two tables by their key columns, which are of the same types in both."""
        first, *others = (_of_one_column(*pair) for pair in zip(asked, held, strict=True))
        for other in others:
            first = _together(first, other)
        return first


def _of_one_column(asked: pa.ChunkedArray, held: pa.ChunkedArray) -> KeyCodes:
    # Here: importing it takes 0.2 s, and the code location loads this room.
    import pyarrow.compute as pc

    distinct = pc.drop_null(pc.unique(asked)).sort()
    places = [integers(pc.index_in(keys, distinct), missing=NOBODY) for keys in (asked, held)]
    return KeyCodes(places[0], places[1], len(distinct))


def _together(one: KeyCodes, other: KeyCodes) -> KeyCodes:
    """Numbers of the pairs that were asked for, without gaps."""
    asked, held = (
        np.where((a == NOBODY) | (b == NOBODY), NOBODY, a * other.count + b)
        for a, b in ((one.asked, other.asked), (one.held, other.held))
    )
    distinct = np.unique(asked[asked != NOBODY])
    return KeyCodes(_places(asked, distinct), _places(held, distinct), len(distinct))


def _places(values: Integers, distinct: Integers) -> Integers:
    if not len(distinct):
        return np.full(len(values), NOBODY)
    places = np.searchsorted(distinct, values).clip(max=len(distinct) - 1)
    return np.where(distinct[places] == values, places, NOBODY)


def integers(values: pa.ChunkedArray, *, missing: int) -> Integers:
    """As NumPy has them. missing: what a null becomes."""
    known = values.fill_null(missing) if values.null_count else values
    found: Integers = known.to_numpy().astype(np.int64, copy=False)
    return found
