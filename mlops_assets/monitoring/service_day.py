"""A day of a service from what was written down of it: quantiles, hours, and how far its classes have moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from mlops_assets.monitoring.distances import jensen_shannon_divergence
from mlops_assets.monitoring.service import (
    HOUR,
    Answered,
    HourClasses,
    HourErrors,
    ServedParity,
    ServiceReport,
    Window,
)

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}


def report(
    day: str,
    answered: Sequence[Answered],
    windows: Sequence[Window],
    expected: Mapping[int, float],
    parity: ServedParity,
) -> ServiceReport:
    """What is said of a day. expected: version -> share of the positive class when it was evaluated, where known."""
    times = np.array([one.milliseconds for one in answered])
    found = np.quantile(times, list(QUANTILES.values()), method="inverted_cdf") if len(times) else times
    in_order = sorted(windows, key=lambda one: one.at)
    return ServiceReport(
        day=day,
        requests=len(answered),
        rows=sum(one.rows for one in answered),
        milliseconds=dict(zip(QUANTILES, found.tolist(), strict=False)),
        statuses=_summed(one.statuses for one in in_order),
        kinds=_summed(one.kinds for one in in_order),
        minutes=tuple(in_order),
        errors=tuple(_errors(in_order)),
        classes=tuple(_classes(answered, expected)),
        parity=parity,
    )


def _errors(windows: Sequence[Window]) -> Iterator[HourErrors]:
    for hour, inside in groupby(windows, key=lambda one: one.at[:HOUR]):
        found = list(inside)
        yield HourErrors(hour, sum(one.requests for one in found), sum(one.failed for one in found))


def _classes(answered: Sequence[Answered], expected: Mapping[int, float]) -> Iterator[HourClasses]:
    in_order = sorted(answered, key=_hour_and_version)
    for (hour, version), inside in groupby(in_order, key=_hour_and_version):
        found = list(inside)
        rows, positive = sum(one.rows for one in found), sum(one.positive for one in found)
        share = expected.get(version)
        moved = None if share is None else _divergence(positive, rows, share)
        yield HourClasses(hour, version, rows, positive, share, moved)


def _hour_and_version(one: Answered) -> tuple[str, int]:
    return one.at[:HOUR], one.version


def _divergence(positive: int, rows: int, share: float) -> float:
    return jensen_shannon_divergence(np.array([positive, rows - positive]), np.array([share, 1 - share]))


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return dict(sorted(found.items()))
