"""What the two checks of a drift report say. Light: the graph names them when the code location loads."""

from __future__ import annotations

from mlops_assets.data.legible import legible
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.monitoring.findings import DriftReport

DRIFT, SHIFT = "drift", "shift"
CHECKS = {
    DRIFT: "No input, score or label has surely moved by so much that it is an error.",
    SHIFT: "No input, score or label has surely moved by an amount that matters.",
}
# What a check says in words; the report says all.
SENTENCES = 6
# Characters of one of them: a policy of one's own may say anything.
LENGTH = 300


def verdicts(report: DriftReport) -> tuple[Verdict, ...]:
    """One fails on an error only, the other on a warning too."""
    told = in_short(report)
    return (
        Verdict(DRIFT, report.severity != "error", told, error=True),
        Verdict(SHIFT, report.verdict != "drift", told),
    )


def in_short(report: DriftReport) -> str:
    """The first of the sentences that decided, and which tests could not tell."""
    if not report.findings:
        return f"the policy {legible(report.policy, LENGTH)} made no test"
    sentences, lacking = [legible(one, LENGTH) for one in report.decided()], report.lacking()
    more = len(sentences) - SENTENCES
    shown = sentences if more <= 0 else [*sentences[:SENTENCES], f"and {more} more in the report"]
    return "; ".join(shown if lacking is None else [*shown, lacking])
