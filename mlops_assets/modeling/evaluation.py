"""How good scores are, and how much better than other scores on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn import metrics as sk

from mlops_assets.declaration.metrics import WITHIN_DAYS
from mlops_assets.modeling.frames import Scores

# Scores are kept this far from 0 and 1 so that one sure mistake has a finite log loss.
SMALLEST_PROBABILITY = 1e-6
CALIBRATION_BINS = 10
# Newton's steps until the scores of a day add up to its positives: so many at most, this near.
MOST_ROUNDS, CLOSE_ENOUGH = 100, 1e-9


def measure(labels: Scores, scores: Scores) -> dict[str, float]:
    """Every declared metric that these rows allow.

    roc_auc needs both classes. log_loss is in nats. calibration_error is the expected
    calibration error over ten bins of equal counts. accuracy thresholds at one half.
    """
    if len(labels) == 0:
        return {}
    found = {
        "log_loss": float(log_losses(labels, scores).mean()),
        "brier": float(brier_losses(labels, scores).mean()),
        "calibration_error": calibration_error(labels, scores),
        "accuracy": float(((scores >= 0.5) == labels.astype(bool)).mean()),
    }
    if 0 < labels.sum() < len(labels):
        found["roc_auc"] = float(sk.roc_auc_score(labels, scores))
    return found


def log_losses(labels: Scores, scores: Scores) -> Scores:
    """Each row's negative log likelihood, in nats."""
    sure = np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    losses: Scores = -np.where(labels > 0, np.log(sure), np.log1p(-sure))
    return losses


def brier_losses(labels: Scores, scores: Scores) -> Scores:
    """Each row's squared error (Brier 1950)."""
    losses: Scores = (scores - labels) ** 2
    return losses


def log_losses_within_days(labels: Scores, scores: Scores, days: pd.Series[str]) -> Scores:
    """Each row's negative log likelihood once the level of its day is known, in nats.

    All log odds of a day are shifted by one number, so that the scores add up to the positives of the day: what is
    left is how well the rows of a day are told apart (the refinement of Murphy 1973 and Bröcker 2009; to shift is to
    profile out what conditional likelihood conditions on, Cox 1970). How bad a whole day was is nobody's merit, and
    it is most of the noise when models are compared. Of a day with one class nothing is left to tell apart: zero.
    """
    day, _ = pd.factorize(days.to_numpy())
    rows, positives = np.bincount(day), np.bincount(day, weights=labels)
    odds = logit(np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    shift = logit(np.clip(positives / rows, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    shift -= np.bincount(day, weights=odds) / rows
    for _ in range(MOST_ROUNDS):
        shifted = expit(odds + shift[day])
        missing = positives - np.bincount(day, weights=shifted)
        step = missing / np.bincount(day, weights=shifted * (1 - shifted))
        shift += np.clip(step, -1, 1)
        if np.abs(missing).max() < CLOSE_ENOUGH:
            break
    mixed = ((positives > 0) & (positives < rows))[day]
    losses: Scores = np.where(mixed, log_losses(labels, expit(odds + shift[day])), 0.0)
    return losses


LOSSES = {"log_loss": log_losses, "brier": brier_losses}
# What models are compared by, given labels, scores and days.
COMPARED: dict[str, Callable[[Scores, Scores, pd.Series[str]], Scores]] = {
    "log_loss": lambda labels, scores, _: log_losses(labels, scores),
    "brier": lambda labels, scores, _: brier_losses(labels, scores),
    WITHIN_DAYS: log_losses_within_days,
}


def calibration_curve(labels: Scores, scores: Scores) -> pd.DataFrame:
    """Mean score and observed share per bin of equal counts: columns predicted, observed, rows.

    Equal scores share a bin, so the order of the rows does not count; then there are fewer bins.
    """
    rows = pd.DataFrame({"predicted": scores, "observed": labels, "bin": calibration_bins(scores)})
    return rows.groupby("bin").agg(
        predicted=("predicted", "mean"), observed=("observed", "mean"), rows=("observed", "size")
    )


def calibration_bins(scores: Scores) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The bin of each row: of ten with equal counts, equal scores together."""
    rank = np.searchsorted(np.sort(scores), scores, side="left")
    return rank * CALIBRATION_BINS // len(scores)


def calibration_error(labels: Scores, scores: Scores) -> float:
    """Mean distance of observed share and mean score over the bins, weighted by rows.

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    0.0
    """
    curve = calibration_curve(labels, scores)
    gap = (curve["predicted"] - curve["observed"]).abs()
    return float((gap * curve["rows"]).sum() / curve["rows"].sum())


def daily_improvement(
    labels: Scores, *, challenger: Scores, champion: Scores, days: pd.Series[str]
) -> Mapping[str, list[float]]:
    """For each loss, the champion's mean loss minus the challenger's, per day, oldest first."""
    return {
        metric: (
            pd.Series(loss(labels, champion, days) - loss(labels, challenger, days))
            .groupby(days.to_numpy())
            .mean()
            .sort_index()
            .tolist()
        )
        for metric, loss in COMPARED.items()
    }
