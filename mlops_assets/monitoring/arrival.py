"""How long labels take to arrive, read off days of which the newest do not have all of theirs yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Self


@dataclass(frozen=True)
class DayLabels:
    """The events of a day, and which of their labels were known when an as-of date began.

    arrived: days after -> labels that became known then. One day after: they were known when the next day began.
    """

    day: str
    events: int
    arrived: Mapping[int, int]

    @property
    def labels(self) -> int:
        return sum(self.arrived.values())

    def known_by(self, as_of: str) -> int:
        """How many of the labels were known already when an earlier as-of date began."""
        age = days_between(self.day, as_of)
        return sum(labels for after, labels in self.arrived.items() if after <= age)


def new_labels(days: Iterable[DayLabels], since: str) -> int:
    """How many labels of these days were not known yet when an earlier as-of date began.

    >>> new_labels([DayLabels("2024-03-01", 5, {1: 2, 3: 2})], since="2024-03-02")
    2
    """
    return sum(one.labels - one.known_by(since) for one in days)


@dataclass(frozen=True)
class Arrival:
    """The share of labels that are known one day after that of their event, two days after, and so on.

    Of those that ever arrive: the last share is 1. An event that never gets a label has no part in it.
    """

    shares: tuple[float, ...]

    @classmethod
    def of(cls, days: Iterable[DayLabels], as_of: str) -> Self | None:
        """The curve as it was known when an as-of date began; None when no label was.

        A young day shows its quick labels only, so shares of what has arrived by now would be too high, and those of
        all events too low. Read backwards in time nothing is missing: of the labels that came after at most k days,
        on days that are that old, what share came after exactly k? The curve is the product of what these leave
        (Lagakos, Barraj and De Gruttola 1988; Kalbfleisch and Lawless 1989). Nothing can be known of labels that
        take longer than the oldest day is old.

        >>> old, young = DayLabels("2024-03-01", 5, {1: 2, 2: 2}), DayLabels("2024-03-02", 4, {1: 3})
        >>> Arrival.of([old, young], "2024-03-03").shares
        (0.5, 1.0)
        """
        exactly, within = Counter[int](), Counter[int]()
        for one in days:
            age = days_between(one.day, as_of)
            for after, labels in one.arrived.items():
                exactly[after] += labels
                within[after] += labels
                within[age + 1] -= labels
        if not exactly:
            return None
        longest = max(exactly)
        at_most = dict(enumerate(accumulate(within[after] for after in range(longest + 1))))
        shares = [1.0]
        for after in range(longest, 1, -1):
            shares.append(
                shares[-1] * (1 - exactly[after] / at_most[after]) if exactly[after] else shares[-1]
            )
        return cls(tuple(reversed(shares)))

    def expected(self, age: int) -> float:
        """The share of a day's labels that are known when it is so many days old."""
        return 0.0 if age < 1 else self.shares[min(age, len(self.shares)) - 1]

    def mature_after(self, share: float) -> int:
        """After how many days a share of the labels, at most 1, is known."""
        return next(after for after, known in enumerate(self.shares, start=1) if known >= share)

    def mature_until(self, share: float, as_of: str) -> str:
        """The first day of which a share of the labels cannot be expected yet when an as-of date begins."""
        return (date.fromisoformat(as_of) - timedelta(days=self.mature_after(share) - 1)).isoformat()


def days_between(first: str, later: str) -> int:
    """How many days a day is later than another.

    >>> days_between("2024-02-28", "2024-03-01")
    2
    """
    return (date.fromisoformat(later) - date.fromisoformat(first)).days
