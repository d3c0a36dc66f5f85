"""How likely the positive class is at a score, learned from days whose labels are known.

Scores are told apart in cells of log odds, so narrow that a probability changes by at most a quarter of a percentage
point within one; rows of a cell are counted together, and a fit costs the same however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit, xlogy

from mlops_assets.modeling.frames import Scores

Array = npt.NDArray[np.float64]
# Log odds from -MOST to MOST in cells of this width: 14 is a probability of one in a million, about.
MOST, WIDTH = 14.0, 0.01
CELLS = round(2 * MOST / WIDTH) + 1
ODDS: Array = np.linspace(-MOST, MOST, CELLS)
# Log of the score and, negative, of its complement (Kull, Silva Filho and Flach 2017).
LOG, LOG_OF_REST = -np.logaddexp(0, -ODDS), np.logaddexp(0, ODDS)
# Parts that the days are cut into: each is predicted by a fit on the others.
FOLDS = 5
# Newton's steps until one changes the loss of a row by less than this, but at most so many.
STEPS, CLOSE_ENOUGH = 50, 1e-10


def cell(scores: Scores) -> npt.NDArray[np.int64]:
    """The cell of each score, which must be finite."""
    sure = np.clip(scores, expit(-MOST), expit(MOST))
    return np.rint((np.log(sure) - np.log1p(-sure) + MOST) / WIDTH).astype(np.int64)


@dataclass(frozen=True)
class Counts:
    """Rows and positives in each cell, shapes (…, CELLS)."""

    rows: Array
    positives: Array

    @classmethod
    def by_part(cls, scores: Scores, labels: Scores, part: npt.NDArray[np.int64], parts: int) -> Counts:
        """Of each part of the rows, shape (parts, CELLS)."""
        place = part * CELLS + cell(scores)
        counted = (np.bincount(place, weights, parts * CELLS) for weights in (None, labels))
        return cls(*(one.astype(np.float64).reshape(parts, CELLS) for one in counted))

    def together(self) -> Counts:
        return Counts(self.rows.sum(axis=0), self.positives.sum(axis=0))

    def without(self, part: int) -> Counts:
        """Of all parts but one."""
        return Counts(
            self.rows.sum(axis=0) - self.rows[part], self.positives.sum(axis=0) - self.positives[part]
        )

    def loss(self, chances: Array) -> float:
        """The sum of the log losses of the rows, in nats."""
        negatives = self.rows - self.positives
        return float(-(xlogy(self.positives, chances) + xlogy(negatives, 1 - chances)).sum())


def as_they_are(_: Counts) -> Array:
    """Scores are chances already."""
    return np.asarray(expit(ODDS))


def logistic(known: Counts) -> Array:
    """A line in the log odds (Platt 1999)."""
    return _fitted(np.stack([np.ones(CELLS), ODDS]), np.array([0.0, 1.0]), known)


def beta(known: Counts) -> Array:
    """A plane in the logs of score and complement (Kull, Silva Filho and Flach 2017)."""
    return _fitted(np.stack([np.ones(CELLS), LOG, LOG_OF_REST]), np.array([0.0, 1.0, 1.0]), known)


def isotonic(known: Counts) -> Array:
    """The nearest that never falls (Zadrozny and Elkan 2002), straight between cells that have rows.

    Never nearer to 0 or 1 than one row more of the other class would leave it.
    """
    seen = known.rows > 0
    shares = known.positives[seen] / known.rows[seen]
    risen = isotonic_regression(shares, weights=known.rows[seen]).x
    least = 1 / (known.rows.sum() + 2)
    return np.asarray(np.clip(np.interp(ODDS, ODDS[seen], risen), least, 1 - least))


# From the one that assumes most; of two that predict alike the first is taken.
KINDS: dict[str, Callable[[Counts], Array]] = {
    "as they are": as_they_are,
    "logistic": logistic,
    "beta": beta,
    "isotonic": isotonic,
}


@dataclass(frozen=True)
class Calibration:
    """kind: how. chances: of the positive class in each cell. without: the same, learned without each of the parts."""

    kind: str
    chances: Array
    without: Array

    @classmethod
    def chosen(cls, parts: Counts) -> Calibration:
        """The kind that predicts parts best that it has not seen, by log loss; then learned from all of them.

        There must be two parts or more with rows.
        """
        rest = [parts.without(part) for part in range(len(parts.rows))]
        without = {kind: np.stack([fit(one) for one in rest]) for kind, fit in KINDS.items()}
        kind = min(KINDS, key=lambda one: parts.loss(without[one]))
        return cls(kind, KINDS[kind](parts.together()), without[kind])

    def of(self, scores: Scores) -> Scores:
        found: Scores = self.chances[cell(scores)]
        return found

    def of_part(self, part: int, scores: Scores) -> Scores:
        """What is said of a part's scores by who did not see the part."""
        found: Scores = self.without[part, cell(scores)]
        return found


def _fitted(design: Array, start: Array, known: Counts) -> Array:
    """The likeliest plane, by Newton's method with halved steps. design: shape (terms, CELLS).

    Labels are drawn in as Platt draws them (one row more of each class), so that there is one even where scores part
    the classes or one class is missing.
    """
    rows, positives = known.rows.sum(), known.positives.sum()
    yes, no = (positives + 1) / (positives + 2), 1 / (rows - positives + 2)
    soft = Counts(known.rows, known.positives * yes + (known.rows - known.positives) * no)
    found, lost = start, soft.loss(_chances(start, design))
    for _ in range(STEPS):
        chances = _chances(found, design)
        spread = soft.rows * chances * (1 - chances)
        step = np.linalg.pinv((design * spread) @ design.T) @ (
            design @ (soft.positives - soft.rows * chances)
        )
        while (left := soft.loss(_chances(found + step, design))) > lost and np.abs(
            step
        ).max() > CLOSE_ENOUGH:
            step = step / 2
        if lost - left < CLOSE_ENOUGH * rows:
            break
        found, lost = found + step, left
    return _chances(found, design)


def _chances(plane: Array, design: Array) -> Array:
    """Kept from 0 and 1, of which no likelihood can be told."""
    return np.asarray(expit(np.clip(plane @ design, -2 * MOST, 2 * MOST)))
