"""In which cell does each of many numbers lie? Looked up by their leading bits, which takes no search for most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[Any]

# Leading bits that are looked at: the sign, the exponent, and 8 bits of the fraction.
BITS = 20
_SHIFT = np.int64(64 - BITS)
_HALF = 1 << (BITS - 1)
_LARGE = 1e290
_WITHOUT_SIGN = np.int64(2**63 - 1)


class Lookup:
    """The cells between ascending finite ``edges``, each closed on the right.

    Numbers are grouped by the leading bits of their distance from the middle edge, 256 groups between a power
    of two and the next. All of a group that holds no edge lie in one cell; others are compared with the edges
    in their group.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.array(edges, dtype=np.float64)
        middle = self._edges[len(edges) // 2] if len(edges) else 0.0
        # A distance from more than this might not be finite.
        self._middle = middle if abs(middle) < _LARGE else 0.0
        groups = _groups(self._edges - self._middle)
        # The cell of each group; where it holds edges, the first of these, less than nought.
        ends = np.concatenate([[0], groups + 1, [2 * _HALF]])
        self._cells = np.repeat(np.arange(1, len(edges) + 2, dtype=np.int32), np.diff(ends))
        first, at = np.unique(groups, return_index=True)
        self._cells[first] = -1 - at
        lowest, highest = _groups(np.array([-np.inf, np.inf]))
        self._cells[: lowest + 1] = self._cells[highest:] = len(edges) + 2

    def places(self, numbers: Floats) -> Places:
        """For each of the numbers the place of its cell, from one; one beyond the last cell when it is not finite."""
        places = self._cells[_groups(numbers - self._middle)]
        doubtful = np.flatnonzero(places < 0)
        first, values = -1 - places[doubtful], numbers[doubtful]
        places[doubtful] = first + 1 + (values > self._edges[first])
        beyond = np.append(self._edges, np.inf)[places[doubtful] - 1] < values
        rest = doubtful[beyond]
        places[rest] = 1 + self._edges.searchsorted(numbers[rest], side="left")
        return places


def _groups(numbers: Floats) -> Places:
    """The leading bits of numbers, as whole numbers from nought in the order of the numbers."""
    bits = numbers.view(np.int64)
    ordered = bits ^ ((bits >> np.int64(63)) & _WITHOUT_SIGN)
    return np.asarray((ordered >> _SHIFT) + _HALF)
