"""How far two sets of counts in the same cells lie apart, and how surely.

Counts are one-dimensional arrays in the order of the cells; neither side may be empty. SciPy is imported where a
p-value is asked for: the prediction service, which asks for none, holds none of it.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlops_assets.monitoring.cells import Edges

Counts: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

# Proportions below this are taken as this where a logarithm is needed.
LEAST_PROPORTION = 1e-4


def proportions(counts: Counts) -> FloatArray:
    """Shares that sum to one. Raises ValueError for an empty side."""
    total = counts.sum()
    if total <= 0:
        raise ValueError("there are no rows to compare")
    return np.asarray(counts / total, dtype=np.float64)


def kolmogorov_smirnov(first: Counts, second: Counts) -> float:
    """The two-sample statistic D: the greatest difference of the distribution functions at cell edges.

    Never more than D on the raw values; on quantile cells less by at most the mass of one cell.

    >>> kolmogorov_smirnov(np.array([5, 5]), np.array([2, 8]))
    0.3
    """
    return float(np.abs(np.cumsum(proportions(first) - proportions(second))).max())


def kolmogorov_smirnov_p(statistic: float, first: float, second: float) -> float:
    """The asymptotic p-value of D for (effective) sample sizes ``first`` and ``second``.

    >>> round(kolmogorov_smirnov_p(0.0136, 20_000, 20_000), 3)
    0.049
    """
    from scipy.special import kolmogorov

    return float(kolmogorov(math.sqrt(pooled_size(first, second)) * statistic))


def pooled_size(first: float, second: float) -> float:
    """The size of one sample that, against a known distribution, tells as much as these two."""
    return first * second / (first + second)


def total_variation(first: Counts, second: Counts) -> float:
    """Half the sum of absolute differences of shares: the greatest difference over all sets of cells.

    >>> total_variation(np.array([2, 1, 1]), np.array([1, 1, 2]))
    0.25
    """
    return float(np.abs(proportions(first) - proportions(second)).sum() / 2)


def chi_square(first: Counts, second: Counts) -> tuple[float, int]:
    """Pearson's statistic for equal shares on both sides, and its degrees of freedom.

    Cells empty on both sides do not count.

    >>> statistic, degrees = chi_square(np.array([10, 20, 0]), np.array([20, 10, 0]))
    >>> round(statistic, 4), degrees
    (6.6667, 1)
    """
    seen = (first + second) > 0
    p, q = proportions(first)[seen], proportions(second)[seen]
    n, m = float(first.sum()), float(second.sum())
    common = (n * p + m * q) / (n + m)
    return float(pooled_size(n, m) * ((p - q) ** 2 / common).sum()), int(seen.sum()) - 1


def chi_square_p(statistic: float, degrees: int) -> float:
    """The upper tail of the chi-square distribution; one without degrees of freedom.

    >>> round(chi_square_p(6.6667, 1), 4)
    0.0098
    """
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic)) if degrees > 0 else 1.0


def two_proportion_z(first: int, of_first: float, second: int, of_second: float) -> float:
    """The pooled z statistic of a second proportion against a first; above zero when it is greater.

    >>> round(two_proportion_z(100, 10_000, 300, 10_000), 2)
    10.1
    """
    p, q = first / of_first, second / of_second
    common = (first + second) / (of_first + of_second)
    variance = common * (1 - common) / pooled_size(of_first, of_second)
    return (q - p) / math.sqrt(variance) if variance > 0 else 0.0


def two_sided_p(z: float) -> float:
    """
    >>> round(two_sided_p(1.96), 3)
    0.05
    """
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(z)))


def jensen_shannon_divergence(first: Counts, second: Counts) -> float:
    """In bits (base 2), from 0 to 1. scipy's ``jensenshannon(..., base=2)`` is its square root.

    >>> jensen_shannon_divergence(np.array([1, 0]), np.array([0, 1]))
    1.0
    """
    p, q = proportions(first), proportions(second)
    middle = (p + q) / 2
    return max(0.0, (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2)


def jensen_shannon_distance(first: Counts, second: Counts) -> float:
    """The square root of the divergence in base 2, from 0 to 1.

    >>> round(jensen_shannon_distance(np.array([90, 10]), np.array([70, 30])), 3)
    0.216
    """
    return math.sqrt(jensen_shannon_divergence(first, second))


def population_stability_index(reference: Counts, current: Counts) -> float:
    """The symmetric relative entropy in nats. Empty cells are taken as LEAST_PROPORTION.

    >>> round(population_stability_index(np.array([50, 50]), np.array([60, 40])), 4)
    0.0405
    """
    p = np.maximum(proportions(reference), LEAST_PROPORTION)
    q = np.maximum(proportions(current), LEAST_PROPORTION)
    return float(((q - p) * np.log(q / p)).sum())


def wasserstein(reference: Counts, current: Counts, edges: Edges) -> float:
    """The first Wasserstein distance in standard deviations of the reference; NaN when it has none.

    From cells: rows are spread evenly inside a cell, and those beyond the outer edges lie on
    them, so that it is a lower bound when a batch leaves the reference's range; who shows it says so.
    """
    p = proportions(reference)
    if p.max() == 1:
        return math.nan
    at = np.array(edges.edges)
    at = at / np.abs(at).max()  # sums and differences of the greatest doubles would overflow
    widths = np.diff(at)
    middles = np.concatenate([at[:1], (at[:-1] + at[1:]) / 2, at[-1:]])
    inside = np.concatenate([[0.0], widths**2 / 12, [0.0]])
    variance = float((p * ((middles - p @ middles) ** 2 + inside)).sum())
    gap = np.cumsum(p - proportions(current))[:-1]
    return float((_mean_height(gap[:-1], gap[1:]) * widths).sum() / math.sqrt(variance))


def tenths(reference: Counts, *others: Counts) -> tuple[Counts, ...]:
    """Neighbouring cells merged into about ten of equal mass in the reference, on all sides alike.

    Many narrow cells inflate relative entropies of small samples.

    >>> tenths(np.full(20, 5), np.arange(20))[1].tolist()
    [1, 5, 9, 13, 17, 21, 25, 29, 33, 37]
    """
    below = np.concatenate([[0.0], np.cumsum(proportions(reference))[:-1]])
    tenth = np.minimum((below * 10 + 1e-9).astype(np.int64), 9)
    starts = np.flatnonzero(np.diff(tenth, prepend=-1))
    return tuple(np.add.reduceat(counts, starts) for counts in (reference, *others))


def _mean_height(left: FloatArray, right: FloatArray) -> FloatArray:
    """The mean absolute value of straight lines from ``left`` to ``right``."""
    size = np.abs(left) + np.abs(right)
    crossing = (left**2 + right**2) / np.where(size > 0, 2 * size, 1)
    return np.asarray(np.where(left * right < 0, crossing, size / 2), dtype=np.float64)


def _relative_entropy(p: FloatArray, q: FloatArray) -> float:
    # Half of a smaller share would be none.
    some = p >= np.finfo(np.float64).tiny
    return float((p[some] * np.log2(p[some] / q[some])).sum())
