"""What a day's labels will say, told before they come, and whether that may be believed.

An estimate rests on what scores meant on days whose labels are known. Where they mean something else by now (concept
drift) it is wrong by construction, and nothing in the scores tells so. So each metric is shown only with its audit:
what would have been estimated on past days, from what was known then, beside what their labels said later. It starts
no training and holds no release. Light: the graph names the check when the code location loads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.governance.verdicts import Verdict

HOLDS = "estimate_holds"
CHECKS = {
    HOLDS: "What was estimated of past days without their labels held when these came; else nothing is estimated."
}
CAVEAT = (
    "Estimated from scores and from what they meant on days whose labels are known. Where the same score means "
    "something else by now (concept drift), an estimate is wrong and cannot know it; only labels can tell."
)
# Of the newest mature days so many are audited, and without so many nothing is shown.
AUDITED, NEEDED = 28, 14
# An estimate is switched off when so few days in their intervals would be less likely than this by chance.
LEAST_CHANCE = 0.05
# And where fewer fell into them, however few independent days they are worth.
LEAST_COVERED = 0.8
# Of values that differ by less nobody can say which is greater.
SAME = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A metric of a day with its interval, and what the labels said later; None while they are not there."""

    value: float
    low: float
    high: float
    real: float | None = None

    @property
    def covered(self) -> bool:
        return self.real is not None and self.low - SAME <= self.real <= self.high + SAME


@dataclass(frozen=True)
class EstimatedDay:
    """events: all of the day, whatever becomes of their labels. by: how scores were calibrated."""

    day: str
    events: int
    by: str
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class Audit:
    """How a metric's estimates of past days did. shown: whether those of days to come may be believed; why: in words.

    days: how many could be audited. covered: of them, fell into their interval. bias: by how much the real values were
    greater, in the mean. error: how far off the estimates were, in the mean; and usual_error, those who take each day
    for one like the mean of days that are known.
    """

    metric: str
    days: int
    covered: int
    bias: float
    error: float
    usual_error: float
    shown: bool
    why: str

    @property
    def off(self) -> bool:
        """Whether it was audited and did not hold."""
        return not self.shown and self.days >= NEEDED


@dataclass(frozen=True)
class Estimates:
    """audited: past days as they would have been estimated. ahead: those that are not mature. Both in order.

    level: the share of days that should fall into their intervals.
    """

    level: float
    audited: tuple[EstimatedDay, ...]
    ahead: tuple[EstimatedDay, ...]
    audits: tuple[Audit, ...]

    @property
    def shown(self) -> dict[str, dict[str, Estimate]]:
        """Day that is not mature -> those of its metrics whose audit allows it."""
        held = {audit.metric for audit in self.audits if audit.shown}
        return {
            one.day: {name: found for name, found in one.metrics.items() if name in held}
            for one in self.ahead
        }

    def of(self, metric: str) -> dict[str, Estimate]:
        """Day -> what was estimated; of days that are not mature what may be shown."""
        past = {one.day: one.metrics[metric] for one in self.audited if metric in one.metrics}
        return past | {day: found[metric] for day, found in self.shown.items() if metric in found}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Estimates:
        days = {which: tuple(map(_day, body[which])) for which in ("audited", "ahead")}
        return cls(**{**body, **days, "audits": tuple(Audit(**one) for one in body["audits"])})


def holds(estimates: Estimates | None) -> Verdict:
    """A warning when a metric is switched off; nothing waits for it."""
    if estimates is None:
        return Verdict(
            HOLDS, True, "nothing is estimated: no version is watched, or it answers another question"
        )
    off = [one for one in estimates.audits if one.off]
    told = "; ".join(f"{one.metric}: {one.why}" for one in (off or estimates.audits))
    return Verdict(
        HOLDS, not off, told or f"nothing is estimated: {NEEDED} mature days are needed that can be audited"
    )


def audit(
    metric: str, days: Sequence[Estimate], usual: Sequence[float], *, level: float, worth: float
) -> Audit:
    """Of days in order whose labels are there. usual: what the mean of the days known before each would have said.

    worth: how many independent days they are worth; the days in their intervals are counted in the same measure, and
    are Bernoulli trials of ``level``.
    """
    errors = [one.real - one.value for one in days if one.real is not None]
    count, covered = len(errors), sum(one.covered for one in days)
    usual_errors = [one.real - mean for one, mean in zip(days, usual, strict=True) if one.real is not None]
    said = f"{covered} of {_days(count)} fell into their {level:.0%} intervals when their labels came"
    if count < NEEDED:
        shown, why = False, f"not shown: {_days(count)} could be audited, {NEEDED} are needed"
    elif (chance := _so_few(covered, count, worth, level)) < LEAST_CHANCE:
        shown, why = False, f"switched off: {said}, of which the chance is {chance:.2g} if they hold"
    elif covered < LEAST_COVERED * count:
        shown, why = False, f"switched off: {said}, {LEAST_COVERED:.0%} is the least that is shown"
    else:
        shown, why = True, said
    return Audit(
        metric,
        count,
        covered,
        bias=_mean(errors),
        error=_mean([abs(one) for one in errors]),
        usual_error=_mean([abs(one) for one in usual_errors]),
        shown=shown,
        why=why,
    )


def _so_few(covered: int, days: int, worth: float, level: float) -> float:
    """The chance of so many covered or fewer; a binomial one, carried on between whole numbers."""
    # Imported here: the code location loads this module, and scipy costs more than all of it.
    from scipy.special import betainc

    counted = covered * worth / days
    return 1.0 if covered == days else float(betainc(worth - counted, counted + 1, 1 - level))


def _day(body: Mapping[str, Any]) -> EstimatedDay:
    return EstimatedDay(
        **{**body, "metrics": {name: Estimate(**one) for name, one in body["metrics"].items()}}
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
