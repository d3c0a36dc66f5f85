"""What was measured about a trained model, as numbers and names: all that a gate may look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """Challenger against the champion on the same rows.

    daily_improvement: metric -> for each day, oldest first, how much lower the challenger's
        mean loss was (above zero: the challenger was better). incomparable: why there is no such
        number, where there is none.
    """

    champion_version: int
    metrics: dict[str, float]
    daily_improvement: dict[str, list[float]]
    incomparable: str = ""


@dataclass(frozen=True)
class Evidence:
    """The evaluation of one trained model on the newest mature labels.

    metrics, baseline: metric -> value, NaN-free; a metric that cannot be computed (one class
    only) is absent. champion is None when none reigned before the as-of date.
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Evidence:
        champion = body["champion"]
        return cls(**{**body, "champion": Comparison(**champion) if champion else None})
