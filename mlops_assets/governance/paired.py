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
    # Imported here: the code location loads this module, and scipy costs more than all of it.
    from scipy.special import stdtrit

    days = len(daily)
    mean = math.fsum(daily) / days
    found = [_swing([value - mean for value in daily], number) for number in range(1, swings(days) + 1)]
    error = math.sqrt(math.fsum(one**2 for one in found) / len(found) / days)
    return mean, mean - float(stdtrit(len(found), confidence)) * error


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
