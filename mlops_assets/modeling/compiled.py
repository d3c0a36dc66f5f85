"""Gradient boosting as a table: no tree is walked, and nothing but NumPy is needed.

The splits of all trees cut the line of a number into pieces, within which it makes no difference where the number is.
For each piece, each category, and a missing value, a line of the table says which leaves of each tree can be reached,
one bit a leaf. The lines of a row's values, and'ed, leave one bit in each tree: its leaf. After QuickScorer (Lucchese
et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees", SIGIR 2015),
with both sides of each split. ``compiling.py`` makes the table and ``proving.py`` tries it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from mlops_assets.modeling.records import as_number

if TYPE_CHECKING:
    from mlops_assets.modeling.frames import Scores

# Leaves to a word.
BITS = 64
# So many rows at once stay in a processor's cache.
TOGETHER = 16


class Texts(NamedTuple):
    """A category column. lines: of each text, by its number in the table. other: of no text, and of any other."""

    column: str
    lines: Mapping[str, int]
    other: int


class Numbers(NamedTuple):
    """A number column. splits: ascending, each number belongs to the piece that ends with it.

    first: the line of the first piece; those of the others follow, and then that of a missing number.
    """

    column: str
    splits: Sequence[float]
    first: int


@dataclass(frozen=True, repr=False)
class Compiled:
    """Columns by which no tree splits are left out.

    table: shape (lines, trees · words). leaves: shape (trees · words · BITS,). baseline: to which leaves are added.
    """

    texts: tuple[Texts, ...]
    numbers: tuple[Numbers, ...]
    table: np.ndarray[Any, np.dtype[np.uint64]]
    leaves: np.ndarray[Any, np.dtype[np.float64]]
    baseline: float
    trees: int

    def scores(self, records: Sequence[Mapping[str, Any]]) -> Scores:
        """The probability of the positive class of each record, which has every input, None where it is missing."""
        lines = np.array([self._lines(record) for record in records])
        raw: list[float] = []
        for first in range(0, len(lines), TOGETHER):
            raw += self._sums(lines[first : first + TOGETHER])
        return np.array([_logistic(one) for one in raw])

    def to_bytes(self) -> bytes:
        """As a file."""
        about = {
            "texts": self.texts,
            "numbers": self.numbers,
            "baseline": self.baseline,
            "trees": self.trees,
        }
        written = BytesIO()
        spelled = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(written, about=spelled, table=self.table, leaves=self.leaves)
        return written.getvalue()

    @classmethod
    def of(cls, data: bytes) -> Self:
        """What ``to_bytes`` wrote."""
        with np.load(BytesIO(data)) as read:
            about = json.loads(read["about"].tobytes())
            texts = tuple(Texts(*one) for one in about["texts"])
            numbers = tuple(Numbers(*one) for one in about["numbers"])
            return cls(texts, numbers, read["table"], read["leaves"], about["baseline"], about["trees"])

    def _lines(self, record: Mapping[str, Any]) -> list[int]:
        found = [lines.get(record[column], other) for column, lines, other in self.texts]
        for column, splits, first in self.numbers:
            number = record[column]
            if type(number) is not float:
                number = as_number(number)
            # What is missing is not equal to itself.
            found.append(first + (bisect_left(splits, number) if number == number else len(splits) + 1))
        return found

    def _sums(self, lines: np.ndarray[Any, Any]) -> list[float]:
        """What the leaves of each row add up to."""
        reached = np.bitwise_and.reduce(self.table[lines], axis=1).ravel()
        words = reached.nonzero()[0]
        bits = np.bitwise_count(reached[words] - np.uint64(1))
        found = self.leaves[words % self.table.shape[1] * BITS + bits]
        added = np.empty((len(lines), self.trees + 1))
        added[:, 0], added[:, 1:] = self.baseline, found.reshape(len(lines), self.trees)
        # Tree by tree, as scikit-learn does: a plain sum adds in another order, which rounds otherwise.
        summed: list[float] = np.cumsum(added, axis=1)[:, -1].tolist()
        return summed


def _logistic(raw: float) -> float:
    """The probability of log odds, as SciPy's ``expit`` rounds it; NumPy's own exponential rounds otherwise.

    >>> _logistic(0.0), _logistic(-1000.0), _logistic(1000.0)
    (0.5, 0.0, 1.0)
    """
    try:
        return 1 / (1 + exp(-raw))
    except OverflowError:
        return 0.0
