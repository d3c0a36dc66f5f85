"""How sure a paired improvement is."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Fewer swings than this, and Student's quantiles are so far out that hardly anything is ever sure.
FEWEST_SWINGS = 3


def improvement_bound(daily: Sequence[float], confidence: float) -> tuple[float, float]:
    """The mean daily improvement and its one-sided lower ``confidence`` bound.

    Days are the units, since the rows of one day share their weather and their crowds. Good and bad days
    come in runs too, and whoever takes them for independent is far too sure. So how much the mean wanders is
    read off the slowest swings of the days, which is what a mean is made of: their projections on a few
    cosines, each as large as the mean's own wandering, and Student's quantile with as many degrees of freedom
    (Müller 2004; Lazarus, Lewis, Stock and Watson 2018). Of independent normal days this is exact. It needs
    two days or more.

    >>> mean, bound = improvement_bound([0.01, 0.02, 0.03, 0.02, 0.01, 0.02, 0.03], 0.95)
    >>> round(mean, 4), round(bound, 4)
    (0.02, 0.0099)
    """
    mean, spread, degrees = _mean(daily)
    return mean, mean - _quantile(degrees, confidence) * math.sqrt(spread)


def growth_bound(before: Sequence[float], after: Sequence[float], confidence: float) -> tuple[float, float]:
    """By how much a daily mean is greater after than before, and its one-sided lower ``confidence`` bound.

    The days are others, so nothing is paired: each side's spread is taken as above, and the degrees of freedom are
    Welch's (1947). It needs two days or more on each side.

    >>> mean, bound = growth_bound([0.4, 0.5, 0.4, 0.5], [0.6, 0.7, 0.6, 0.7], 0.95)
    >>> round(mean, 4), bound > 0
    (0.2, True)
    """
    (old, of_old, few), (new, of_new, many) = _mean(before), _mean(after)
    spread = of_old + of_new
    if spread == 0:
        return new - old, new - old
    degrees = spread**2 / (of_old**2 / few + of_new**2 / many)
    return new - old, new - old - _quantile(degrees, confidence) * math.sqrt(spread)


def _mean(daily: Sequence[float]) -> tuple[float, float, int]:
    """The mean, the variance of that mean, and the degrees of freedom of the variance."""
    days = len(daily)
    mean = math.fsum(daily) / days
    found = [_swing([value - mean for value in daily], number) for number in range(1, swings(days) + 1)]
    return mean, math.fsum(one**2 for one in found) / len(found) / days, len(found)


def _quantile(degrees: float, confidence: float) -> float:
    # Imported here: the code location loads this module, and scipy costs more than all of it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, confidence))


def swings(days: int) -> int:
    """How many of the slowest swings tell how much the mean of so many days wanders.

    >>> [swings(days) for days in (2, 7, 14, 28, 90)]
    [1, 3, 3, 4, 8]
    """
    return min(days - 1, max(FEWEST_SWINGS, round(0.4 * math.pow(days, 2 / 3))))


def _swing(daily: Sequence[float], number: int) -> float:
    """How far the days follow half a cosine wave of that number: its projection of length one."""
    days = len(daily)
    waves = (value * math.cos(math.pi * number * (day + 0.5) / days) for day, value in enumerate(daily))
    return math.sqrt(2 / days) * math.fsum(waves)
