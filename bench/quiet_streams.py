"""Streams in which nothing changes: how often a policy trains, and swaps models that are equal.

A row's log odds of being positive are its own, known to every model but for errors of its own, plus the level of its
day. Levels are drawn anew each day, remember the day before (AR(1)), or follow a season; over a year they go nowhere.
A model also takes for granted the level of the forty-five days that it was trained on. So the models of a stream are
equal but for luck. A policy is asked daily for a year by the code of the backtest, and its gate decides: `default`
is what a model gets that declares nothing; `weekly, within days` trains each week and compares within days. Drift is
left out: `python -m bench drift_calibration` counts its false alarms.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from bench.gates import interval
from bench.hindsight import tell
from mlops_assets.declaration.model import ChampionGate, Gates
from mlops_assets.declaration.retraining import DriftOf, Retraining
from mlops_assets.governance.backtest import Policy, Replayed, replay
from mlops_assets.governance.decay import evaluated_and_newest, growth
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.retraining import Seen, declared
from mlops_assets.modeling.evaluation import daily_improvement, log_losses

TITLE = "Retraining where nothing changes"
FIRST, YEAR, QUARTER, MONTH = date(2024, 1, 1), 364, 91, 28
TRAIN, EVALUATE, ROWS = 45, 14, 200
HEADS = (
    "day levels",
    "policy",
    "retrains a quarter",
    "quarters with more than one, %",
    "months with a swap, %",
    "swaps that lost",
)
POLICIES = {
    "default": (Retraining(), Gates()),
    "weekly, within days": (
        Retraining(drift=None, decay=None, age_days=7, back_off=1, a_month=5),
        Gates(champion=ChampionGate(metric="log_loss_within_days")),
    ),
}


@dataclass(frozen=True)
class Quiet:
    """How the levels of days go, in log odds. remembers: the share of yesterday's level. season: its height."""

    name: str
    remembers: float = 0.0
    season: float = 0.0
    spread: float = 0.5

    def levels(self, random: np.random.Generator, days: int) -> np.ndarray:
        fresh = random.normal(0, self.spread, days)
        for day in range(1, days):
            fresh[day] = self.remembers * fresh[day - 1] + math.sqrt(1 - self.remembers**2) * fresh[day]
        return fresh + self.season * np.sin(2 * np.pi * np.arange(days) / 7)


WORLDS = (
    Quiet("independent"),
    Quiet("AR(1) 0.5", remembers=0.5),
    Quiet("AR(1) 0.9", remembers=0.9),
    Quiet("weekly season", season=0.5),
)


class Stream:
    """The past of equal models. error: of each model's log odds, its own for each row."""

    def __init__(self, world: Quiet, seed: int, error: float = 0.2) -> None:
        random = np.random.default_rng(seed)
        days = TRAIN + EVALUATE + YEAR
        self._seed, self._error = seed, error
        self._odds = random.normal(-1.2, 1.0, (days, ROWS))
        truth = expit(self._odds + world.levels(random, days)[:, None])
        self._labels = (random.random((days, ROWS)) < truth).astype(float)
        self._scores: dict[str, np.ndarray] = {}
        self._daily: dict[str, np.ndarray] = {}

    @property
    def dates(self) -> list[str]:
        return [_date(day) for day in range(YEAR)]

    def train(self, as_of: str) -> float:
        self._of(as_of)
        return 0.0

    def evidence(self, challenger: str, champion: str | None) -> Evidence:
        assert champion is not None
        newest = range(_day(challenger) - EVALUATE, _day(challenger))
        rows = [day + TRAIN + EVALUATE for day in newest]
        labels = self._labels[rows].ravel()
        days = pd.Series(np.repeat([_date(day) for day in newest], ROWS))
        ours, theirs = (self._of(model)[rows].ravel() for model in (challenger, champion))
        daily = dict(daily_improvement(labels, challenger=ours, champion=theirs, days=days))
        named = [_date(day) for day in newest]
        return Evidence(
            model="quiet",
            as_of=challenger,
            model_digest=challenger,
            rows=len(labels),
            positives=int(labels.sum()),
            first_day=named[0],
            last_day=named[-1],
            metrics={"log_loss": float(log_losses(labels, ours).mean())},
            baseline={"log_loss": math.inf},
            champion=Comparison(1 + _day(champion), {}, daily, days=named),
        )

    def seen(self, champion: str, as_of: str, drift: str, drift_of: Sequence[DriftOf]) -> Seen:
        stretches = evaluated_and_newest(champion, days=EVALUATE, mature_until=as_of)
        sides = (self.losses(champion, *stretch) for stretch in stretches)
        found = growth(*sides, at_least_days=Gates().champion.at_least_days)
        return Seen(as_of, None, None if found is None else found.least)

    def losses(self, model: str, first: str, until: str) -> Mapping[str, float]:
        if model not in self._daily:
            lost = log_losses(self._labels.ravel(), self._of(model).ravel())
            self._daily[model] = lost.reshape(self._labels.shape).mean(axis=1)
        days = range(_day(first), _day(until))
        return {_date(day): float(self._daily[model][day + TRAIN + EVALUATE]) for day in days}

    def _of(self, as_of: str) -> np.ndarray:
        if as_of not in self._scores:
            day = _day(as_of)
            errors = np.random.default_rng([self._seed, day]).normal(0, self._error, self._odds.shape)
            learned = slice(day, day + TRAIN)
            level = logit(self._labels[learned].mean()) - logit(expit(self._odds[learned]).mean())
            self._scores[as_of] = expit(self._odds + errors + level)
        return self._scores[as_of]


def counted(found: Sequence[Replayed]) -> list[str]:
    """What replays of a year did: trainings after the first model's."""
    quarters = [count for one in found for count in _by(one, QUARTER, lambda step: step.trained)]
    months = [count > 0 for one in found for count in _by(one, MONTH, lambda step: step.verdict == "promote")]
    many = sum(count > 1 for count in quarters)
    swaps, lost = sum(one.promotions for one in found), sum(one.pointless for one in found)
    return [
        f"{sum(quarters) / len(quarters):.2f}",
        _share(many, len(quarters)),
        _share(sum(months), len(months)),
        f"{lost} of {swaps}",
    ]


def _by(one: Replayed, length: int, counts) -> list[int]:
    found = [0] * (YEAR // length)
    for step in one.steps[1:]:
        found[_day(step.as_of) // length] += bool(counts(step))
    return found


def _share(hits: int, times: int) -> str:
    low, high = interval(hits, times)
    return f"{100 * hits / times:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _date(day: int) -> str:
    return (FIRST + timedelta(days=day)).isoformat()


def _day(as_of: str) -> int:
    return (date.fromisoformat(as_of) - FIRST).days


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench quiet_streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="years of each world (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    rows = []
    for world in WORLDS:
        found: dict[str, list[Replayed]] = {name: [] for name in POLICIES}
        for seed in range(arguments.streams):
            for name, (retraining, gates) in POLICIES.items():
                stream = Stream(world, seed)
                policy = Policy(name, declared(retraining), gated=True, drift="none")
                found[name].append(replay(stream, policy, stream.dates, _date(YEAR), gates, math.inf))
        rows += [[world.name, name, *counted(replays)] for name, replays in found.items()]
    tell(TITLE, __doc__, [(f"{arguments.streams} years of each", HEADS, rows)], arguments.markdown)


if __name__ == "__main__":
    main()
