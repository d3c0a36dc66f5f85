"""Replays a policy of retraining over the past: what it would have trained, promoted and lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol

from mlops_assets.declaration.model import Gates
from mlops_assets.declaration.retraining import DRIFTS, DriftOf
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Reigning, decide
from mlops_assets.governance.looks import Look
from mlops_assets.governance.paired import improvement_bound
from mlops_assets.governance.retraining import Seen, Trigger

# A promotion is looked at again on so many days after it.
MONTH = timedelta(days=30)
# The best in hindsight is chosen for stretches of so many days at least: of single days it would be their luck.
STRETCH = timedelta(days=7)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Policy:
    """A trigger, and who decides about what was trained. gated: the gates; else whatever is trained reigns.

    drift: the drift policy that it asks; None when it looks at nothing. drift_of: what of that counts as having moved.
    """

    name: str
    trigger: Trigger
    gated: bool
    drift: str | None = None
    drift_of: Sequence[DriftOf] = DRIFTS


class World(Protocol):
    """The past as it was known at each as-of date. A model is named by the as-of date that it was trained for."""

    def train(self, as_of: str) -> float:
        """Train as of a date, if nobody has; the CPU seconds it took."""

    def evidence(self, challenger: str, champion: str | None) -> Evidence:
        """What was measured of a challenger on its as-of date, beside the champion."""

    def seen(self, champion: str, as_of: str, drift: str, drift_of: Sequence[DriftOf]) -> Seen:
        """What a look at the champion saw."""

    def losses(self, model: str, first: str, until: str) -> Mapping[str, float]:
        """Day -> mean loss on the days from ``first`` to before ``until``, by every label that is known by now."""


@dataclass(frozen=True)
class Step:
    """One as-of date. reigns: the model that answers from it on. verdict: of the challenger; empty when none was."""

    as_of: str
    reigns: str
    trained: bool
    reason: str
    verdict: str = ""


@dataclass(frozen=True)
class Replayed:
    """What a policy did. daily: day -> the loss of the model that reigned. pointless: promotions of models that lost
    as much or more than the one before, on the days that they reigned; losing: on the thirty days after."""

    policy: str
    steps: Sequence[Step]
    daily: Mapping[str, float]
    trainings: int
    promotions: int
    pointless: int
    losing: int
    cpu_seconds: float

    @property
    def loss(self) -> float:
        """The mean daily loss."""
        return mean(self.daily)

    def on_days(self, first: str, last: str) -> Replayed:
        """The same, with the losses of these days only."""
        return replace(self, daily={day: lost for day, lost in self.daily.items() if first <= day <= last})


@dataclass(frozen=True)
class Gain:
    """How much less was lost each day than by something else, with its 95% interval, which allows for runs of days."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, daily: Mapping[str, float], other: Mapping[str, float]) -> Gain:
        """Day by day, on the days of both; without an interval when they are fewer than two."""
        days = sorted(daily.keys() & other.keys())
        if len(days) < 2:
            return cls(math.nan, -math.inf, math.inf)
        gained = [other[day] - daily[day] for day in days]
        sure = (1 + CONFIDENCE) / 2
        middle, low = improvement_bound(gained, sure)
        _, high = improvement_bound([-one for one in gained], sure)
        return cls(middle, low, -high)


def mean(daily: Mapping[str, float]) -> float:
    """The mean over days; NaN without any."""
    return math.fsum(daily.values()) / len(daily) if daily else math.nan


