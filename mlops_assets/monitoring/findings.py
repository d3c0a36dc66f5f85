"""What a policy says about a batch: a verdict per test of a column, with numbers and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["stable", "drift", "not enough data"]
Severity: TypeAlias = Literal["warn", "error"]

# Columns that are named when tests had not enough data.
LACKING_SHOWN = 8


@dataclass(frozen=True)
class Finding:
    """One test of one column.

    test: what was compared: ``distribution`` or ``missing`` (or a name of a policy's own).
    severity: of a drift, else None. effect: how far the sides lie apart, in ``measure``; None
    when it was not measured. values: all statistics, for metadata; none of them is NaN.
    """

    column: str
    test: str
    verdict: Verdict
    severity: Severity | None
    measure: str
    effect: float | None
    sentence: str
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftReport:
    """The verdict over a batch: ``drift`` when any finding says so, at the worst severity."""

    policy: str
    rows: int
    verdict: Verdict
    severity: Severity | None
    findings: tuple[Finding, ...]

    def told(self) -> list[str]:
        """The sentences that decided, and last which tests could not tell, if they are not these."""
        lacking = self.lacking()
        return self.decided() if lacking is None else [*self.decided(), lacking]

    def decided(self) -> list[str]:
        """Errors, then warnings; or, of a batch of which too little is known, what lacks; else one of calm."""
        drifts = self._of_verdict("drift")
        if drifts:
            ordered = sorted(drifts, key=lambda finding: (finding.severity != "error", finding.column))
            return [finding.sentence for finding in ordered]
        if self.verdict == "not enough data":
            return [finding.sentence for finding in self._of_verdict("not enough data")]
        return [f"{len(self._of_verdict('stable'))} tests found nothing that moved"]

    def lacking(self) -> str | None:
        """Which tests could not tell, in short; None where none, or where these decided."""
        unknown = self._of_verdict("not enough data")
        if not unknown or self.verdict == "not enough data":
            return None
        columns = list(dict.fromkeys(finding.column for finding in unknown))
        more = len(columns) - LACKING_SHOWN
        shown = columns if more <= 0 else [*columns[:LACKING_SHOWN], f"… and {more} more"]
        tests = "1 test" if len(unknown) == 1 else f"{len(unknown)} tests"
        return f"{tests} had not enough data: {', '.join(shown)}"

    def of(self, column: str, test: str) -> Finding | None:
        """The finding of one test, or None when it was not made."""
        return next((each for each in self.findings if (each.column, each.test) == (column, test)), None)

    def _of_verdict(self, verdict: Verdict) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == verdict]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> DriftReport:
        return cls(**{**body, "findings": tuple(Finding(**finding) for finding in body["findings"])})


def report(policy: str, rows: int, findings: Iterable[Finding]) -> DriftReport:
    """The report of a policy. Not enough data when half of the tests or more had not enough."""
    found = tuple(findings)
    severities = {finding.severity for finding in found if finding.verdict == "drift"}
    severity: Severity | None = "error" if "error" in severities else "warn" if severities else None
    unknown = sum(finding.verdict == "not enough data" for finding in found)
    verdict: Verdict = "drift" if severities else "not enough data" if 2 * unknown >= len(found) else "stable"
    return DriftReport(policy, rows, verdict, severity, found)
