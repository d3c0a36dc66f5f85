"""What was measured about a trained model, as numbers and names: all that a gate may look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """Challenger against the champion on the same rows.

    daily_improvement: metric -> for each day, oldest first, how much lower the challenger's
        mean loss was (above zero: the challenger was better). days: which days these are. incomparable: why
        there is no such number, where there is none.
    """

    champion_version: int
    metrics: dict[str, float]
    daily_improvement: dict[str, list[float]]
    incomparable: str = ""
    days: list[str] = field(default_factory=list)

    def by_day(self, metric: str) -> dict[str, float]:
        """Day -> improvement; empty where nothing was compared."""
        return dict(zip(self.days, self.daily_improvement.get(metric, []), strict=bool(self.days)))


@dataclass(frozen=True)
class Slice:
    """The rows of one value of a column. too_few: whether they are fewer than are asked for; then nothing is measured.

    baseline, champion: metric -> for each day with such rows, oldest first, how much lower the model's mean loss
    was; champion is empty where there is none to compare with.
    """

    column: str
    value: str
    rows: int
    positives: int
    too_few: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, list[float]] = field(default_factory=dict)
    champion: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """How the values of a group column are treated; intervals are of 95%, empty where they cannot be had."""

    column: str
    treated: list[dict[str, Any]]
    too_few: list[str]
    selection_ratio: float | None
    selection_ratio_interval: list[float]
    opportunity_gap: float | None
    opportunity_gap_interval: list[float]


@dataclass(frozen=True)
class Behaviour:
    """A declared invariance or direction of an input. violations: the share of rows against it."""

    kind: str
    column: str
    rows: int
    violations: float
    largest: float


@dataclass(frozen=True)
class Evidence:
    """The evaluation of one trained model on the newest mature labels.

    recipe: of what is trained, how and for which question, as a hash: models of one recipe differ by their days only.
    metrics, baseline: metric -> value, NaN-free; a metric that cannot be computed (one class
    only) is absent. champion is None when none reigned before the as-of date.
    intervals: metric -> low and high of 95%, days drawn again. calibration: the line of it. stability: beside the
    champion's answers.
    numeric: whether probabilities are ones and do not depend on the order of rows. milliseconds: what one row took,
    p50 and p95, and what many took at once; they are others each time, and no part of what a decision is named by.
    """

    model: str
    as_of: str
    model_digest: str
    rows: int
    positives: int
    first_day: str
    last_day: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    champion: Comparison | None = None
    notes: list[str] = field(default_factory=list)
    recipe: str = ""
    intervals: dict[str, list[float]] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    behaviour: list[Behaviour] = field(default_factory=list)
    calibration: dict[str, float] = field(default_factory=dict)
    stability: dict[str, float] = field(default_factory=dict)
    numeric: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Evidence:
        champion = body["champion"]
        parts = {
            "champion": Comparison(**champion) if champion else None,
            "slices": [Slice(**one) for one in body["slices"]],
            "groups": [Group(**one) for one in body["groups"]],
            "behaviour": [Behaviour(**one) for one in body["behaviour"]],
        }
        return cls(**{**body, **parts})
