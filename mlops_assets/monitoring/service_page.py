"""A day of a service, for people: how fast, how reliable and of which classes it was, and what differed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_assets.data.legible import embedded
from mlops_assets.data.page import listed, section, table, whole
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.monitoring.lines import Line, lines
from mlops_assets.monitoring.service import HOUR, MINUTE, ServiceReport

HOURS = ("hour (UTC)", "version", "rows", "positive", "when evaluated", "divergence (bits)")
FEATURES = ("feature", "rows", "with a value", "differing", "largest difference")
EXAMPLES = ("feature", "request", "row", "served", "known")


def facts(found: ServiceReport) -> dict[str, str]:
    """What is said in few words, by what it is about."""
    times = found.milliseconds
    asked = sum(found.statuses.values())
    return {
        "requests": f"{found.requests:,} answered, with {found.rows:,} rows",
        "latency": ", ".join(f"{name} {value:.1f} ms" for name, value in times.items())
        or "nothing was answered",
        "failed": "no window was written down" if not asked else f"{found.failed:,} of {asked:,} requests",
        "statuses": _counted(found.statuses),
        "why not answered": _counted(found.kinds),
        "compared with offline": f"{found.parity.rows:,} rows",
    }


def pictures(found: ServiceReport) -> str:
    """Markdown: p95 by minute, and by hour the classes and what failed."""
    return "\n".join(embedded(svg.encode(), "svg+xml", name) for name, svg in _drawn(found).items())


def hours(found: ServiceReport) -> list[Sequence[str]]:
    """A row of cells for each hour and version."""
    return [
        (
            one.at,
            str(one.version),
            f"{one.rows:,}",
            f"{one.positive / one.rows:.2%}",
            "–" if one.expected is None else f"{one.expected:.2%}",
            "–" if one.divergence is None else f"{one.divergence:.4f}",
        )
        for one in found.classes
    ]


def features(found: ServiceReport) -> list[Sequence[str]]:
    """A row of cells for each feature, the worst first."""
    return [
        (
            one.feature,
            f"{one.compared:,}",
            f"{one.present:,}",
            f"{one.differing:,}",
            "–" if one.max_difference is None else f"{one.max_difference:.6g}",
        )
        for one in sorted(found.parity.features, key=lambda one: -one.differing)
    ]


def page(title: str, found: ServiceReport, said: Sequence[Verdict]) -> str:
    """A whole HTML page."""
    figures = "".join(f"<figure>{svg}</figure>" for svg in _drawn(found).values())
    told = [f"{one.check}: {'passed' if one.passed else 'did not pass'}. {one.reason}" for one in said]
    examples = [
        (one.feature, one.request_id, str(one.row), str(one.served), str(one.known))
        for one in found.parity.examples
    ]
    return whole(
        title,
        section("What the checks say", listed(told)),
        section("At a glance", figures),
        section("The day", table(("", ""), facts(found).items())),
        section("Classes by hour", table(HOURS, hours(found))),
        section("Features served beside those that were known", table(FEATURES, features(found))),
        section("Examples of what differed", table(EXAMPLES, examples)),
        section("Not compared", listed(found.parity.why_not)),
    )


def _drawn(found: ServiceReport) -> dict[str, str]:
    drawn = {}
    if found.minutes:
        points = [(_place(one.at[:MINUTE]), one.p95) for one in found.minutes]
        ends = _ends([one.at[:MINUTE] for one in found.minutes])
        drawn["latency"] = lines("p95 by minute, ms", [Line("p95", points)], ends)
        failed = [(_place(f"{one.at}:00"), one.share) for one in found.errors]
        drawn["errors"] = lines("share of requests that failed, by hour", [Line("failed", failed)], ends)
    if found.classes:
        answered = [(_place(f"{one.at}:00"), one.positive / one.rows) for one in found.classes]
        expected = [
            (_place(f"{one.at}:00"), one.expected) for one in found.classes if one.expected is not None
        ]
        drawn["classes"] = lines(
            "share of the positive class, by hour",
            [Line("when evaluated", expected), Line("answered", answered)],
            _ends([f"{one.at[:HOUR]}:00" for one in found.classes]),
        )
    return drawn


def _place(moment: str) -> float:
    return datetime.fromisoformat(f"{moment}:00+00:00").timestamp()


def _ends(moments: Sequence[str]) -> list[tuple[float, str]]:
    return [(_place(one), one) for one in dict.fromkeys((moments[0], moments[-1]))]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
