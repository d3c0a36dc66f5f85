"""What is said of a day of a service: how fast and reliable it was, which classes it answered, and what it served.

Light: the graph names the checks when the code location loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlops_assets.declaration.contract import Objectives
from mlops_assets.declaration.serving import Serving
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.monitoring.parity import FeatureParity

REPORT = "service_report"
LATENCY, ERRORS, CLASSES, SAME = "latency", "errors", "classes", "served_as_known"
CHECKS = {
    LATENCY: "In each minute of enough requests, 95% of them were answered within what the contract promises.",
    ERRORS: "In each hour of enough requests, no more failed by the service's own fault than the contract allows.",
    CLASSES: "In each hour of enough rows, the classes answered are those that the version is known for.",
    SAME: "The features that were served are those that were known offline at that moment, but for a declared share.",
}
# How a moment is spelled up to its minute and up to its hour: 2024-05-01T12:30 in ISO 8601.
MINUTE, HOUR = 16, 13


@dataclass(frozen=True)
class Answered:
    """A request that was answered. at: UTC, ISO 8601. rows: of it. positive: rows of the positive class."""

    at: str
    version: int
    milliseconds: float
    rows: int
    positive: int


@dataclass(frozen=True)
class Window:
    """What became of the requests of a minute in a process. at: its begin, UTC, ISO 8601.

    statuses: of HTTP, how many of each. kinds: why requests failed. p95: in milliseconds.
    """

    at: str
    statuses: Mapping[str, int]
    kinds: Mapping[str, int]
    p95: float

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Those that failed for the service's own fault."""
        return sum(count for status, count in self.statuses.items() if status.startswith("5"))


@dataclass(frozen=True)
class HourErrors:
    """at: an hour of UTC. failed: of so many requests."""

    at: str
    requests: int
    failed: int

    @property
    def share(self) -> float:
        return self.failed / self.requests


@dataclass(frozen=True)
class HourClasses:
    """at: an hour of UTC. positive: of so many rows by a version. expected: the share when it was evaluated.

    divergence: in bits, from 0 to 1. Both are None where nobody knows how it was evaluated.
    """

    at: str
    version: int
    rows: int
    positive: int
    expected: float | None
    divergence: float | None


@dataclass(frozen=True)
class Example:
    """A value that was served and was not the one that was known."""

    feature: str
    request_id: str
    row: int
    served: Any
    known: Any


@dataclass(frozen=True)
class ServedParity:
    """What was served beside what was known. rows: compared. why_not: of rows that could not be, in sentences."""

    rows: int
    features: tuple[FeatureParity, ...]
    examples: tuple[Example, ...]
    why_not: tuple[str, ...]


@dataclass(frozen=True)
class ServiceReport:
    """A day. requests, rows: that were answered. milliseconds: quantiles of these, none where there were none.

    statuses, kinds: of all requests, by the windows that were written down.
    """

    day: str
    requests: int
    rows: int
    milliseconds: dict[str, float]
    statuses: dict[str, int]
    kinds: dict[str, int]
    minutes: tuple[Window, ...]
    errors: tuple[HourErrors, ...]
    classes: tuple[HourClasses, ...]
    parity: ServedParity

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def failed(self) -> int:
        return sum(one.failed for one in self.errors)


def verdicts(found: ServiceReport, promised: Objectives, limits: Serving) -> tuple[Verdict, ...]:
    """What the checks say. Where there is nothing to judge, a check does not pass, which is a warning."""
    return (
        _latency(found, promised.p95_ms, limits.requests_at_least),
        _error_rate(found, promised.error_rate, limits.requests_at_least),
        _class_shift(found, limits),
        _parity(found.parity, limits.differing),
    )


def _latency(found: ServiceReport, limit: float, at_least: int) -> Verdict:
    judged = [one for one in found.minutes if one.requests >= at_least]
    if not judged:
        return _nothing(LATENCY, f"no minute had {at_least} requests, of {len(found.minutes)} that had any")
    slow, worst = [one for one in judged if one.p95 > limit], max(judged, key=lambda one: one.p95)
    told = (
        f"p95 was above {limit:g} ms in {len(slow)} of {len(judged)} minutes; at most {worst.p95:.1f} ms, "
        f"at {worst.at[:MINUTE]}"
    )
    return Verdict(LATENCY, not slow, told, error=True)


def _error_rate(found: ServiceReport, limit: float, at_least: int) -> Verdict:
    judged = [one for one in found.errors if one.requests >= at_least]
    if not judged:
        return _nothing(ERRORS, f"no hour had {at_least} requests, of {len(found.errors)} that had any")
    bad, worst = [one for one in judged if one.share > limit], max(judged, key=lambda one: one.share)
    told = (
        f"more than {limit:.2%} of requests failed in {len(bad)} of {len(judged)} hours; at most "
        f"{worst.failed} of {worst.requests}, at {worst.at}"
    )
    return Verdict(ERRORS, not bad, told, error=True)


def _class_shift(found: ServiceReport, limits: Serving) -> Verdict:
    judged = [
        (one.divergence, one)
        for one in found.classes
        if one.rows >= limits.rows_at_least and one.divergence is not None
    ]
    if not judged:
        return _nothing(
            CLASSES,
            f"no hour had {limits.rows_at_least} rows of a version of which it is known what it answered when it was "
            f"evaluated, of {len(found.classes)} that had any",
        )
    shifted = [one for divergence, one in judged if divergence > limits.class_shift]
    most, worst = max(judged, key=lambda one: one[0])
    told = (
        f"the classes diverge by more than {limits.class_shift:g} bits in {len(shifted)} of {len(judged)} hours; "
        f"at most {most:.4f}, at {worst.at}: {worst.positive / worst.rows:.2%} positive, {worst.expected:.2%} when "
        f"version {worst.version} was evaluated"
    )
    return Verdict(CLASSES, not shifted, told)


def _parity(found: ServedParity, limit: float) -> Verdict:
    judged = [one for one in found.features if one.compared]
    why_not = "; ".join(found.why_not)
    if not judged:
        return _nothing(SAME, why_not or "no row was answered")
    worst = max(judged, key=lambda one: one.differing / one.compared)
    other = [one for one in judged if one.differing / one.compared > limit]
    told = (
        f"{len(other)} of {len(judged)} features of {found.rows} rows differ in more than {limit:.2%}; {worst.feature} "
        f"most, in {worst.differing}"
    )
    return Verdict(SAME, not other, "; ".join(filter(None, [told, why_not])), error=True)


def _nothing(check: str, why: str) -> Verdict:
    return Verdict(check, False, f"nothing to judge: {why}")
