"""How sure metrics are: whole days are drawn again, since the rows of one day share their luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from mlops_assets.modeling.evaluation import (
    CALIBRATION_BINS,
    LOSSES,
    SMALLEST_PROBABILITY,
    calibration_bins,
)
from mlops_assets.modeling.frames import Scores

Array = npt.NDArray[np.float64]
DRAWS = 400
LEVEL = 0.95
# With fewer days their mean is all that can be said.
DAYS_AT_LEAST = 7
# Newton's steps of the line that tells calibration; it converges in four or five.
STEPS = 8
# Of its equations; beyond, there is no line.
WORST_CONDITION = 1e12


@dataclass(frozen=True)
class DayDraws:
    """Days drawn with replacement (a block bootstrap, Efron and Tibshirani 1993, chapter 8).

    counts: how often each day was drawn, shape (draws, days). day: of each row, as an index.
    """

    counts: Array
    day: npt.NDArray[np.int64]

    @classmethod
    def of(cls, days: Any, *, seed: int, draws: int = DRAWS) -> DayDraws | None:
        """None when there are too few days."""
        named, day = np.unique(np.asarray(days), return_inverse=True)
        if len(named) < DAYS_AT_LEAST:
            return None
        chances = np.full(len(named), 1 / len(named))
        counts = np.random.default_rng(seed).multinomial(len(named), chances, size=draws)
        return cls(counts.astype(np.float64), day)

    def sums(self, values: Array) -> Array:
        """The sum of a value over the rows of each draw, shape (draws, …) for values of shape (rows, …)."""
        per_day = np.zeros((self.counts.shape[1], *values.shape[1:]))
        np.add.at(per_day, self.day, values)
        return np.tensordot(self.counts, per_day, axes=1)

    def means(self, values: Array) -> Array:
        """The mean of a value over the rows of each draw."""
        return self.sums(values) / self.sums(np.ones(len(values)))


def interval(drawn: Array) -> list[float]:
    """The middle 95% of what was drawn, low before high; draws that have no value are left out."""
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < 0.9 * len(drawn):
        return []
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def intervals(labels: Scores, scores: Scores, draws: DayDraws | None) -> dict[str, list[float]]:
    """Metric -> low, high. A metric that most draws do not allow has none, nor has any with too few days."""
    if draws is None:
        return {}
    losses = {name: draws.means(loss(labels, scores)) for name, loss in LOSSES.items()}
    drawn: dict[str, Array] = {
        **losses,
        "accuracy": draws.means(((scores >= 0.5) == (labels > 0.5)).astype(np.float64)),
        "calibration_error": _calibration_errors(labels, scores, draws),
        "calibration slope": _slopes(labels, scores, draws),
        "roc_auc": _aucs(labels, scores, draws),
    }
    found = {name: interval(values) for name, values in drawn.items()}
    return {name: one for name, one in found.items() if one}


def calibration_line(labels: Scores, scores: Scores) -> dict[str, float]:
    """Intercept and slope of a logistic regression of the label on the score's log odds (Cox 1958).

    A slope below one: scores are too extreme. Nothing when labels are of one class, scores are all equal, or one
    score parts the classes: then every steeper line is a better one.
    """
    if not 0 < labels.sum() < len(labels) or np.ptp(scores) == 0 or _parted(labels, scores):
        return {}
    intercept, slope = _line(_odds(scores), labels)
    if not np.isfinite(slope):
        return {}
    return {"intercept": float(intercept), "slope": float(slope)}


def _parted(labels: Scores, scores: Scores) -> bool:
    positive, negative = scores[labels > 0.5], scores[labels < 0.5]
    return bool(negative.max() <= positive.min() or positive.max() <= negative.min())


def _aucs(labels: Scores, scores: Scores, draws: DayDraws) -> Array:
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    day, positive = draws.day[order], labels[order] > 0.5

    def one(counts: Array) -> float:
        weights = counts[day]
        positives = np.add.reduceat(weights * positive, starts)
        negatives = np.add.reduceat(weights * ~positive, starts)
        pairs = positives.sum() * negatives.sum()
        won = (positives * (np.cumsum(negatives) - negatives / 2)).sum()
        return float(won / pairs) if pairs else np.nan

    return np.array([one(counts) for counts in draws.counts])


def _calibration_errors(labels: Scores, scores: Scores, draws: DayDraws) -> Array:
    member = np.eye(CALIBRATION_BINS)[calibration_bins(scores)]
    gaps = draws.sums(member * (scores - labels)[:, None])
    return np.asarray(np.abs(gaps).sum(axis=1) / draws.sums(np.ones(len(labels))))


def _slopes(labels: Scores, scores: Scores, draws: DayDraws) -> Array:
    """One step of Newton's from the line of all rows (Davison and Hinkley 1997, section 7.2)."""
    if not calibration_line(labels, scores):
        return np.full(len(draws.counts), np.nan)
    odds = _odds(scores)
    line = _line(odds, labels)
    gradient, hessian = _newton(line, odds, labels)
    steps = np.linalg.pinv(draws.sums(hessian)) @ draws.sums(gradient)[:, :, None]
    return np.asarray(line[1] + steps[:, 1, 0])


def _odds(scores: Scores) -> Array:
    return np.asarray(logit(np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))


def _line(odds: Array, labels: Array) -> Array:
    """Intercept and slope by Newton's method; not a number where the scores tell the classes apart."""
    found = np.array([0.0, 1.0])
    for _ in range(STEPS):
        gradient, hessian = (part.sum(axis=0) for part in _newton(found, odds, labels))
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > WORST_CONDITION:
            return np.full(2, np.nan)
        found = found + np.linalg.solve(hessian, gradient)
    return found


def _newton(line: Array, odds: Array, labels: Array) -> tuple[Array, Array]:
    """Gradient and negative Hessian of each row's log likelihood, shapes (rows, 2) and (rows, 2, 2)."""
    design = np.stack([np.ones(len(odds)), odds], axis=1)
    expected = expit(design @ line)
    gradient = design * (labels - expected)[:, None]
    spread = expected * (1 - expected)
    return gradient, design[:, :, None] * design[:, None, :] * spread[:, None, None]
