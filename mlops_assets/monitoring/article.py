"""The rules that articles on monitoring give, to the letter: for comparison, and for those who ask.

Any feature whose Kolmogorov-Smirnov (or chi-square) p-value is below 0.05 is drift, and so is a
score whose Jensen-Shannon distance (base 2) exceeds 0.15. With twenty-five features the first
rule alone speaks on most quiet days: it corrects for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_assets.monitoring.comparison import Comparison, distribution
from mlops_assets.monitoring.findings import DriftReport, Finding, report
from mlops_assets.monitoring.profile import ColumnProfile, Profile

SIGNIFICANCE = 0.05
SCORE_DISTANCE = 0.15


def article(reference: Profile, batch: Profile, history: Sequence[DriftReport] = ()) -> DriftReport:
    """Judge features by p-value and scores by distance; labels are not looked at, nor is history."""
    del history
    findings = [
        _finding(column, distribution(column, batch.columns[name]))
        for name, column in reference.columns.items()
        if column.watched.role != "label"
    ]
    return report("article", batch.rows, findings)


def _finding(column: ColumnProfile, comparison: Comparison) -> Finding:
    name = column.watched.name
    if not comparison.rows:
        sentence = f"{name}: no values to compare"
        return Finding(name, comparison.test, "not enough data", None, comparison.measure, None, sentence)
    if column.watched.role == "score":
        distance = comparison.values["jensen_shannon_distance"]
        drifted = distance > SCORE_DISTANCE
        measure, effect = "Jensen-Shannon distance (base 2)", distance
        sentence = f"{name}: {measure} {distance:.3f}, above {SCORE_DISTANCE:g} is drift"
    else:
        p_value = comparison.values["p_value_of_independent_rows"]
        drifted = p_value < SIGNIFICANCE
        measure, effect = comparison.measure, comparison.effect
        sentence = f"{name}: {measure} {effect:.3f}, p {p_value:.2g}, below {SIGNIFICANCE:g} is drift"
    return Finding(
        name,
        comparison.test,
        "drift" if drifted else "stable",
        "error" if drifted else None,
        measure,
        effect,
        sentence,
        comparison.values,
    )
