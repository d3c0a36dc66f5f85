"""Replays policies of retraining a model over its past, for whoever asks: a command or a Dagster job."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.drift import CALIBRATED
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, nearest
from mlops_assets.governance.backtest import Gain, Policy, Replayed, hindsight, mean, replay
from mlops_assets.governance.retraining import declared, every, never, on_drift
from mlops_assets.steps.past import Past
from mlops_assets.stores.stores import Stores

SCHEDULE_DAYS = 30
# What gains and regrets are told beside.
NEVER, ALWAYS, BEST = "never", "always", "best in hindsight"
HEADS = (
    "policy",
    "log loss",
    "gain over never",
    "95% interval",
    "regret to always",
    "regret to best",
    "trainings",
    "promotions",
    "pointless",
    "losing a month",
    "CPU s",
)


@dataclass(frozen=True)
class Asked:
    """What is replayed. dates: as-of dates in order; until: the day after the last that counts."""

    dates: Sequence[date]
    until: date
    policies: Sequence[str]

    @classmethod
    def of(cls, model: Model, first: date, last: date, every_days: int, policies: Sequence[str]) -> Asked:
        """Dates so many days apart; without policies all of them. Raises BadRequest when nothing can be replayed."""
        known = policies_of(model)
        for policy in policies:
            if policy not in known:
                raise BadRequest(f"there is no policy {policy!r}. {nearest(policy, known)}")
        dates = [first + timedelta(days=at) for at in range(0, (last - first).days + 1, every_days)]
        if len(dates) < 2:
            raise BadRequest(
                f"from {first} to {last} there are no two dates {every_days} days apart to replay"
            )
        return cls(dates, dates[-1] + timedelta(days=every_days), list(policies or known))


@dataclass(frozen=True)
class Backtest:
    """What each policy did, and day by day the loss of the best in hindsight."""

    replays: Sequence[Replayed]
    best: Mapping[str, float]

    def between(self, first: str, last: str) -> Backtest:
        """Of these days only the losses; what was trained and promoted is of all."""
        replays = [one.on_days(first, last) for one in self.replays]
        return Backtest(replays, {day: lost for day, lost in self.best.items() if first <= day <= last})

    def rows(self) -> list[list[str]]:
        """A row for each policy, as ``HEADS`` names them, and one of the best in hindsight."""
        by_name = {one.policy: one for one in self.replays}
        lowest = mean(self.best)
        rows = [
            [
                one.policy,
                f"{one.loss:.4f}",
                *_gain(one, by_name.get(NEVER)),
                f"{one.loss - by_name[ALWAYS].loss:+.4f}" if ALWAYS in by_name else "",
                f"{one.loss - lowest:+.4f}",
                str(one.trainings),
                str(one.promotions),
                str(one.pointless),
                str(one.losing),
                f"{one.cpu_seconds:.1f}",
            ]
            for one in self.replays
        ]
        return [*rows, [BEST, f"{lowest:.4f}", *[""] * (len(HEADS) - 2)]]


def policies_of(model: Model) -> dict[str, Policy]:
    """Those that can be asked for, by name.

    What is declared is replayed by what looks see, by age, and by what holds it back. Clocks, people, definitions and
    rows that are others by now are no part of a replay; nor is a release taken back in it.
    """
    asked = model.retraining
    looks = any(one is not None for one in (asked.drift, asked.decay, asked.new_labels))
    return {
        NEVER: Policy(NEVER, never, gated=False),
        ALWAYS: Policy(ALWAYS, every(1), gated=False),
        "schedule": Policy("schedule", every(SCHEDULE_DAYS), gated=False),
        "article": Policy("article", on_drift, gated=False, drift="article"),
        "declared": Policy(
            "declared",
            declared(asked),
            gated=True,
            drift=(model.drift.policy or CALIBRATED) if looks else None,
            drift_of=asked.drift_of,
        ),
    }


def backtest(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    asked: Asked,
    make: Callable[[str], None],
    say: Callable[[str], None],
) -> Backtest:
    """Replay the policies; the model of the first date reigns from the start.

    make: materializes the training set and the model of an as-of date, unless they are there. say: told what is
    being done.
    """
    past = Past(
        stores=stores,
        catalog=catalog,
        model=model,
        dates=[one.isoformat() for one in asked.dates],
        until=asked.until.isoformat(),
        make=make,
    )
    known, replays = policies_of(model), []
    for policy in asked.policies:
        say(f"Replaying the policy {policy!r} on {len(past.dates)} dates")
        # How long a row takes on this machine today says nothing of that day, and is another each time.
        replays.append(replay(past, known[policy], past.dates, past.until, model.gates, math.inf))
    return Backtest(replays, hindsight(past, replays, past.until))


def _gain(one: Replayed, beside: Replayed | None) -> tuple[str, str]:
    if beside is None or one is beside:
        return "", ""
    gain = Gain.of(one.daily, beside.daily)
    return f"{gain.mean:+.4f}", f"{gain.low:+.4f} to {gain.high:+.4f}"
