"""A day's metrics before its labels are there, each with the interval in which the labels should put it.

What a day's labels will say differs from what is expected for three reasons. The draw of each label, whose variance the
chances tell (a Poisson-binomial one). That days have moods, which move all log odds of a day alike and which no score
knows: how greatly is read off the positives of days whose labels are known, and what it means for a metric depends on
the scores that are asked. And the rest, by which a metric differed on known days. All is measured against
calibrations that had not seen the day, so it holds the doubt about these too. A bootstrap of days would tell how sure
the mean of many days is, not where the next one falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from mlops_assets.modeling.calibration import FOLDS, Calibration, Counts
from mlops_assets.modeling.expected import UNBOUNDED, Expected, expected, measured, share
from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.intervals import DAYS_AT_LEAST, LEVEL

# What tells the moods of days: the share of positives.
SHARE = "share"
# Of neighbouring days; a greater correlation of errors cannot be told from a trend.
MOST_CORRELATION = 0.9
# With fewer degrees of freedom an interval would say nothing.
LEAST_DEGREES = 3.0


@dataclass(frozen=True)
class ScoredDay:
    """The scores of a day's events that are finite numbers, and their labels in the same order."""

    scores: Scores
    labels: Scores

    @classmethod
    def of(cls, scores: Scores, labels: Scores) -> ScoredDay:
        finite = np.isfinite(scores)
        return cls(scores[finite], labels[finite])


@dataclass(frozen=True)
class Estimated:
    """low, high: in which the metric should be found with a probability of ``LEVEL`` once labels are there."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimator:
    """What days with known labels teach about others.

    moods: the variance of what days add to all log odds. rest: metric -> the variance of a day's errors beyond what
    the draw of labels and moods explain; of metrics that enough days allow. alike: the correlation of the errors of
    neighbouring days, none below zero. degrees: of freedom, of their spread. usual: the mean of those days.
    """

    calibration: Calibration
    threshold: float
    moods: float
    rest: Mapping[str, float]
    alike: Mapping[str, float]
    degrees: Mapping[str, float]
    usual: Mapping[str, float]

    @classmethod
    def of(cls, known: Sequence[ScoredDay], *, threshold: float) -> Estimator | None:
        """None when fewer than ``DAYS_AT_LEAST`` of the days, which are in order, have labels."""
        days = [one for one in known if len(one.labels)]
        if len(days) < DAYS_AT_LEAST:
            return None
        # Neighbouring days stay together: what they share must not help to predict one of them.
        part = np.arange(len(days)) * FOLDS // len(days)
        scores, labels = (
            np.concatenate([getattr(one, which) for one in days]) for which in ("scores", "labels")
        )
        rows = np.repeat(part, [len(one.labels) for one in days])
        calibration = Calibration.chosen(Counts.by_part(scores, labels, rows, FOLDS))
        told = [_compared(day, calibration, int(its), threshold) for day, its in zip(days, part, strict=True)]
        names = dict.fromkeys(name for one in told for name in one)
        found = {name: [one[name] for one in told if name in one] for name in names}
        moods = _moods(found.pop(SHARE))
        enough = {name: ones for name, ones in found.items() if len(ones) >= DAYS_AT_LEAST}
        alike = {name: correlation([one.error for one in ones]) for name, ones in enough.items()}
        return cls(
            calibration,
            threshold,
            moods,
            rest={name: _rest(ones, moods) for name, ones in enough.items()},
            alike=alike,
            degrees={
                name: max(LEAST_DEGREES, worth(len(ones), alike[name])) for name, ones in enough.items()
            },
            usual={name: float(np.mean([one.real for one in ones])) for name, ones in enough.items()},
        )

    def of_day(self, scores: Scores) -> dict[str, Estimated]:
        """What is to be expected of a day with these scores; of metrics that it and the known days allow."""
        finite = scores[np.isfinite(scores)]
        likely = expected(finite, self.calibration.of(finite), threshold=self.threshold)
        return {name: self._interval(name, likely[name]) for name in self.rest if name in likely}

    def _interval(self, name: str, found: Expected) -> Estimated:
        quantile = float(stdtrit(self.degrees[name], (1 + LEVEL) / 2))
        half = quantile * math.sqrt(found.chance + self.moods * found.mood**2 + self.rest[name])
        most = math.inf if name in UNBOUNDED else 1.0
        return Estimated(found.value, max(0.0, found.value - half), min(most, found.value + half))


@dataclass(frozen=True)
class _Compared:
    """What a metric of a day was, and what was expected of it."""

    real: float
    likely: Expected

    @property
    def error(self) -> float:
        return self.real - self.likely.value


def _compared(day: ScoredDay, calibration: Calibration, part: int, threshold: float) -> dict[str, _Compared]:
    """Each metric, and the share of positives. part: that the day is of; what is expected had not seen it."""
    chances = calibration.of_part(part, day.scores)
    likely = expected(day.scores, chances, threshold=threshold)
    real = measured(day.scores, day.labels, threshold=threshold)
    both = {name: _Compared(real[name], likely[name]) for name in real if name in likely}
    return {SHARE: _Compared(float(day.labels.mean()), share(chances)), **both}


def _moods(shares: Sequence[_Compared]) -> float:
    """The variance of log odds that explains by how much more than their draw the positives of days differ."""
    beyond = sum(one.error**2 - one.likely.chance for one in shares)
    return max(0.0, beyond / sum(one.likely.mood**2 for one in shares))


def _rest(days: Sequence[_Compared], moods: float) -> float:
    """The variance that neither the draw of labels nor moods explain."""
    beyond = [one.error**2 - one.likely.chance - moods * one.likely.mood**2 for one in days]
    return max(0.0, float(np.mean(beyond)))


def correlation(errors: Sequence[float]) -> float:
    """Of neighbours about zero, where errors should lie; from 0 to ``MOST_CORRELATION``.

    >>> correlation([1.0, -1.0, 1.0]), correlation([1.0, 1.0, -1.0, -1.0])
    (0.0, 0.25)
    """
    own = np.asarray(errors)
    squares = float((own**2).sum())
    shared = float((own[1:] * own[:-1]).sum()) / squares if squares > 0 else 0.0
    return min(max(shared, 0.0), MOST_CORRELATION)


def worth(days: int, alike: float) -> float:
    """How many independent days so many are worth where the spread of their errors is asked.

    Of a Gaussian process with the correlation r of neighbours, squares, and whatever else does not know the sign,
    have a correlation of at most r^2 (Gebelein 1941), so n days are worth n (1 - r^2) / (1 + r^2).

    >>> worth(20, 0.0), round(worth(20, 0.5), 1)
    (20.0, 12.0)
    """
    return days * (1 - alike**2) / (1 + alike**2)
