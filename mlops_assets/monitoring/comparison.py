"""A column of a batch beside the same column of the reference: how far apart, and how surely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import betainc, betaincc, fdtrc, ndtri, stdtr, stdtrit

from mlops_assets.monitoring.cells import Edges
from mlops_assets.monitoring.dependence import (
    CategoryWander,
    category_wander,
    distribution_wander,
)
from mlops_assets.monitoring.distances import (
    chi_square,
    chi_square_p,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    pooled_size,
    population_stability_index,
    proportions,
    tenths,
    total_variation,
    two_proportion_z,
    two_sided_p,
    wasserstein,
)
from mlops_assets.monitoring.profile import ColumnProfile, IntArray, Profile

DISTRIBUTION = "distribution"
MISSING = "missing"
# Rows of a batch beyond the reference's range are taken to lie at its end: with any, the distance is a lower bound.
WASSERSTEIN, BEYOND_RANGE = "wasserstein_in_sd", "share_beyond_range"
# A category that the batch is expected to hold more seldom joins the others (Cochran 1954).
LEAST_EXPECTED = 5
# When a batch neither has nor is expected to have so many effective rows without a value, missingness
# is not tested: a few long outages are more skewed than any of the distributions used here.
LEAST_MISSING = 15


@dataclass(frozen=True)
class Comparison:
    """One test of one column, before anyone judges.

    effect: in ``measure``, between nought and one. bias: what noise alone adds to it on average.
    standard_error: of the effect, and degrees: of freedom of its estimate. rows, effective_rows:
    of the batch that the test saw, and how many independent ones tell as much. windows: like the batch
    that the reference holds; infinite where it has no blocks. tested: whether the
    p-value is a test's; else it is one. values: further statistics.
    """

    column: str
    test: str
    measure: str
    rows: int
    effective_rows: float
    effect: float = 0.0
    bias: float = 0.0
    standard_error: float = 0.0
    degrees: float = math.inf
    windows: float = math.inf
    p_value: float = 1.0
    tested: bool = True
    values: Mapping[str, float] = field(default_factory=dict)

    def at_least(self, confidence: float) -> float:
        """The one-sided lower bound of the effect, by Student's distribution; never below nought."""
        margin = student_quantile(confidence, self.degrees) * self.standard_error
        return max(0.0, self.effect - self.bias - margin)


def comparisons(reference: Profile, batch: Profile) -> Iterator[Comparison]:
    """Both tests of every column of the reference. Raises ValueError for a batch counted elsewhere."""
    if reference.cells != batch.cells:
        raise ValueError("the batch was not counted in the cells of the reference")
    for name, column in reference.columns.items():
        yield distribution(column, batch.columns[name])
        yield missing(column, batch.columns[name])


def distribution(reference: ColumnProfile, batch: ColumnProfile) -> Comparison:
    """Of the usable values: binned Kolmogorov-Smirnov for numbers, chi-square for categories."""
    is_number = isinstance(reference.cells, Edges)
    if not reference.usable or not batch.usable:
        measure = "Kolmogorov-Smirnov D" if is_number else "total variation"
        return Comparison(reference.watched.name, DISTRIBUTION, measure, 0, 0.0)
    return _of_numbers(reference, batch) if is_number else _of_categories(reference, batch)


def missing(reference: ColumnProfile, batch: ColumnProfile) -> Comparison:
    """Of the share of rows without a usable value: two-proportion z, or exact where they are few.

    The p-value is the greater of z's and of the binomial one for effective counts (Korn and
    Graubard 1998): a few outages are too skewed for z.
    """
    was, of_reference = reference.unusable, reference.usable + reference.unusable
    is_now, rows = batch.unusable, batch.usable + batch.unusable
    if not of_reference or not rows:
        return Comparison(reference.watched.name, MISSING, "difference of shares", 0, 0.0)
    wander = distribution_wander(_with_and_without(reference), _with_and_without(batch))
    p, q = was / of_reference, is_now / rows
    variance = wander.effect * (p * (1 - p) / of_reference + q * (1 - q) / rows)
    z = two_proportion_z(was, of_reference, is_now, rows) / math.sqrt(wander.effect)
    enough = max(p, q) * rows / wander.effect >= LEAST_MISSING
    return Comparison(
        column=reference.watched.name,
        test=MISSING,
        measure="difference of shares",
        rows=rows,
        effective_rows=rows / wander.effect,
        effect=abs(q - p),
        standard_error=math.sqrt(variance),
        degrees=wander.degrees,
        windows=wander.windows,
        p_value=max(
            two_sided_p(as_normal(abs(z), wander.degrees)),
            binomial_p(is_now / wander.effect, rows / wander.effect, (was + is_now) / (of_reference + rows)),
        )
        if enough
        else 1.0,
        tested=enough,
        values={"reference_share": p, "batch_share": q, "z": z, "design_effect": wander.effect},
    )


def student_quantile(confidence: float, degrees: float) -> float:
    """
    >>> round(student_quantile(0.95, 10), 3), round(student_quantile(0.95, math.inf), 3)
    (1.812, 1.645)
    """
    return float(ndtri(confidence) if math.isinf(degrees) else stdtrit(degrees, confidence))


def as_normal(t: float, degrees: float) -> float:
    """The normal deviate with the tail that ``t`` has under Student's distribution.

    >>> round(as_normal(2.228, 10), 2)
    1.96
    """
    if math.isinf(degrees):
        return t
    return float(-ndtri(stdtr(degrees, -t)))


