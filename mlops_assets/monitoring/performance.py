"""How a champion does on days whose labels are there. Light: the graph names the check when the code location loads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.monitoring.estimates import CHECKS as ESTIMATE_CHECKS
from mlops_assets.monitoring.estimates import Estimates, holds

DECAY = "decay"
CHECKS = {
    DECAY: "The champion's daily loss on mature days has not surely grown since it was evaluated.",
    **ESTIMATE_CHECKS,
}

PerformanceVerdict: TypeAlias = Literal["steady", "decayed", "not enough data"]


@dataclass(frozen=True)
class Day:
    """A day of events as it was known when the as-of date began.

    arrived: how many labels became known how many days after; ``labels`` is their sum. expected: the share of
    the labels that ever arrive which should be there by now; None when nothing is known of it.
    log_loss, brier: the champion's means, and predecessor: the log loss of the version before it on the same
    labels; None on days that are not mature, without a label, or from before the champion's as-of date.
    """

    day: str
    events: int
    labels: int
    arrived: tuple[tuple[int, int], ...]
    expected: float | None
    mature: bool
    log_loss: float | None = None
    brier: float | None = None
    predecessor: float | None = None


@dataclass(frozen=True)
class PerformanceReport:
    """What the labels that were known when an as-of date began say of the version that reigned before it.

    champion: its version, None when none reigned; model_digest: its behaviour. why: in a sentence.
    mature_at: the share of a day's labels that must be expected; mature_after: the days that takes, None when
    no label is known. arrival: the share that is known one day after the event's, two days after, ….
    days: those of the window before the as-of date, in order. evaluated: day -> log loss of the champion
    on the days it was evaluated on, by the labels that are known by now.
    metrics, intervals: of all mature days since. growth, grown: by how much the daily log loss is greater on the
    newest of them than when it was evaluated, in the mean and at least; None when there are too few days.
    predecessor: the version that reigned before it; without: why that was not asked, if it was not.
    new_labels: of the window, those that were not known when the champion was made.
    estimates: of days that are not mature, with their audit; None where no version is measured.
    """

    as_of: str
    champion: int | None
    model_digest: str
    verdict: PerformanceVerdict
    why: str
    mature_at: float
    mature_after: int | None
    arrival: tuple[float, ...]
    days: tuple[Day, ...]
    new_labels: int = 0
    evaluated: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, list[float]] = field(default_factory=dict)
    growth: float | None = None
    grown: float | None = None
    predecessor: int | None = None
    without: str = ""
    estimates: Estimates | None = None

    @property
    def losses(self) -> dict[str, float]:
        """Mature day since the champion was evaluated -> its mean log loss."""
        return {one.day: one.log_loss for one in self.days if one.log_loss is not None}

    @property
    def predecessors(self) -> dict[str, float]:
        """The same days -> the mean log loss of the version before."""
        return {one.day: one.predecessor for one in self.days if one.predecessor is not None}

    @property
    def improvement(self) -> dict[str, float]:
        """The same days -> by how much the champion's log loss is lower than that of the version before."""
        losses = self.losses
        return {day: theirs - losses[day] for day, theirs in self.predecessors.items()}

    def verdicts(self) -> tuple[Verdict, ...]:
        """A warning when the loss surely grew, and one when what is estimated does not hold."""
        return (Verdict(DECAY, self.verdict != "decayed", self.why), holds(self.estimates))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> PerformanceReport:
        days = (
            Day(**{**day, "arrived": tuple((after, labels) for after, labels in day["arrived"])})
            for day in body["days"]
        )
        estimates = body.get("estimates")
        found = None if estimates is None else Estimates.from_dict(estimates)
        return cls(**{**body, "arrival": tuple(body["arrival"]), "days": tuple(days), "estimates": found})


def judged(report: PerformanceReport, *, limit: float, needed: int) -> PerformanceReport:
    """The same report with its verdict: decayed when the loss surely grew by more than ``limit``.

    needed: days on each side without which nothing is said.
    """
    version, then, now = f"version {report.champion}", report.evaluated, report.losses
    if report.growth is None or report.grown is None:
        why = (
            f"{_days(len(now))} since {version} was made, and {_days(len(then))} that it was evaluated on, are "
            f"mature and have labels; {needed} of each are needed"
        )
        return replace(report, verdict="not enough data", why=why)
    decayed = report.grown > limit
    why = (
        f"the daily log loss of {version} was {_mean(then):.4f} on the {_days(len(then))} that it was evaluated "
        f"on, and changed by {report.growth:+.4f} nats on the newest mature days since, by at least "
        f"{report.grown:+.4f}, which is {'more' if decayed else 'not more'} than {limit:g}"
    )
    return replace(report, verdict="decayed" if decayed else "steady", why=why)


def _mean(daily: Mapping[str, float]) -> float:
    return math.fsum(daily.values()) / len(daily)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
