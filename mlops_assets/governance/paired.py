"""How sure a paired improvement is."""

from __future__ import annotations

import math
from collections.abc import Sequence


def improvement_bound(daily: Sequence[float], confidence: float) -> tuple[float, float]:
    """The mean daily improvement and its one-sided lower ``confidence`` bound.

    Days are the units, since the rows of one day share their weather and their crowds. The
    bound is Student's, with len(daily) - 1 degrees of freedom; it needs two days or more.

    >>> mean, bound = improvement_bound([0.01, 0.02, 0.03], 0.95)
    >>> round(mean, 4), round(bound, 4)
    (0.02, 0.0031)
    """
    # Imported here: the code location loads this module, and scipy costs more than all of it.
    from scipy.special import stdtrit

    days = len(daily)
    mean = math.fsum(daily) / days
    variance = math.fsum((value - mean) ** 2 for value in daily) / (days - 1)
    quantile = float(stdtrit(days - 1, confidence))
    return mean, mean - quantile * math.sqrt(variance / days)
