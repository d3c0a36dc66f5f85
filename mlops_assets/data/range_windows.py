"""Counts and sums over windows of time, from one sort and running totals: whole numbers, exact to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from mlops_assets.data.key_codes import Integers, integers

# An entity and a moment are packed into one integer below this.
ROOM = 2**62


@dataclass(frozen=True)
class Frame:
    """Of the rows of an entity those from ``begins`` to ``ends``, both included.

    In microseconds after a row's own moment, below zero before it.
    """

    begins: int
    ends: int


@dataclass
class TimeLine:
    """Rows in the order of entity and moment.

    order: their places. moments: in that order. starts: where each entity begins in it, and the end of the last.
    """

    order: Integers
    moments: Integers
    starts: Integers
    _bounds: dict[tuple[int, str], Integers] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Sequence[pa.ChunkedArray], moments: Integers) -> TimeLine:
        """keys: of the entities, null a value like others; of one entity when there are none. moments: microseconds."""
        codes = _codes(keys, len(moments))
        order = np.argsort(moments, kind="stable")
        order = order.take(_grouped(codes.take(order)))
        held = np.bincount(codes, minlength=1)
        return cls(order, moments.take(order), np.insert(np.cumsum(held), 0, 0))

    def counts(self, frame: Frame, values: pa.ChunkedArray | None) -> Integers:
        """Of each row, where it lies, how many ``values`` in its frame are no null; None: how many rows."""
        if values is None or not values.null_count:
            first, end = self._frame(frame)
            return self._back(end - first)
        return self._difference(values.is_valid().to_numpy().astype(np.int64), frame)

    def sums(self, frame: Frame, values: pa.ChunkedArray) -> Integers:
        """Of each row the sum of ``values``, nulls apart, over its frame. That of all must fit into 64 bits."""
        return self._difference(integers(values, missing=0), frame)

    def _difference(self, values: Integers, frame: Frame) -> Integers:
        first, end = self._frame(frame)
        running = np.zeros(len(values) + 1, np.int64)
        np.cumsum(values.take(self.order), out=running[1:])
        return self._back(running.take(end) - running.take(first))

    def _frame(self, frame: Frame) -> tuple[Integers, Integers]:
        return self._bound(frame.begins, "left"), self._bound(frame.ends, "right")

    def _bound(self, after: int, side: Literal["left", "right"]) -> Integers:
        """Of each row the place in the order where its frame begins (left), or after which it ends (right)."""
        if (after, side) not in self._bounds:
            self._bounds[after, side] = self._found(after, side)
        return self._bounds[after, side]

    def _found(self, after: int, side: Literal["left", "right"]) -> Integers:
        found = np.empty(len(self.order), np.int64)
        if not len(found):
            return found
        begin = int(self.moments.min())
        span = int(self.moments.max()) - begin + 1
        # What lies further away is another entity's.
        reach = max(min(after, span), -span)
        stride = span + abs(reach)
        entities = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        fitting = ROOM // stride
        for low in range(0, len(self.starts) - 1, fitting):
            start, end = self.starts[low], self.starts[min(low + fitting, len(self.starts) - 1)]
            line = (entities[start:end] - low) * stride + (self.moments[start:end] - begin)
            found[start:end] = start + np.searchsorted(line, line + reach, side=side)
        return found

    def _back(self, values: Integers) -> Integers:
        """From this order to where the rows lie."""
        lying = np.empty_like(values)
        lying[self.order] = values
        return lying


def _codes(keys: Sequence[pa.ChunkedArray], rows: int) -> Integers:
    """Each row's entity as a number from 0 on, without gaps."""
    # Here: importing it takes 0.2 s, and the code location loads this room.
    import pyarrow.compute as pc

    def encoded(column: pa.Array) -> tuple[Integers, int]:
        found = pc.dictionary_encode(column, null_encoding="encode")
        return found.indices.to_numpy().astype(np.int64), len(found.dictionary)

    codes, count = np.zeros(rows, np.int64), 1
    for key in keys:
        more, others = encoded(key.combine_chunks())
        codes, count = (more, others) if count == 1 else encoded(pa.array(codes * others + more))
    return codes


def _grouped(codes: Integers) -> Integers:
    """An order that puts equal codes together, smaller ones first, otherwise as they are.

    Sixteen bits at a time, because NumPy sorts these by counting.
    """
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    high = codes >> 16
    return order.take(np.argsort(high.take(order).astype(np.uint16), kind="stable")) if high.any() else order
