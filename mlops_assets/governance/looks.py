"""How sure one look at a champion must be, when it is looked at again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from mlops_assets.governance.evidence import Evidence


@dataclass(frozen=True)
class Look:
    """A challenger that was compared with a champion. spent: the risk of a false winner it was allowed.

    recipe: of the challenger. daily: metric -> day -> by how much its mean loss was lower.
    """

    as_of: str
    spent: float
    recipe: str = ""
    daily: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, as_of: str, evidence: Evidence, spent: float) -> Self:
        """The look that the evidence of a challenger was, which was judged as of a date."""
        compared = evidence.champion
        daily = {} if compared is None else {one: compared.by_day(one) for one in compared.daily_improvement}
        return cls(as_of, spent, evidence.recipe, daily)


def pooled(
    looks: Sequence[Look], own: Mapping[str, float], *, metric: str, recipe: str, since: str
) -> list[float]:
    """The improvements of a challenger's own days, and before them of days on which others of its recipe were seen.

    looks: in the order in which they were taken; of two at one day the later counts. since: the first day that may.
    In order of the days.

    >>> before = Look("2024-02-01", 0.02, "r", {"log_loss": {"2024-01-30": 0.1, "2024-01-31": 0.2}})
    >>> pooled([before], {"2024-01-31": 0.5}, metric="log_loss", recipe="r", since="2024-01-01")
    [0.1, 0.5]
    """
    found: dict[str, float] = {}
    for look in looks:
        if look.recipe == recipe:
            found.update(look.daily.get(metric, {}))
    first = min(own, default="")
    earlier = {day: value for day, value in found.items() if since <= day < first}
    return [value for _, value in sorted({**earlier, **own}.items())]


def affordable(looks: Sequence[Look], *, since: str, as_of: str, risk: float, per_days: int) -> float:
    """The risk of a false winner that one more look at a champion may take.

    A reign earns ``risk / per_days`` with each as-of date from its first, keeps ``risk`` at most, and every
    look takes half of what is there. So whatever is looked at, however often and however much the looks
    depend on each other, the looks of the first ``per_days`` dates crown a challenger that is no better
    with a probability of at most ``risk`` (Boole), and on the long run no more than that in as many days.
    Looks at dates that were passed already earn nothing, but there is always a half left to take.

    looks: earlier ones at this champion in the order in which they were taken. since: its as-of date.

    >>> affordable([], since="2024-01-01", as_of="2024-01-31", risk=0.05, per_days=30)
    0.025
    >>> daily = [Look("2024-01-02", 0.001), Look("2024-01-03", 0.001)]
    >>> round(affordable(daily, since="2024-01-01", as_of="2024-01-04", risk=0.06, per_days=30), 4)
    0.003
    """
    newest, left = date.fromisoformat(since), risk / per_days
    for moment, spent in [*((look.as_of, look.spent) for look in looks), (as_of, 0.0)]:
        asked = date.fromisoformat(moment)
        left = min(risk, left + risk * max(0, (asked - newest).days) / per_days) - spent
        newest = max(newest, asked)
    return left / 2
