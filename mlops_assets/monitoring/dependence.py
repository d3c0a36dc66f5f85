"""How much less than independent rows do these rows tell? Estimated from how blocks of them wander.

Rows that follow each other resemble each other, and days differ for harmless reasons. The design effect is
the variance of a proportion over that of independent rows (Kish 1965); rows divided by it are the effective
sample size. It is measured between groups of blocks as large as the batch when the reference has enough of
them: then it holds all that sets one such batch apart from another. The batch's own blocks are looked at
only where the reference has too few: a column that breaks inside the batch would else pass for one that
wobbles. When it has not, smaller groups are taken, and what their neighbours share is carried on as a
first-order autoregression (prewhitened batch means, Andrews and Monahan 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops_assets.monitoring.profile import IntArray

FloatArray = npt.NDArray[np.float64]

# So many groups as large as the batch must fit into the reference to be measured directly.
GROUPS = 10
# Else groups are smaller: about so many of a batch, or of a reference that is not much longer.
PARTS_OF_BATCH = 16
PARTS_OF_REFERENCE = 40
# A group that holds this share of the batch's rows is as large as the batch.
AS_LARGE = 0.75
# Greater correlations of neighbouring groups cannot be told from a trend.
MOST_CORRELATION = 0.9


@dataclass(frozen=True)
class Wander:
    """What the blocks say about dependence.

    effect: the design effect, one or more. degrees: degrees of freedom of its estimate; infinite
    when there were no blocks to measure it on, and rows are taken as independent.
    """

    effect: float = 1.0
    degrees: float = math.inf


@dataclass(frozen=True)
class CategoryWander(Wander):
    """mean: the mean generalised design effect of Rao and Scott (1984), one or more.

    directions: the independent directions in which the shares move: between one and the number
    of cells less one (Satterthwaite's correction).
    """

    mean: float = 1.0
    directions: float = 1.0


def distribution_wander(reference: IntArray, batch: IntArray) -> Wander:
    """Of the distribution function of ordered cells. Shapes (blocks, cells), oldest block first.

    The greatest variance at any cell edge over the greatest one that independent rows would
    have: that edge rules the tail of the Kolmogorov-Smirnov statistic.
    """
    deviations = Deviations.of(reference, batch)
    if deviations is None:
        return Wander()
    ordered = deviations.cumulated()
    return Wander(ordered.greatest_effect(), deviations.degrees)


def category_wander(reference: IntArray, batch: IntArray) -> CategoryWander:
    """Of the shares of unordered cells. Shapes (blocks, cells), oldest block first."""
    cells = int(((reference.sum(axis=0) + batch.sum(axis=0)) > 0).sum())
    deviations = Deviations.of(reference, batch)
    if deviations is None or cells < 2:
        return CategoryWander(directions=max(1.0, cells - 1.0))
    mean, directions = deviations.rao_scott()
    return CategoryWander(max(mean, deviations.greatest_effect()), deviations.degrees, mean, directions)


@dataclass(frozen=True)
class Deviations:
    """Shares of groups less their sample's shares, weighted by the root of the groups' rows.

    samples: one array of shape (groups, cells) for each sample. shares: of all samples together,
    shape (cells,). extrapolated: the groups are smaller than the batch.
    """

    samples: tuple[FloatArray, ...]
    shares: FloatArray
    extrapolated: bool

    @classmethod
    def of(cls, reference: IntArray, batch: IntArray) -> Deviations | None:
        """None when neither side has two blocks."""
        groups, extrapolated = _groups(reference, batch)
        if not groups:
            return None
        total = sum(sample.sum(axis=0) for sample in groups)
        shares = np.asarray(total / total.sum(), dtype=np.float64)
        return cls(tuple(_deviations(sample) for sample in groups), shares, extrapolated)

    @property
    def degrees(self) -> int:
        return sum(len(sample) - 1 for sample in self.samples)

    def cumulated(self) -> Deviations:
        """Of the distribution function instead of the shares."""
        samples = tuple(np.cumsum(sample, axis=1) for sample in self.samples)
        return Deviations(samples, np.cumsum(self.shares), self.extrapolated)

    def greatest_effect(self) -> float:
        independent = self.shares * (1 - self.shares)
        if independent.max() <= 0:
            return 1.0
        between = sum((sample**2).sum(axis=0) for sample in self.samples) / self.degrees
        return max(1.0, self.carried_on() * float(np.max(between) / independent.max()))

    def rao_scott(self) -> tuple[float, float]:
        """The mean design effect of all cells, and the directions that they move in."""
        seen = self.shares > 0
        scaled = np.concatenate(self.samples)[:, seen] / np.sqrt(self.shares[seen])
        covariance = scaled.T @ scaled / self.degrees
        trace, squared = float(np.trace(covariance)), float((covariance**2).sum())
        cells, degrees = int(seen.sum()), self.degrees
        # What the noise of the estimate adds to the squares is taken off, where there is enough of it.
        if degrees > 2:
            squared = (squared - trace**2 / degrees) * degrees**2 / ((degrees - 1) * (degrees + 2))
        directions = trace**2 / squared if squared > 0 else cells - 1.0
        mean = self.carried_on() * trace / (cells - 1)
        return max(1.0, mean), min(max(directions, 1.0), cells - 1.0)

    def carried_on(self) -> float:
        """The factor from the variance of small groups to that of batches; one when they are as large."""
        if not self.extrapolated:
            return 1.0
        correlation = min(max(self._neighbours_correlation(), 0.0), MOST_CORRELATION)
        return (1 + correlation) / (1 - correlation)

    def _neighbours_correlation(self) -> float:
        """Lag-one autocorrelation over all cells, with the first-order correction of its bias."""
        lagged = sum(float((sample[:-1] * sample[1:]).sum()) for sample in self.samples)
        squares = sum(float((sample**2).sum()) for sample in self.samples)
        if squares <= 0:
            return 0.0
        groups = self.degrees + len(self.samples)
        raw = lagged / squares
        return raw + (1 + 3 * raw) * len(self.samples) / groups


def _groups(reference: IntArray, batch: IntArray) -> tuple[list[FloatArray], bool]:
    """Samples of groups of equal size, and whether they are smaller than the batch."""
    reference, batch = _inhabited(reference), _inhabited(batch)
    rows, known = float(batch.sum()), float(reference.sum())
    direct = known >= GROUPS * rows
    size = rows if direct else max(rows / PARTS_OF_BATCH, known / PARTS_OF_REFERENCE)
    samples = [_grouped(side, size) for side in (reference, batch) if len(side) > 1]
    samples = [sample for sample in samples if len(sample) > 1]
    # A break inside the batch is no wobble: its own blocks count only where the reference has too few.
    if len(reference) > 1 and samples and len(samples[0]) >= GROUPS:
        samples = samples[:1]
    smaller = any(sample.sum(axis=1).mean() < AS_LARGE * rows for sample in samples)
    return samples, smaller


def _inhabited(blocks: IntArray) -> IntArray:
    return np.asarray(blocks[blocks.sum(axis=1) > 0])


def _grouped(blocks: IntArray, rows: float) -> FloatArray:
    """Neighbouring blocks added up to groups of about ``rows`` rows each."""
    together = max(1, round(rows / (blocks.sum() / len(blocks))))
    groups = max(1, len(blocks) // together)
    starts = np.linspace(0, len(blocks), groups, endpoint=False).astype(np.int64)
    return np.add.reduceat(blocks, starts, axis=0).astype(np.float64)


def _deviations(groups: FloatArray) -> FloatArray:
    rows = groups.sum(axis=1, keepdims=True)
    shares = groups.sum(axis=0) / groups.sum()
    return np.asarray((groups / rows - shares) * np.sqrt(rows), dtype=np.float64)
