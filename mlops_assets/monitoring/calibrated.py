"""The default policy: it speaks when a column surely moved by an amount that matters.

Five hurdles, each against a kind of false alarm: the false discovery rate (many tests), the
effective sample size (dependence), a floor under the lower confidence bound of the effect (large
samples), the column's own history (harmless wobble), and a second window in a row (chance, but not the
luck of a short reference, which all windows share).
bench/drift_calibration.py measures what it lets through.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_assets.declaration.drift import DriftLimits
from mlops_assets.monitoring.comparison import LEAST_MISSING, MISSING, Comparison, comparisons
from mlops_assets.monitoring.findings import DriftReport, Finding, Severity, Verdict, report
from mlops_assets.monitoring.multiplicity import rejected
from mlops_assets.monitoring.profile import Profile
from mlops_assets.monitoring.unseen import unseen

_DECLARED = DriftLimits()


@dataclass(frozen=True)
class Limits:
    """The constants of the policy; those that a model may declare have their defaults there.

    false_discovery_rate: over all tests of a batch. error_false_discovery_rate: the smaller one
    that a single window must stand to be an error. confidence: of the lower bound of an effect.
    warn_at, error_at: floors of that bound for distributions (D or total variation: the share of
    rows that moved); missing_warn_at, missing_error_at: for the share of missing values.
    unseen_warn_at: the share of rows with values that the reference never held; never an error by itself.
    column_warn_at: column -> its own first floor. history_sds: how many standard deviations
    above its mean in earlier, stable windows an effect must lie, once there are
    ``history_at_least`` of them. windows: a warning that many windows in a row is an error,
    where the reference holds ``reference_windows_at_least`` windows like it, or no blocks.
    rows_at_least, effective_rows_at_least: with fewer, a test says that there is not enough data.
    """

    false_discovery_rate: float = 0.01
    error_false_discovery_rate: float = 0.001
    confidence: float = 0.95
    warn_at: float = _DECLARED.warn_at
    error_at: float = _DECLARED.error_at
    missing_warn_at: float = _DECLARED.missing_warn_at
    missing_error_at: float = _DECLARED.missing_error_at
    unseen_warn_at: float = _DECLARED.unseen_warn_at
    column_warn_at: Mapping[str, float] = field(default_factory=dict)
    history_sds: float = 4.0
    history_at_least: int = 8
    windows: int = 2
    reference_windows_at_least: float = 10.0
    rows_at_least: int = _DECLARED.rows_at_least
    effective_rows_at_least: float = 30.0


def calibrated(
    reference: Profile, batch: Profile, history: Sequence[DriftReport] = (), *, limits: Limits | None = None
) -> DriftReport:
    """Judge a batch against a reference.

    history: reports of earlier windows against the same reference, oldest first. Season is a
    matter of the reference: give one of the same weekdays, or one that spans whole seasons in
    blocks as large as the batch, whose differences then count as wobble.
    Raises ValueError when the batch was not counted in the reference's cells.
    """
    with_limits = limits or Limits()
    made = list(comparisons(reference, batch))
    findings = [*_findings(made, history, with_limits), *_unseen(reference, batch, with_limits)]
    return report("calibrated", batch.rows, findings)


def _unseen(reference: Profile, batch: Profile, limits: Limits) -> Iterator[Finding]:
    """Of the inputs; a label or score beyond the known ones has moved, which is tested."""
    for name, column in reference.columns.items():
        enough = batch.columns[name].usable >= limits.rows_at_least
        if column.watched.role == "feature" and enough:
            found = unseen(column, batch.columns[name], limits.unseen_warn_at)
            if found is not None:
                yield found


def _findings(
    made: Sequence[Comparison], history: Sequence[DriftReport], limits: Limits
) -> Iterator[Finding]:
    enough = [_lacks(comparison, limits) is None for comparison in made]
    p_values = [each.p_value for each, usable in zip(made, enough, strict=True) if usable]
    believed = iter(
        zip(
            rejected(p_values, limits.false_discovery_rate),
            rejected(p_values, limits.error_false_discovery_rate),
            strict=True,
        )
    )
    earlier = _earlier(history)
    for comparison, usable in zip(made, enough, strict=True):
        if usable:
            before = earlier[comparison.column, comparison.test]
            yield _judged(comparison, *next(believed), before, limits)
        else:
            sentence = f"{_subject(comparison)}: {_lacks(comparison, limits)}"
            yield _finding(comparison, "not enough data", None, sentence)


def _lacks(comparison: Comparison, limits: Limits) -> str | None:
    """What a test lacks to be worth making, or None."""
    if comparison.rows < limits.rows_at_least:
        return f"{comparison.rows:,} rows with a value, at least {limits.rows_at_least:,} are needed"
    if comparison.effective_rows < limits.effective_rows_at_least:
        return (
            f"{comparison.rows:,} rows that depend on each other tell as much as "
            f"{comparison.effective_rows:.0f} independent ones, "
            f"at least {limits.effective_rows_at_least:.0f} are needed"
        )
    if not comparison.tested and comparison.effect >= limits.missing_warn_at:
        return _untested(comparison)
    return None


def _untested(comparison: Comparison) -> str:
    """Why a share of missing values that moved by an amount that matters could not be told from chance."""
    was, is_now = comparison.values["reference_share"], comparison.values["batch_share"]
    effective = max(was, is_now) * comparison.effective_rows
    depend = ", as they depend on each other," if comparison.values["design_effect"] > 1 else ""
    return (
        f"{was:.1%} of the reference and {is_now:.1%} of {comparison.rows:,} rows have no value; "
        f"these tell{depend} as much as {effective:.1f} independent ones, at least {LEAST_MISSING} are needed"
    )


def _judged(
    comparison: Comparison,
    believed: bool,
    believed_at_once: bool,
    earlier: Sequence[Finding | None],
    limits: Limits,
) -> Finding:
    bound = comparison.at_least(limits.confidence)
    warn_at, error_at = _floors(comparison, limits)
    usual = _usual(earlier, limits)
    values = {"at_least": bound, "floor": warn_at, "error_floor": error_at}
    if usual is not None:
        values["usual_at_most"] = usual
    measured = f"{_subject(comparison)}: {comparison.measure} {comparison.effect:.3f}"
    sure = f"{measured}, at least {bound:.3f} with {limits.confidence:.0%} confidence"
    if not believed:
        rate = f"{limits.false_discovery_rate:.0%}"
        sentence = (
            f"{measured} (p {comparison.p_value:.2g}) may be chance at a false discovery rate of {rate}"
        )
        return _finding(comparison, "stable", None, sentence, values)
    if bound <= warn_at:
        return _finding(comparison, "stable", None, f"{sure}; above {warn_at:g} matters", values)
    if usual is not None and comparison.effect <= usual:
        sentence = f"{measured} is usual: earlier windows suggest up to {usual:.3f}"
        return _finding(comparison, "stable", None, sentence, values)
    if believed_at_once and bound > error_at:
        return _finding(comparison, "drift", "error", f"{sure}; above {error_at:g} is an error", values)
    if _warned(earlier, limits.windows - 1):
        again = f"{sure}; above {warn_at:g} in {limits.windows} windows in a row"
        if comparison.windows >= limits.reference_windows_at_least:
            return _finding(comparison, "drift", "error", f"{again} is an error", values)
        few = (
            f"the reference has only {comparison.windows:.1f} windows like this one, and may lie apart itself"
        )
        return _finding(comparison, "drift", "warn", f"{again} is a warning: {few}", values)
    return _finding(comparison, "drift", "warn", f"{sure}; above {warn_at:g} is a warning", values)


def _floors(comparison: Comparison, limits: Limits) -> tuple[float, float]:
    if comparison.test == MISSING:
        return limits.missing_warn_at, limits.missing_error_at
    return limits.column_warn_at.get(comparison.column, limits.warn_at), limits.error_at


def _earlier(history: Sequence[DriftReport]) -> dict[tuple[str, str], list[Finding | None]]:
    """What each earlier window said of a test, oldest first; None where it did not make it."""
    found: dict[tuple[str, str], list[Finding | None]] = defaultdict(lambda: [None] * len(history))
    for window, report_of_it in enumerate(history):
        for finding in report_of_it.findings:
            found[finding.column, finding.test][window] = finding
    return found


def _usual(earlier: Sequence[Finding | None], limits: Limits) -> float | None:
    """The greatest effect that earlier stable windows let expect; None when there are too few."""
    effects = [
        each.effect
        for each in earlier
        if each is not None and each.verdict == "stable" and each.effect is not None
    ]
    if len(effects) < limits.history_at_least:
        return None
    mean = math.fsum(effects) / len(effects)
    variance = math.fsum((effect - mean) ** 2 for effect in effects) / (len(effects) - 1)
    return mean + limits.history_sds * math.sqrt(variance * (1 + 1 / len(effects)))


def _warned(earlier: Sequence[Finding | None], windows: int) -> bool:
    """Whether the same test said drift in each of the last ``windows`` windows."""
    if windows < 1 or len(earlier) < windows:
        return windows < 1
    return all(each is not None and each.verdict == "drift" for each in earlier[-windows:])


def _subject(comparison: Comparison) -> str:
    return f"{comparison.column} (missing values)" if comparison.test == MISSING else comparison.column


def _finding(
    comparison: Comparison,
    verdict: Verdict,
    severity: Severity | None,
    sentence: str,
    values: Mapping[str, float] | None = None,
) -> Finding:
    measured = verdict != "not enough data"
    measures = {
        "p_value": comparison.p_value,
        "effective_rows": comparison.effective_rows,
        **comparison.values,
        **(values or {}),
    }
    return Finding(
        column=comparison.column,
        test=comparison.test,
        verdict=verdict,
        severity=severity,
        measure=comparison.measure,
        effect=comparison.effect if measured else None,
        sentence=sentence,
        values=measures if measured else {"rows": float(comparison.rows)},
    )