def _of_numbers(reference: ColumnProfile, batch: ColumnProfile) -> Comparison:
    assert isinstance(reference.cells, Edges)
    first, second = np.array(reference.counts), np.array(batch.counts)
    wander = distribution_wander(reference.block_counts()[:, :-1], batch.block_counts()[:, :-1])
    size = pooled_size(reference.usable, batch.usable) / wander.effect
    effect = kolmogorov_smirnov(first, second)
    # At the median, where it varies most, a distribution function has this standard error.
    error = 0.5 / math.sqrt(size)
    apart = wasserstein(first, second, reference.cells)
    tens = tenths(first, second)
    return Comparison(
        column=reference.watched.name,
        test=DISTRIBUTION,
        measure="Kolmogorov-Smirnov D",
        rows=batch.usable,
        effective_rows=batch.usable / wander.effect,
        effect=effect,
        standard_error=error,
        degrees=wander.degrees,
        windows=wander.windows,
        p_value=wandering_p(effect, size, wander.degrees),
        values={
            "design_effect": wander.effect,
            "p_value_of_independent_rows": kolmogorov_smirnov_p(effect, reference.usable, batch.usable),
            "population_stability_index": population_stability_index(*tens),
            "jensen_shannon_distance": jensen_shannon_distance(*tens),
            **({} if math.isnan(apart) else {WASSERSTEIN: apart, BEYOND_RANGE: batch.outside}),
        },
    )


def _of_categories(reference: ColumnProfile, batch: ColumnProfile) -> Comparison:
    common = _common(np.array(reference.counts), np.array(batch.counts))
    first, second = _joined(np.array(reference.counts), common), _joined(np.array(batch.counts), common)
    wander = category_wander(
        _joined(reference.block_counts()[:, :-1], common), _joined(batch.block_counts()[:, :-1], common)
    )
    size = pooled_size(reference.usable, batch.usable) / wander.effect
    statistic, degrees = chi_square(first, second)
    shares = proportions(first + second)
    return Comparison(
        column=reference.watched.name,
        test=DISTRIBUTION,
        measure="total variation",
        rows=batch.usable,
        effective_rows=batch.usable / wander.effect,
        effect=total_variation(first, second),
        bias=float(np.sqrt(shares * (1 - shares) / (2 * math.pi * size)).sum()),
        standard_error=0.5 / math.sqrt(size),
        degrees=wander.degrees,
        windows=wander.windows,
        p_value=rao_scott_p(statistic, degrees, wander),
        values={
            "design_effect": wander.effect,
            "chi_square": statistic,
            "p_value_of_independent_rows": chi_square_p(statistic, degrees),
            "population_stability_index": population_stability_index(first, second),
            "jensen_shannon_distance": jensen_shannon_distance(first, second),
        },
    )


def binomial_p(count: float, rows: float, share: float) -> float:
    """The two-sided exact p-value of ``count`` successes in ``rows`` trials; either may be a fraction.

    >>> round(binomial_p(5, 100, 0.01), 4)
    0.0069
    """
    if not 0 < share < 1:
        return 1.0
    at_least = float(betainc(count, rows - count + 1, share)) if count > 0 else 1.0
    at_most = float(betaincc(count + 1, rows - count, share)) if count < rows else 1.0
    return min(1.0, 2 * min(at_least, at_most))


def wandering_p(effect: float, size: float, degrees: float) -> float:
    """The p-value of D when the effective ``size`` is itself an estimate with ``degrees`` of freedom.

    The greater of two: Kolmogorov's, which counts all places where D may lie, and Student's at
    the place where D varies most, which counts the doubt about the size. Where rows are almost
    independent the first one is exact; where one slow movement carries the whole distribution, the second.

    >>> round(wandering_p(0.1, 185, math.inf), 3), round(wandering_p(0.1, 185, 4), 3)
    (0.049, 0.053)
    """
    of_one_place = two_sided_p(as_normal(2 * math.sqrt(size) * effect, degrees))
    return max(of_one_place, kolmogorov_smirnov_p(effect, 2 * size, 2 * size))


def rao_scott_p(statistic: float, degrees: int, wander: CategoryWander) -> float:
    """The second-order corrected p-value of Pearson's statistic, as an F (Thomas and Rao 1987).

    >>> round(rao_scott_p(6.6667, 1, CategoryWander()), 4)
    0.0098
    >>> round(rao_scott_p(6.6667, 1, CategoryWander(mean=2.0, mean_degrees=19)), 4)
    0.0836
    """
    if degrees < 1:
        return 1.0
    mean_square = statistic / (degrees * wander.mean)
    if math.isinf(wander.mean_degrees):
        return chi_square_p(statistic, degrees)
    return float(fdtrc(wander.directions, wander.mean_degrees, mean_square))


def _common(first: IntArray, second: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which cells are frequent enough for chi-square; the last one, of all others, always stays."""
    enough = proportions(first + second) * min(first.sum(), second.sum()) >= LEAST_EXPECTED
    enough[-1] = True
    return np.asarray(enough)


def _joined(counts: IntArray, common: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    """Counts of the cells in ``common``, with all others added to the last; the last axis is the cells."""
    kept = counts[..., common].copy()
    kept[..., -1] += counts[..., ~common].sum(axis=-1)
    return np.asarray(kept)


def _with_and_without(column: ColumnProfile) -> IntArray:
    """Per block, the rows without a usable value and those with one."""
    blocks = column.block_counts()
    return np.stack([blocks[:, -1], blocks[:, :-1].sum(axis=1)], axis=1)
