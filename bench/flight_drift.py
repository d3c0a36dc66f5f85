"""A champion that is never replaced, March to December: what the drift checks said, and what it really lost.

Version 1 of flight_delay, as of 1 March 2013, is watched week by week. Its loss in a week is compared with
its loss on the rows it was released on; days are the units, and the interval is Student's.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
from rich.console import Console
from scipy.special import stdtrit

from bench.hindsight import daily_losses, home, options, tell

FIRST, LAST = date(2013, 3, 15), date(2013, 12, 31)
TITLE = "flight_delay version 1, week by week"
HEADS = ("as of", "rows", "drift", "errors", "warnings", "log loss", "grown by", "surely")
SUMMARY_TITLE = "What was said, and whether the loss had surely grown"
SUMMARY_HEADS = ("said", "weeks", "loss surely grown", "not surely")
MODEL, CHAMPION_AS_OF = "flight_delay", date(2013, 3, 1)


def main() -> None:
    arguments = options("flight_drift", __doc__)
    with home(arguments.home):
        weeks = list(watched())
    tables = [(SUMMARY_TITLE, SUMMARY_HEADS, summed(weeks)), (TITLE, HEADS, told(weeks))]
    tell(TITLE, __doc__, tables, arguments.markdown)


def watched() -> Iterator[dict]:
    """One row for each week: what the report said, and the champion's losses day by day."""
    from mlops_assets.cli.commands import bring_up_to
    from mlops_assets.cli.deployment import deployment
    from mlops_assets.cli.execution import execute
    from mlops_assets.graph import keys
    from mlops_assets.graph.plan import PlannedRun, Written, data_runs

    console = Console()
    with deployment() as opened:
        bring_up_to(opened, MODEL, [CHAMPION_AS_OF], again=False, console=console)
        model, records = opened.project.model(MODEL), opened.stores.records
        written = Written(records.code_versions, opened.project.code_version, records.outdated)
        for run in data_runs(
            opened.project.catalog, model, written, first_as_of=CHAMPION_AS_OF, last_as_of=LAST
        ):
            execute(opened, run, console)
        report_key = keys.of_model(MODEL, "drift_report")
        champion = opened.stores.releases.champion(MODEL).artifact_digest
        (reference,) = daily_losses(opened, model, CHAMPION_AS_OF, model.window.evaluate_days, [champion])
        as_of = FIRST
        while as_of <= LAST:
            day = as_of.isoformat()
            execute(opened, PlannedRun(f"drift as of {day}", (report_key,), day, day), console)
            yield {
                "as_of": day,
                "report": report_of(opened, report_key, day),
                "reference": reference,
                "losses": daily_losses(opened, model, as_of, model.drift.window_days, [champion])[0],
            }
            as_of += timedelta(days=model.drift.window_days)


def report_of(opened, key, day):
    import json

    from mlops_assets.graph.keys import table_name
    from mlops_assets.monitoring.findings import DriftReport

    pinned = opened.stores.lake.pin(table_name(key), [day])
    (row,) = opened.stores.engine.rows("SELECT report FROM reports", {"reports": pinned}).to_pylist()
    return DriftReport.from_dict(json.loads(row["report"]))


def growth(reference: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """By how much the mean daily loss grew, and half of its 95% interval (Welch)."""
    parts = [sample.var(ddof=1) / len(sample) for sample in (losses, reference)]
    spread = sum(parts)
    degrees = spread**2 / sum(
        part**2 / (len(sample) - 1) for part, sample in zip(parts, (losses, reference), strict=True)
    )
    return float(losses.mean() - reference.mean()), float(stdtrit(degrees, 0.975) * np.sqrt(spread))


def told(weeks: list[dict]) -> list[list[str]]:
    """A row for each week."""
    rows = []
    for week in weeks:
        report, (grown, half) = week["report"], growth(week["reference"], week["losses"])
        rows.append(
            [
                week["as_of"],
                f"{report.rows:,}",
                report.severity or report.verdict,
                ", ".join(names(report, "error")),
                ", ".join(names(report, "warn")),
                f"{week['losses'].mean():.4f}",
                f"{grown:+.4f} ± {half:.4f}",
                "grown" if grown > half else "",
            ]
        )
    return rows


def summed(weeks: list[dict]) -> list[list[str]]:
    """How many weeks of each verdict, and in how many of these the loss had surely grown."""
    counts: dict[tuple[str, bool], int] = {}
    for week in weeks:
        grown, half = growth(week["reference"], week["losses"])
        said = week["report"].severity or week["report"].verdict
        counts[said, grown > half] = counts.get((said, grown > half), 0) + 1
    rows = []
    for said in ("error", "warn", "stable", "not enough data"):
        grown, calm = counts.get((said, True), 0), counts.get((said, False), 0)
        rows.append([said, str(grown + calm), str(grown), str(calm)])
    return rows


def names(report, severity: str) -> list[str]:
    found = [finding for finding in report.findings if finding.severity == severity]
    return [finding.column + (" (missing)" if finding.test == "missing" else "") for finding in found]


if __name__ == "__main__":
    main()
