"""What was found of a batch, for people: a table of the worst, pictures, and one page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_assets.data.legible import embedded, in_html, in_markdown
from mlops_assets.data.page import listed, section, whole
from mlops_assets.monitoring.comparison import BEYOND_RANGE, WASSERSTEIN
from mlops_assets.monitoring.findings import DriftReport, Finding
from mlops_assets.monitoring.picture import overlaid
from mlops_assets.monitoring.profile import Profile

RANK = {("drift", "error"): 0, ("drift", "warn"): 1, ("stable", None): 2, ("not enough data", None): 3}
# What else was measured, in the order in which it is shown.
FIGURES = {
    "p_value": "p",
    "jensen_shannon_distance": "JS distance (base 2)",
    "population_stability_index": "PSI",
    WASSERSTEIN: "Wasserstein (sd)",
    "effective_rows": "effective rows",
}
# Characters of a cell of the short table.
CELL = 60


def worst_first(report: DriftReport) -> list[Finding]:
    """Errors, warnings, what is stable, what cannot be told; of each the greatest effect first."""
    return sorted(
        report.findings, key=lambda one: (RANK[one.verdict, one.severity], -(one.effect or 0), one.column)
    )


def table(report: DriftReport, *, most: int = 10) -> str:
    """Markdown: the worst findings."""
    header = ["column", "test", "verdict", "effect", *FIGURES.values()]
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    for one in worst_first(report)[:most]:
        lines.append(" | ".join(in_markdown(cell, CELL) for cell in _cells(one)))
    return "\n".join(f"| {line} |" for line in lines)


def pictures(report: DriftReport, reference: Profile, batch: Profile, *, most: int = 4) -> str:
    """Markdown: the distributions of the columns with the worst findings, as pictures inside the text."""
    drawn = []
    for column in _columns(report, reference)[:most]:
        svg = overlaid(reference.columns[column], batch.columns[column])
        drawn.append(embedded(svg.encode(), "svg+xml", column))
    return "\n".join(drawn)


def page(
    title: str, report: DriftReport, reference: Profile, batch: Profile, about: Mapping[str, str]
) -> str:
    """A whole HTML page: the verdict, why, every finding and every picture."""
    verdict = report.verdict if report.severity is None else f"{report.verdict} ({report.severity})"
    facts = "".join(
        f'<tr><th>{in_html(name)}</th><td class="words">{in_html(value)}</td></tr>'
        for name, value in about.items()
    )
    header = "".join(
        f"<th>{name}</th>" for name in ("column", "test", "verdict", "effect", *FIGURES.values())
    )
    body = "".join(_row(one) for one in worst_first(report))
    figures = "".join(
        f"<figure>{overlaid(reference.columns[column], batch.columns[column])}</figure>"
        for column in _columns(report, reference)
    )
    said = f"{in_html(verdict)}: {report.rows:,} rows, policy {in_html(report.policy)}"
    return whole(
        title,
        f'<p class="{report.severity or "calm"}">{said}</p><table>{facts}</table>',
        section("Why", listed(report.told())),
        section("Distributions", figures),
        section("Every test", f"<table><tr>{header}<th>in words</th></tr>{body}</table>"),
    )


def _columns(report: DriftReport, reference: Profile) -> Sequence[str]:
    """Every column that has a picture, the worst first; pairs, and what a policy names itself, have none."""
    return list(dict.fromkeys(one.column for one in worst_first(report) if one.column in reference.columns))


def _row(one: Finding) -> str:
    column, test, verdict, *numbers = _cells(one)
    words = "".join(f'<td class="words">{in_html(cell)}</td>' for cell in (column, test))
    figures = "".join(f'<td class="number">{in_html(cell)}</td>' for cell in numbers)
    return (
        f'<tr>{words}<td class="{one.severity or "calm"}">{verdict}</td>{figures}'
        f'<td class="words">{in_html(one.sentence)}</td></tr>'
    )


def _cells(one: Finding) -> list[str]:
    verdict = one.severity or one.verdict
    effect = "–" if one.effect is None else f"{one.effect:.3f}"
    return [one.column, one.test, verdict, effect, *(_told(one, name) for name in FIGURES)]


def _told(one: Finding, name: str) -> str:
    """A figure, and that it is a lower bound where it is one."""
    figure = _figure(name, one.values.get(name))
    clipped = name == WASSERSTEIN and one.values.get(BEYOND_RANGE, 0.0) > 0
    return f"at least {figure}" if clipped else figure


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return (
        f"{value:,.0f}"
        if name == "effective_rows"
        else f"{value:.2g}"
        if name == "p_value"
        else f"{value:.3f}"
    )
