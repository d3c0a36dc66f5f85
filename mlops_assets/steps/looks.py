"""What a look at a champion tells of its loss: the same in a replay of the past and in production."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from mlops_assets.governance.paired import growth_bound

# How sure it must be that a loss has grown.
CONFIDENCE = 0.975


def looked_at(champion: str, as_of: str, window: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """The days that are compared, from the first to before the second: those it was evaluated on, and the newest.

    champion, as_of: its as-of date, and that of the look. window: days of each; of the newest only those since it.

    >>> looked_at("2024-03-01", "2024-03-08", 14)
    (('2024-02-16', '2024-03-01'), ('2024-03-01', '2024-03-08'))
    """
    length = timedelta(days=window)
    before = (date.fromisoformat(champion) - length).isoformat()
    newest = max(champion, (date.fromisoformat(as_of) - length).isoformat())
    return (before, champion), (newest, as_of)


def grown(before: Mapping[str, float], after: Mapping[str, float], at_least_days: int) -> float | None:
    """By how much the daily loss surely grew; None when there are fewer days on a side than are asked for.

    before, after: day -> mean loss, by labels that were known then.
    """
    if min(len(before), len(after)) < at_least_days:
        return None
    return growth_bound(list(before.values()), list(after.values()), CONFIDENCE)[1]
