"""How alike two models answer the same rows."""

from __future__ import annotations

import numpy as np

from mlops_assets.modeling.frames import Scores

BINS = 20


def agreement(challenger: Scores, champion: Scores, *, threshold: float) -> dict[str, float]:
    """churn: the share of rows of which the selection changes. mean_change: the mean absolute one of probabilities.

    jensen_shannon: the distance of the two distributions in bins of equal width (base 2, the root of the
    divergence, Endres and Schindelin 2003). Nothing when there are no rows.
    """
    if not len(challenger):
        return {}
    edges = np.linspace(0, 1, BINS + 1)
    shares = [np.histogram(np.clip(one, 0, 1), edges)[0] / len(one) for one in (challenger, champion)]
    return {
        "churn": float(((challenger >= threshold) != (champion >= threshold)).mean()),
        "mean_change": float(np.abs(challenger - champion).mean()),
        "jensen_shannon": _distance(*shares),
    }


def _distance(one: Scores, other: Scores) -> float:
    """
    >>> _distance(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    middle = (one + other) / 2
    divergence = sum(
        float(np.sum(part[part > 0] * np.log2(part[part > 0] / middle[part > 0]))) / 2
        for part in (one, other)
    )
    return float(np.sqrt(max(divergence, 0.0)))