def replay(
    world: World, policy: Policy, dates: Sequence[str], until: str, gates: Gates, p95_ms: float
) -> Replayed:
    """Ask at each date, in order of time; the model of the first date reigns from the start."""
    first, *later = dates
    cpu, trained = world.train(first), [first]
    champion, looks, seen = first, tuple[Look, ...](), list[Seen]()
    steps = [Step(first, first, trained=True, reason="the first model")]
    for as_of in later:
        if policy.drift is not None:
            seen.append(world.seen(champion, as_of, policy.drift, policy.drift_of))
        asked = policy.trigger(as_of, seen, trained, sum(one > champion for one in trained))
        if not asked.train:
            steps.append(Step(as_of, champion, trained=False, reason=asked.sentence))
            continue
        cpu += world.train(as_of)
        trained.append(as_of)
        verdict, look = _judged(world, policy, as_of, champion, looks, gates, p95_ms)
        looks = (*looks, look) if look else looks
        if verdict == "promote":
            champion, looks, seen = as_of, (), []
        steps.append(Step(as_of, champion, trained=True, reason=asked.sentence, verdict=verdict))
    daily, pointless, losing = _lost(world, steps, until)
    return Replayed(
        policy=policy.name,
        steps=steps,
        daily=daily,
        trainings=len(trained),
        promotions=sum(step.verdict == "promote" for step in steps),
        pointless=pointless,
        losing=losing,
        cpu_seconds=cpu,
    )


def hindsight(world: World, replays: Sequence[Replayed], until: str) -> dict[str, float]:
    """Day -> the loss of whatever model that anybody had trained by then would have lost least in its stretch.

    A stretch is a week, or what lies between two dates that are farther apart.
    """
    trained = sorted({step.as_of for one in replays for step in one.steps if step.trained})
    dates = _stretches([step.as_of for step in replays[0].steps])
    best: dict[str, float] = {}
    for first, end in zip(dates, [*dates[1:], until], strict=True):
        there: list[Mapping[str, float]] = [
            world.losses(model, first, end) for model in trained if model <= first
        ]
        least = min(there, key=_sum)
        best.update(least)
    return best


def _stretches(dates: Sequence[str]) -> list[str]:
    """The first dates of stretches of ``STRETCH`` at least."""
    found = list(dates[:1])
    for day in dates:
        if date.fromisoformat(day) - date.fromisoformat(found[-1]) >= STRETCH:
            found.append(day)
    return found


def _sum(losses: Mapping[str, float]) -> float:
    return math.fsum(losses.values())


def _judged(
    world: World,
    policy: Policy,
    as_of: str,
    champion: str,
    looks: tuple[Look, ...],
    gates: Gates,
    p95_ms: float,
) -> tuple[str, Look | None]:
    if not policy.gated:
        return "promote", None
    evidence = world.evidence(as_of, champion)
    compared = evidence.champion
    # Versions of a replay have no numbers: the champion is whoever the evidence is about.
    reigning = Reigning(compared.champion_version if compared else 0, champion, looks)
    decision = decide(evidence, gates, reigning=reigning, p95_ms=p95_ms)
    return decision.verdict, Look.of(as_of, evidence, decision.spent) if decision.spent else None


def _lost(world: World, steps: Sequence[Step], until: str) -> tuple[dict[str, float], int, int]:
    """Each day's loss, and how many promotions lost as much as the model before or more: while they reigned, and in
    the month after."""
    daily: dict[str, float] = {}
    pointless, losing, before = 0, 0, None
    for first, end, model in reigns(steps, until):
        lost = world.losses(model, first, end)
        daily |= lost
        if before is not None:
            pointless += _sum(lost) >= _sum(world.losses(before, first, end))
            month = min(until, (date.fromisoformat(first) + MONTH).isoformat())
            losing += _sum(world.losses(model, first, month)) >= _sum(world.losses(before, first, month))
        before = model
    return daily, pointless, losing


def reigns(steps: Sequence[Step], until: str) -> list[tuple[str, str, str]]:
    """First day, the day after the last, and the model, of each stretch in which one model reigned."""
    found: list[list[str]] = []
    for step in steps:
        if not found or found[-1][2] != step.reigns:
            found.append([step.as_of, until, step.reigns])
            if len(found) > 1:
                found[-2][1] = step.as_of
    return [(first, end, model) for first, end, model in found]
