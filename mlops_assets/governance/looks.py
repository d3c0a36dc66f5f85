"""How sure one look at a champion must be, when it is looked at again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Look:
    """A challenger that was compared with a champion. spent: the risk of a false winner it was allowed."""

    as_of: str
    spent: float


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
