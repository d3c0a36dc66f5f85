"""Has a champion's loss grown since it was evaluated?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.governance.paired import growth_bound

# How sure it must be that a loss has grown.
CONFIDENCE = 0.975

# From a day to before another; of none when they are equal.
Stretch = tuple[str, str]


@dataclass(frozen=True)
class Growth:
    """By how much a daily loss is greater than it was. least: its lower bound at CONFIDENCE."""

    mean: float
    least: float


def evaluated_and_newest(champion: str, *, days: int, mature_until: str) -> tuple[Stretch, Stretch]:
    """The days that a champion was evaluated on, and as many of the newest since then: mature ones only.

    champion: its as-of date. mature_until: the first day that is not mature.

    >>> evaluated_and_newest("2024-03-15", days=7, mature_until="2024-03-20")
    (('2024-03-08', '2024-03-15'), ('2024-03-15', '2024-03-20'))
    >>> evaluated_and_newest("2024-03-15", days=7, mature_until="2024-03-14")
    (('2024-03-08', '2024-03-14'), ('2024-03-14', '2024-03-14'))
    """
    return (
        (_before(champion, days), min(champion, mature_until)),
        (min(mature_until, max(champion, _before(mature_until, days))), mature_until),
    )


def growth(before: Mapping[str, float], after: Mapping[str, float], *, at_least_days: int) -> Growth | None:
    """From the loss of each day before to that of each day after; None when either has too few days."""
    if min(len(before), len(after)) < at_least_days:
        return None
    then, now = ([daily[day] for day in sorted(daily)] for daily in (before, after))
    return Growth(*growth_bound(then, now, CONFIDENCE))


def _before(day: str, count: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=count)).isoformat()
