"""How a champion does, for people: its daily loss, how labels arrive, every day; and one page that holds all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from mlops_assets.data.legible import embedded, in_html
from mlops_assets.data.page import listed, section, table, whole
from mlops_assets.monitoring.estimates import CAVEAT, Audit, Estimate, Estimates, holds
from mlops_assets.monitoring.lines import Line, lines
from mlops_assets.monitoring.performance import Day, PerformanceReport

DAYS = ("day", "events", "labels", "expected", "log loss", "Brier", "version before", "estimated log loss")
AUDITS = (
    "metric",
    "audited days",
    "in their interval",
    "real less estimated",
    "off by",
    "mean would be off by",
    "so",
)
# Days that are shown in little space.
NEWEST = 31
# The metric that is shown in little space.
SHOWN = "log_loss"


def facts(report: PerformanceReport) -> dict[str, str]:
    """What is said in few words, by what it is about."""
    return {
        "verdict": report.verdict,
        "why": report.why,
        "champion": "none" if report.champion is None else f"version {report.champion}",
        "version before": report.without
        if report.predecessor is None
        else f"version {report.predecessor}: {_beside(report)}",
        "mature": "no label is known"
        if report.mature_after is None
        else f"{report.mature_at:.2%} of a day's labels are expected after {report.mature_after} days",
        "mature days": f"{len(report.losses)}, {sum(not one.mature for one in report.days)} are not mature",
        "new labels": f"{report.new_labels:,} since the champion was made",
        "estimate": _newest_estimate(report.estimates),
    }


def pictures(report: PerformanceReport) -> str:
    """Markdown: the daily loss, and how labels arrive."""
    return "\n".join(embedded(svg.encode(), "svg+xml", name) for name, svg in _drawn(report).items())


def newest_days(report: PerformanceReport) -> list[Sequence[str]]:
    """A row of cells for each of the newest days, the newest first."""
    estimated = _estimated(report)
    return [_cells(one, estimated) for one in reversed(report.days[-NEWEST:])]


def page(title: str, report: PerformanceReport) -> str:
    """A whole HTML page."""
    said = "warn" if report.verdict == "decayed" else "calm"
    figures = "".join(f"<figure>{svg}</figure>" for svg in _drawn(report).values())
    return whole(
        title,
        f'<p class="{said}">{in_html(report.verdict)}</p>',
        section("Why", listed([report.why])),
        section("At a glance", figures),
        section("What was looked at", table(("", ""), facts(report).items())),
        section(
            "All mature days since",
            table(("metric", "value", "95% interval"), _metrics(report.metrics, report.intervals)),
        ),
        section("Days without their labels", *_of_estimates(report.estimates)),
        section("Every day", table(DAYS, [_cells(one, _estimated(report)) for one in reversed(report.days)])),
    )


def _drawn(report: PerformanceReport) -> dict[str, str]:
    daily = {
        "when it was evaluated": report.evaluated,
        "since then": report.losses,
        "version before": report.predecessors,
    }
    days = sorted({day for one in daily.values() for day in one})
    drawn = {}
    if days:
        losses = [Line(name, [(_place(day), one[day]) for day in sorted(one)]) for name, one in daily.items()]
        drawn["daily log loss"] = lines("daily log loss", losses, [(_place(day), day) for day in _ends(days)])
    if report.estimates is not None and report.estimates.of(SHOWN):
        drawn["estimated log loss"] = _estimated_and_real(report.estimates.of(SHOWN))
    if report.arrival:
        known = Line("expected", list(enumerate([0.0, *report.arrival])))
        ends = [(0.0, "the event's day"), (float(len(report.arrival)), f"{len(report.arrival)} days after")]
        drawn["labels known"] = lines("share of labels known", [known], ends)
    return drawn


def _estimated_and_real(daily: Mapping[str, Estimate]) -> str:
    days = sorted(daily)
    estimated = Line("estimated then, with its interval", [(_place(day), daily[day].value) for day in days])
    real = [(_place(day), one.real) for day, one in sorted(daily.items()) if one.real is not None]
    return lines(
        "log loss of a day before its labels came, and by them",
        [estimated, Line("real", real)],
        [(_place(day), day) for day in _ends(days)],
        bars=[(_place(day), one.low, one.high) for day, one in sorted(daily.items())],
    )


def _estimated(report: PerformanceReport) -> Mapping[str, Estimate]:
    return {} if report.estimates is None else report.estimates.of(SHOWN)


def _newest_estimate(found: Estimates | None) -> str:
    """What may be said of the newest day, and how such words did before."""
    if found is None:
        return holds(found).reason
    told = {audit.metric: audit for audit in found.audits}
    if SHOWN not in told or not told[SHOWN].shown:
        return told[SHOWN].why if SHOWN in told else holds(found).reason
    ahead = [(day, metrics[SHOWN]) for day, metrics in found.shown.items() if SHOWN in metrics]
    if not ahead:
        return f"every day is mature; {told[SHOWN].why}"
    day, newest = ahead[-1]
    return f"log loss {_told(newest)} on {day}; {told[SHOWN].why}"


def _of_estimates(found: Estimates | None) -> list[str]:
    if found is None:
        return [listed([holds(found).reason])]
    ahead = [
        (day, name, _told(one))
        for day, metrics in reversed(found.shown.items())
        for name, one in metrics.items()
    ]
    return [
        listed([CAVEAT]),
        table(("day", "metric", f"estimate, {found.level:.0%} interval"), ahead),
        table(AUDITS, map(_audit, found.audits)),
    ]


def _audit(one: Audit) -> Sequence[str]:
    share = f"{one.covered / one.days:.0%}" if one.days else "–"
    figures = (f"{one.bias:+.4f}", f"{one.error:.4f}", f"{one.usual_error:.4f}")
    return (one.metric, str(one.days), share, *figures, one.why)


def _told(one: Estimate) -> str:
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"


def _place(day: str) -> float:
    return float(date.fromisoformat(day).toordinal())


def _ends(days: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((days[0], days[-1])))


def _beside(report: PerformanceReport) -> str:
    gained = list(report.improvement.values())
    if not gained:
        return "no day to compare on"
    return f"{sum(gained) / len(gained):+.4f} nats a day lost less, on {len(gained)} days"


def _metrics(metrics: Mapping[str, float], intervals: Mapping[str, list[float]]) -> list[Sequence[str]]:
    def interval(name: str) -> str:
        found = intervals.get(name)
        return "–" if found is None else f"{found[0]:.4f} to {found[1]:.4f}"

    return [(name, f"{value:.4f}", interval(name)) for name, value in metrics.items()]


def _cells(one: Day, estimated: Mapping[str, Estimate]) -> Sequence[str]:
    expected = "–" if one.expected is None else f"{one.expected:.2%}"
    measured = (one.log_loss, one.brier, one.predecessor)
    return (
        one.day,
        f"{one.events:,}",
        f"{one.labels:,}",
        expected if one.mature or one.expected is None else f"{expected}, not mature",
        *("–" if value is None else f"{value:.4f}" for value in measured),
        _told(estimated[one.day]) if one.day in estimated else "–",
    )
