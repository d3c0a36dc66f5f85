"""The values that have no cell of their own: a bounded sample of them by hash, so that new ones can be told.

A bottom-k sketch (Bar-Yossef and others 2002): the MOST values of the smallest hashes, all of their rows. Up
to MOST values it is complete. Beyond, each value is in it with the same probability, whatever its rows. A new
value passes for a known one when they share a hash: beside D known values with a probability of D / HASHES.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]

# Hashes are below this.
HASHES = 1 << 31
# Values that are kept: below 64 KB as JSON.
MOST = 3_000
# By how many of them an estimate from a sample is set lower, or higher, to be sure.
STANDARD_ERRORS = 2.0


class Seen(NamedTuple):
    """Of one value. first: the block that had it first; blocks sort in the order of time. rows: in all blocks."""

    first: str
    rows: int


@dataclass(frozen=True)
class Sketch:
    """seen: hash -> of its value, of every value whose hash is less than ``below``."""

    below: int = HASHES
    seen: Mapping[int, Seen] = field(default_factory=dict)

    def merged(self, other: Sketch) -> Sketch:
        """The sketch of the rows of both."""
        seen = dict(self.seen)
        for key, one in other.seen.items():
            before = seen.get(key)
            seen[key] = one if before is None else Seen(min(before.first, one.first), before.rows + one.rows)
        return _bounded(min(self.below, other.below), seen)

    def rows_not_in(self, known: Sketch) -> float:
        """How many rows surely have a value that is not in ``known``; all that have where both are complete."""
        below = min(self.below, known.below)
        new = (one.rows for key, one in self.seen.items() if key < below and key not in known.seen)
        return _estimated(new, below, -1)

    def rows_first_seen_from(self, block: str) -> float:
        """How many rows at most have a value that no block before this one had; all that have where complete."""
        return _estimated((one.rows for one in self.seen.values() if one.first >= block), self.below, 1)

    def to_dict(self, blocks: Sequence[str]) -> dict[str, Any]:
        """As JSON can hold it. blocks: the names of all; a value's first one is kept as its place among them."""
        places = {name: place for place, name in enumerate(blocks)}
        return {
            "below": self.below,
            "hashes": list(self.seen),
            "first": [places[one.first] for one in self.seen.values()],
            "rows": [one.rows for one in self.seen.values()],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], blocks: Sequence[str]) -> Sketch:
        values = zip(body["hashes"], body["first"], body["rows"], strict=True)
        return cls(body["below"], {key: Seen(blocks[first], rows) for key, first, rows in values})


class Sketching:
    """A sketch in the making. Memory is bounded by MOST times the number of blocks."""

    def __init__(self) -> None:
        self._below = HASHES
        # A hash and the number of a block in one number, ascending; and the rows of each.
        self._keys = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros(0, dtype=np.int64)

    def add(self, hashes: IntArray, blocks: IntArray) -> None:
        """Rows: of each the hash of its value and the number of its block, below 2**31."""
        inside = hashes < self._below
        keys, rows = np.unique((hashes[inside] << 31) | blocks[inside], return_counts=True)
        self._keys, at = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        together = np.zeros(len(self._keys), dtype=np.int64)
        np.add.at(together, at, np.concatenate([self._rows, rows]))
        self._rows = together
        self._bound()

    def made(self, names: Sequence[str]) -> Sketch:
        """names: of the blocks, by their number."""
        seen: dict[int, Seen] = {}
        for key, rows in zip(self._keys.tolist(), self._rows.tolist(), strict=True):
            one, block = key >> 31, names[key & (2**31 - 1)]
            before = seen.get(one, Seen(block, 0))
            seen[one] = Seen(min(before.first, block), before.rows + rows)
        return Sketch(self._below, seen)

    def _bound(self) -> None:
        values = np.unique(self._keys >> 31)
        if len(values) > MOST:
            self._below = int(values[MOST])
            end = int(self._keys.searchsorted(self._below << 31))
            self._keys, self._rows = self._keys[:end], self._rows[:end]


def _bounded(below: int, seen: Mapping[int, Seen]) -> Sketch:
    keys = sorted(key for key in seen if key < below)
    if len(keys) > MOST:
        below = keys[MOST]
    return Sketch(below, {key: seen[key] for key in keys[:MOST]})


def _estimated(rows: Iterable[int], below: int, sign: int) -> float:
    """The rows of all values from those of the sampled ones (Horvitz and Thompson), and what it may be off by."""
    share, total, squares = below / HASHES, 0, 0
    for each in rows:
        total, squares = total + each, squares + each * each
    return max(0.0, (total + sign * STANDARD_ERRORS * math.sqrt((1 - share) * squares)) / share)
