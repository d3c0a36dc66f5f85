"""What metrics are to be expected of scores whose labels are not known, given how likely each is to be positive.

Confidence-based performance estimation: the cells of the confusion matrix are sums of chances (Kivimäki, Białek,
Kuberski and Nurminen 2025, "Performance Estimation in Binary Classification Using Calibrated Confidence"). A label
that is known is a chance of 0 or 1, so what was measured is the same sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops_assets.modeling.evaluation import LOSSES
from mlops_assets.modeling.frames import Scores

# Those that have no upper end.
UNBOUNDED = ("log_loss",)


@dataclass(frozen=True)
class Expected:
    """To first order: chance is the variance that the draw of the labels alone gives, each by itself.

    mood: by how much it moves when all log odds of the chances are greater by one.
    """

    value: float
    chance: float
    mood: float


def expected(scores: Scores, chances: Scores, *, threshold: float) -> dict[str, Expected]:
    """Every metric that these rows allow: log_loss (nats), brier, roc_auc, precision and recall from ``threshold`` on.

    precision needs a row that is selected, recall and roc_auc an expected positive, and roc_auc a negative too.
    """
    if not len(scores):
        return {}
    nothing, all_of_it = np.zeros_like(scores), np.ones_like(scores)
    found = {
        name: _mean(chances, loss(all_of_it, scores), loss(nothing, scores)) for name, loss in LOSSES.items()
    }
    selected = (scores >= threshold).astype(np.float64)
    others = {
        "roc_auc": _roc_auc(scores, chances),
        "precision": _ratio(chances, selected * chances, selected, selected, nothing),
        "recall": _ratio(chances, selected * chances, chances, selected, all_of_it),
    }
    return found | {name: one for name, one in others.items() if one is not None}


def measured(scores: Scores, labels: Scores, *, threshold: float) -> dict[str, float]:
    """The same metrics by labels that are known."""
    return {name: one.value for name, one in expected(scores, labels, threshold=threshold).items()}


def share(chances: Scores) -> Expected:
    """Of positives."""
    return _mean(chances, np.ones_like(chances), np.zeros_like(chances))


def _mean(chances: Scores, positive: Scores, negative: Scores) -> Expected:
    """Of a value that each row has in either case."""
    value = chances * positive + (1 - chances) * negative
    return _told(float(value.mean()), chances, (positive - negative) / len(chances))


def _ratio(
    chances: Scores, above: Scores, below: Scores, above_moves: Scores, below_moves: Scores
) -> Expected | None:
    """Of two sums. moves: by how much each label moves them. None when the sum below is zero."""
    total = float(below.sum())
    if total <= 0:
        return None
    value = float(above.sum()) / total
    return _told(value, chances, (above_moves - value * below_moves) / total)


def _told(value: float, chances: Scores, moves: Scores) -> Expected:
    """moves: by how much each label moves the value."""
    drawn = chances * (1 - chances)
    return Expected(value, float((drawn * moves**2).sum()), float((drawn * moves).sum()))


def _roc_auc(scores: Scores, chances: Scores) -> Expected | None:
    """Pairs of a positive and a negative that are in order over all such pairs; a tie is half in order.

    A row makes no pair with itself, so of labels this is the area as it is always measured.
    """
    order = np.argsort(scores, kind="stable")
    ranked, likely = scores[order], chances[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-np.inf))
    tied = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(ranked)))
    positives, negatives = np.add.reduceat(likely, starts), np.add.reduceat(1 - likely, starts)
    lower = (np.cumsum(negatives) - negatives / 2)[tied] - (1 - likely) / 2
    higher = (np.cumsum(positives[::-1])[::-1] - positives / 2)[tied] - likely / 2
    all_positives, all_negatives = positives.sum(), negatives.sum()
    pairs = float((likely * (all_negatives - (1 - likely))).sum())
    if pairs <= 0:
        return None
    value = float((likely * lower).sum()) / pairs
    more_pairs = (all_negatives - (1 - likely)) - (all_positives - likely)
    return _told(value, likely, (lower - higher - value * more_pairs) / pairs)
