"""Streams of scored events of which the truth is known: days with moods, covariate shift, concept drift."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.special import expit

from mlops_assets.steps.estimate import Estimating
from mlops_assets.steps.hindsight import Asked

START = date(2024, 1, 1)


def day(number: int) -> str:
    return (START + timedelta(days=number)).isoformat()


@dataclass(frozen=True)
class Stream:
    """The model's log odds are those of the truth, shrunk and moved: scores that must be calibrated first.

    mood: standard deviation of a day's own log odds; alike: the correlation of neighbours'. shift: day -> the mean of
    the one input. drift: day -> by how much the log odds of the truth moved. turned: from that day on the input means
    the contrary. late: days after which a label is known.
    """

    rows: int = 200
    mood: float = 0.3
    alike: float = 0.0
    shift_from: int = 10**6
    shift: float = 0.0
    drift_from: int = 10**6
    drift: float = 0.0
    turned_from: int = 10**6
    late: int = 3

    def asked(self, first: int, until: int, *, seed: int, as_of: int) -> tuple[Asked, np.ndarray]:
        """Events of days and their scores; labels that are not known when the as-of day begins are missing."""
        parts, mood = [], 0.0
        for number in range(first, until):
            random = np.random.default_rng([seed, number])
            mood = self.alike * mood + np.sqrt(1 - self.alike**2) * random.normal()
            x = random.normal(loc=self.shift * (number >= self.shift_from), size=self.rows)
            means = -x if number >= self.turned_from else x
            odds = -0.7 + 1.2 * means + self.mood * mood + self.drift * (number >= self.drift_from)
            labels = (random.random(self.rows) < expit(odds)).astype(float)
            known_on = number + self.late - 1
            labels = labels if known_on < as_of else np.full(self.rows, np.nan)
            parts.append(
                (np.full(self.rows, number), expit(-0.3 + 0.8 * x), labels, np.full(self.rows, known_on))
            )
        days, scores, labels, known_on = map(np.concatenate, zip(*parts, strict=True))
        named = (pd.Series(one).map(day) for one in (days, known_on))
        days, known_on = named
        return Asked(pd.DataFrame({"score": scores}), labels, days, known_on), scores

    def estimating(self, *, seed: int = 0, judged: int = 14, days: int = 45) -> Estimating:
        """judged: days that the version was evaluated on. days: those since."""
        as_of = judged + days
        return Estimating.of(
            [
                self.asked(0, judged, seed=seed, as_of=as_of),
                self.asked(judged, as_of, seed=seed, as_of=as_of),
            ],
            since=day(judged),
            as_of=day(as_of),
            mature_after=self.late,
            threshold=0.5,
        )
