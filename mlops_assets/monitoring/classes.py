"""Predictions by class: of where a version was evaluated, and of its last hour.

Counts are of the positive class and of the other one, in this order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mlops_assets.monitoring.cells import Edges
from mlops_assets.monitoring.distances import jensen_shannon_divergence
from mlops_assets.monitoring.profile import Profile

Classes: TypeAlias = tuple[float, float]

MINUTE, MINUTES = 60.0, 60


def classes_of(profile: Profile, threshold: float) -> Classes | None:
    """How the scores of a profile fall into classes; None when it holds no score.

    threshold: the probability from which a row is of the positive one. Rows are spread evenly inside a cell, so that
    the counts are off by what the one cell holds in which the threshold lies, about one in 128 rows, at most.
    """
    for column in profile.columns.values():
        if column.watched.role == "score" and isinstance(column.cells, Edges) and column.usable:
            edges = column.cells.edges
            # The rows up to each edge; beyond the outer ones there are none that are no probabilities.
            up_to = [min(0.0, edges[0]), *edges, max(1.0, edges[-1])]
            rows = [0, *np.cumsum(column.counts).tolist()]
            negative = float(np.interp(np.nextafter(threshold, 0), up_to, rows))
            return column.usable - negative, negative
    return None


def divergence(base: Classes, found: Classes) -> float | None:
    """Jensen and Shannon's, in bits, from 0 to 1; None when a side is empty."""
    if not sum(base) or not sum(found):
        return None
    return jensen_shannon_divergence(np.array(base), np.array(found))


class LastHour:
    """Predictions of the last hour, counted by the minute. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minutes: deque[list[int]] = deque()

    def count(self, positive: int, negative: int) -> None:
        """So many more were predicted."""
        minute = self._minute()
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0, 0])
            self._forget(minute)
        newest = self._minutes[-1]
        newest[1] += positive
        newest[2] += negative

    def forget(self) -> None:
        """Begin anew."""
        self._minutes.clear()

    def counts(self) -> Classes:
        """All of them: of this minute, and of the hour before it but for a minute."""
        self._forget(self._minute())
        return sum(one[1] for one in self._minutes), sum(one[2] for one in self._minutes)

    def _minute(self) -> int:
        return int(self._clock() // MINUTE)

    def _forget(self, minute: int) -> None:
        while self._minutes and self._minutes[0][0] <= minute - MINUTES:
            self._minutes.popleft()
