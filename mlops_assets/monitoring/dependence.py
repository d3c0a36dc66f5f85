"""How much less than independent rows do these rows tell? Estimated from how blocks of them wander.

Rows that follow each other resemble each other, and days differ for harmless reasons. The design effect is
the variance of a proportion over that of independent rows (Kish 1965); rows divided by it are the effective
sample size. It is measured between groups of blocks as large as the batch when the reference has enough of
them: then it holds all that sets one such batch apart from another. The batch's own blocks are looked at
only where the reference has too few: a column that breaks inside the batch would else pass for one that
wobbles. When it has not, smaller groups are taken, and what their neighbours share is carried on as a
first-order autoregression (prewhitened batch means, Andrews and Monahan 1992).

A short reference knows little of how far its own level wanders: groups that share much deviate too little
from their common mean, and by luck look less alike than they are. So the variance is freed of the first
bias, the correlation is taken above its estimate, and the degrees of freedom are those that the doubt about
both leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlops_assets.monitoring.profile import IntArray

FloatArray = npt.NDArray[np.float64]

# So many groups as large as the batch must fit into the reference to be measured directly.
GROUPS = 10
# Else groups are smaller: about so many of a batch, or of a reference that is not much longer.
PARTS_OF_BATCH = 16
PARTS_OF_REFERENCE = 40
# Greater correlations of neighbouring groups cannot be told from a trend.
MOST_CORRELATION = 0.95
# So many standard errors above its estimate the correlation is taken: the days of a short reference that
# happened to look independent must not pass for days that are.
SURENESS = 1.5
# With fewer degrees of freedom no shift, however great, would be told from chance, although the correlation
# has its bounds. With this, series of correlation 0.95 were still hardly ever surely moved (p < 0.00002).
LEAST_DEGREES = 3.0


@dataclass(frozen=True)
class Wander:
    """What the blocks say about dependence.

    effect: the design effect, one or more. degrees: degrees of freedom of its estimate; infinite
    when there were no blocks to measure it on, and rows are taken as independent. windows: so many
    batches are as large as the reference that its wander is known from; infinite without blocks.
    """

    effect: float = 1.0
    degrees: float = math.inf
    windows: float = math.inf


@dataclass(frozen=True)
class CategoryWander(Wander):
    """mean: the mean generalised design effect of Rao and Scott (1984), one or more.

    directions: the independent directions in which the shares move: between one and the number
    of cells less one (Satterthwaite's correction). mean_degrees: degrees of freedom of the mean.
    """

    mean: float = 1.0
    directions: float = 1.0
    mean_degrees: float = math.inf


def distribution_wander(reference: IntArray, batch: IntArray) -> Wander:
    """Of the distribution function of ordered cells. Shapes (blocks, cells), oldest block first.

    The greatest variance at any cell edge over the greatest one that independent rows would
    have: that edge rules the tail of the Kolmogorov-Smirnov statistic.
    """
    deviations = Deviations.of(reference, batch)
    if deviations is None:
        return Wander()
    ordered = deviations.cumulated()
    return Wander(ordered.greatest_effect(), ordered.degrees(), ordered.windows)


def category_wander(reference: IntArray, batch: IntArray) -> CategoryWander:
    """Of the shares of unordered cells. Shapes (blocks, cells), oldest block first."""
    cells = int(((reference.sum(axis=0) + batch.sum(axis=0)) > 0).sum())
    deviations = Deviations.of(reference, batch)
    if deviations is None or cells < 2:
        return CategoryWander(directions=max(1.0, cells - 1.0))
    mean, directions = deviations.rao_scott()
    return CategoryWander(
        effect=max(mean, deviations.greatest_effect()),
        degrees=deviations.degrees(),
        windows=deviations.windows,
        mean=mean,
        directions=directions,
        mean_degrees=deviations.degrees(directions),
    )


@dataclass(frozen=True)
class Deviations:
    """Shares of groups less their sample's shares, weighted by the root of the groups' rows.

    samples: one array of shape (groups, cells) for each sample. shares: of all samples together,
    shape (cells,). reference, batch: how many groups each side is as large as.
    """

    samples: tuple[FloatArray, ...]
    shares: FloatArray
    reference: float
    batch: float

    @classmethod
    def of(cls, reference: IntArray, batch: IntArray) -> Deviations | None:
        """None when neither side has two blocks."""
        groups = _groups(reference, batch)
        if not groups:
            return None
        total = sum(sample.sum(axis=0) for sample in groups)
        rows = total.sum() / sum(len(sample) for sample in groups)
        return cls(
            samples=tuple(_deviations(sample) for sample in groups),
            shares=np.asarray(total / total.sum(), dtype=np.float64),
            reference=max(1.0, float(reference.sum() / rows)),
            batch=max(1.0, float(batch.sum() / rows)),
        )

    def degrees(self, directions: float = 1.0) -> float:
        """Of freedom, of the design effect in so many directions: what its variance leaves (Satterthwaite).

        To first order: of a Gaussian autoregression of n groups the innovations' variance has the
        relative variance 2 / n, and the correlation r the variance (1 - r^2) / n, each over directions.
        """
        r, step = self.correlation, 1e-6
        slope = math.log(self._carried_on(r + step) / self._carried_on(r)) / step + 2 * r / (1 - r**2)
        degrees = self.free / (1 / directions + slope**2 * (1 - r**2) / (2 * self.directions))
        return max(degrees, min(LEAST_DEGREES, self.free))

    @property
    def windows(self) -> float:
        return self.reference / self.batch

    @property
    def free(self) -> int:
        """Groups less one for each sample."""
        return sum(len(sample) - 1 for sample in self.samples)

    def cumulated(self) -> Deviations:
        """Of the distribution function instead of the shares."""
        samples = tuple(np.cumsum(sample, axis=1) for sample in self.samples)
        return replace(self, samples=samples, shares=np.cumsum(self.shares))

    def greatest_effect(self) -> float:
        independent = self.shares * (1 - self.shares)
        if independent.max() <= 0:
            return 1.0
        squares = sum((sample**2).sum(axis=0) for sample in self.samples)
        between = float(np.max(squares) / self.free)
        return max(1.0, self._carried_on(self.correlation) * between / float(independent.max()))

    def rao_scott(self) -> tuple[float, float]:
        """The mean design effect of all cells, and the directions that they move in."""
        seen = self.shares > 0
        scaled = np.concatenate(self.samples)[:, seen] / np.sqrt(self.shares[seen])
        cells = int(seen.sum())
        mean = self._carried_on(self.correlation) * float((scaled**2).sum()) / self.free / (cells - 1)
        return max(1.0, mean), _directions(scaled, self.free)

    @cached_property
    def directions(self) -> float:
        """How many independent ones the deviations move in, about."""
        return _directions(np.concatenate(self.samples), self.free)

    @cached_property
    def correlation(self) -> float:
        """Of neighbouring groups over all cells, free of its first-order bias, and ``SURENESS`` errors up."""
        lagged = sum(float((sample[:-1] * sample[1:]).sum()) for sample in self.samples)
        squares = sum(float((sample**2).sum()) for sample in self.samples)
        if squares <= 0:
            return 0.0
        groups = self.free + len(self.samples)
        raw = lagged / squares
        likely = min(max(raw + (1 + 3 * raw) * len(self.samples) / groups, 0.0), MOST_CORRELATION)
        error = math.sqrt((1 - likely**2) / (groups * self.directions))
        return min(likely + SURENESS * error, MOST_CORRELATION)

    def _carried_on(self, correlation: float) -> float:
        """The factor from the variance that groups show to that of the two sides' difference.

        Deviations from a sample's own mean are too small by what its groups share.
        """
        sides = _mean_of(self.batch, correlation) / self.batch
        sides += _mean_of(self.reference, correlation) / self.reference
        independent = 1 / self.batch + 1 / self.reference
        shown = sum(len(sample) - _mean_of(len(sample), correlation) for sample in self.samples)
        return float(sides / independent * self.free / shown)


def _directions(deviations: FloatArray, free: int) -> float:
    """Satterthwaite's: the squared trace of the covariance over the trace of its square."""
    covariance = deviations.T @ deviations / free
    trace, squared = float(np.trace(covariance)), float((covariance**2).sum())
    # What the noise of the estimate adds to the squares is taken off, where there is enough of it.
    if free > 2:
        squared = (squared - trace**2 / free) * free**2 / ((free - 1) * (free + 2))
    most: float = max(1.0, deviations.shape[1] - 1.0)
    return min(max(trace**2 / squared, 1.0), most) if squared > 0 else most


def _mean_of(groups: float, r: float) -> float:
    """The variance of a mean of neighbours with the correlation ``r`` over that of as many independent ones.

    >>> round(_mean_of(2, 0.5), 3), round(_mean_of(1000, 0.5), 3)
    (1.5, 2.996)
    """
    return float((1 + r) / (1 - r) - 2 * r * (1 - r**groups) / (groups * (1 - r) ** 2))


def _groups(reference: IntArray, batch: IntArray) -> list[FloatArray]:
    """Samples of groups of equal size."""
    reference, batch = _inhabited(reference), _inhabited(batch)
    rows, known = float(batch.sum()), float(reference.sum())
    direct = known >= GROUPS * rows
    size = rows if direct else max(rows / PARTS_OF_BATCH, known / PARTS_OF_REFERENCE)
    samples = [_grouped(side, size) for side in (reference, batch) if len(side) > 1]
    samples = [sample for sample in samples if len(sample) > 1]
    # A break inside the batch is no wobble: its own blocks count only where the reference has too few.
    if len(reference) > 1 and samples and len(samples[0]) >= GROUPS:
        samples = samples[:1]
    return samples


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
