"""How a version does on days whose labels are not there yet, and how such estimates did on days before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops_assets.modeling.estimation import Estimator, ScoredDay, worth
from mlops_assets.modeling.expected import measured
from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.intervals import LEVEL
from mlops_assets.monitoring.estimates import AUDITED, Audit, Estimate, EstimatedDay, Estimates, audit
from mlops_assets.steps.hindsight import Asked

Days = npt.NDArray[np.int64]
# A day as it was estimated, and by what.
Past: TypeAlias = tuple[EstimatedDay, Estimator]


@dataclass(frozen=True)
class Answered:
    """Events in order of their days, as a version answers them. Days are ordinals.

    labels: not a number where none is known by now. known_on: the day in which it became known.
    """

    days: Days
    scores: Scores
    labels: Scores
    known_on: Days

    @classmethod
    def of(cls, parts: Sequence[tuple[Asked, Scores]]) -> Self:
        """parts: events with their scores."""
        joined = [
            np.concatenate(one)
            for one in zip(
                *(
                    (_ordinals(asked.days), scores, asked.labels, _ordinals(asked.known_on))
                    for asked, scores in parts
                ),
                strict=True,
            )
        ]
        order = np.argsort(joined[0], kind="stable")
        return cls(*(one[order] for one in joined))

    def scores_of(self, day: int) -> Scores:
        """Of all events of a day."""
        found: Scores = self.scores[self._place(day)]
        return found

    def known_by(self, day: int, then: int) -> ScoredDay:
        """A day's events whose labels were known when another began."""
        place = self._place(day)
        known = np.isfinite(self.labels[place]) & (self.known_on[place] < then)
        return ScoredDay.of(self.scores[place][known], self.labels[place][known])

    def before(self, day: int) -> list[int]:
        """The days with events that come before another."""
        return [int(one) for one in np.unique(self.days[: np.searchsorted(self.days, day)])]

    def _place(self, day: int) -> slice:
        first, last = np.searchsorted(self.days, [day, day + 1])
        return slice(first, last)


@dataclass(frozen=True)
class Estimating:
    """since: the first day that the version could not learn from and was not judged on. Days are ordinals.

    mature_after: days after which the labels of a day are there. It is taken for that of past days, too: when labels
    come is what all days tell together.
    """

    answered: Answered
    since: int
    as_of: int
    mature_after: int
    threshold: float

    @classmethod
    def of(
        cls,
        parts: Sequence[tuple[Asked, Scores]],
        *,
        since: str,
        as_of: str,
        mature_after: int,
        threshold: float,
    ) -> Self:
        """parts: events of the days that the version was judged on, and of those since, with its scores."""
        first, then = (date.fromisoformat(day).toordinal() for day in (since, as_of))
        return cls(Answered.of(parts), first, then, mature_after, threshold)

    def estimates(self) -> Estimates:
        """Of days that are not mature, beside the audit of the newest that are."""
        days = [day for day in self.answered.before(self.as_of) if day >= self.since]
        mature_until = self._mature_until(self.as_of)
        past = self._past([day for day in days if day < mature_until][-AUDITED:])
        now = self._known(self.as_of)
        ahead = [] if now is None else [self._day(now, day, {}) for day in days if day >= mature_until]
        return Estimates(LEVEL, tuple(day for day, _ in past), tuple(ahead), tuple(_audits(past)))

    def _past(self, days: Sequence[int]) -> list[Past]:
        """Each day as it would have been estimated when the next one began, if enough was known."""
        found = []
        for day in days:
            then = self._known(day + 1)
            if then is not None:
                known = self.answered.known_by(day, self.as_of)
                real = measured(known.scores, known.labels, threshold=self.threshold)
                found.append((self._day(then, day, real), then))
        return found

    def _known(self, then: int) -> Estimator | None:
        """What could be learned when a day began, from days that were mature."""
        known = [self.answered.known_by(day, then) for day in self.answered.before(self._mature_until(then))]
        return Estimator.of(known, threshold=self.threshold)

    def _mature_until(self, then: int) -> int:
        return then - self.mature_after + 1

    def _day(self, then: Estimator, day: int, real: Mapping[str, float]) -> EstimatedDay:
        scores = self.answered.scores_of(day)
        found = {
            name: Estimate(one.value, one.low, one.high, real.get(name))
            for name, one in then.of_day(scores).items()
        }
        return EstimatedDay(date.fromordinal(day).isoformat(), len(scores), then.calibration.kind, found)


def _audits(past: Sequence[Past]) -> Iterator[Audit]:
    """Of each metric that was estimated, on those of the days whose labels allow it.

    How alike days are is read off those that were known before the first of them: drift that began since makes errors
    alike too, and must not pass for days that always were.
    """
    for metric in dict.fromkeys(name for day, _ in past for name in day.metrics):
        told = [(day.metrics[metric], then) for day, then in past if metric in day.metrics]
        days = [one for one, _ in told if one.real is not None]
        usual = [then.usual[metric] for one, then in told if one.real is not None]
        alike = told[0][1].alike[metric]
        yield audit(metric, days, usual, level=LEVEL, worth=worth(len(days), alike))


def _ordinals(days: pd.Series[str]) -> Days:
    """Days as whole numbers, one after the other; a day that is missing is the first of all."""
    told = {day: date.fromisoformat(day).toordinal() for day in days.dropna().unique()}
    return days.map(told).fillna(0).to_numpy(dtype=np.int64)
