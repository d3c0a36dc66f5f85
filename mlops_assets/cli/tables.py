"""What commands print: one table per question."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.releases import Release
from mlops_assets.stores.suites import SuiteResult

if TYPE_CHECKING:
    from mlops_assets.monitoring.findings import DriftReport

VERDICT_STYLE = {
    "promote": "bold green",
    "hold": "bold yellow",
    "not enough data": "bold magenta",
    "override": "bold red",
}
DRIFT_STYLE = {
    "error": "bold red",
    "warn": "bold yellow",
    "drift": "bold red",
    "stable": "green",
    "not enough data": "magenta",
}
FINDINGS_SHOWN = 12
FAILURES_SHOWN = 8
VERDICTS_SHOWN = 12
METRICS = {"roc_auc": "ROC AUC", "log_loss": "log loss", "brier": "Brier", "calibration_error": "calibr."}


def print_history(console: Console, model: str, history: Sequence[Mapping[str, Any]]) -> None:
    """The newest verdicts on a model with what they rest on, the last one last, then why."""
    if len(history) > VERDICTS_SHOWN:
        earlier = len(history) - VERDICTS_SHOWN
        console.print(f"[dim]… and {earlier} earlier verdicts, all in the asset {model}/release[/]")
        history = history[-VERDICTS_SHOWN:]
    table = Table(title=f"{model}: verdicts", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("as of", "", *METRICS.values(), "verdict"):
        table.add_column(column, no_wrap=True)
    for decided in history:
        made = f" → v{decided['version']}" if decided["version"] else ""
        table.add_section()
        first, *others = _measured(Evidence.from_dict(decided["measured"]))
        table.add_row(decided["as_of"], *first, _styled(decided["verdict"]) + made)
        for other in others:
            table.add_row("", *other, "", style="dim")
    console.print(table)
    for decided in history:
        console.print(f"{decided['as_of']}: {_styled(decided['verdict'])}, because", highlight=False)
        for sentence in _why(decided):
            console.print(f"  • {sentence}", highlight=False)


def print_champion(console: Console, model: str, champion: Release | None) -> None:
    """Who reigns."""
    if champion is None:
        console.print(f"{model} has no released version yet.")
        return
    console.print(
        f"Champion: [bold]{model} version {champion.version}[/], as of {champion.as_of}, "
        f"released {champion.released_at} (MLflow version {champion.mlflow_version or 'not shown yet'}, "
        f"artifact {champion.artifact_digest[:12]})",
        highlight=False,
    )


def print_data(console: Console, rows: Sequence[tuple[str, int, str, str, int, int]]) -> None:
    """Tables with their partitions: name, how many, first, last, rows, quarantined rows."""
    table = Table(title="data", title_justify="left", box=SIMPLE_HEAD)
    for column, justify in (
        ("table", "left"),
        ("partitions", "right"),
        ("first", "left"),
        ("last", "left"),
        ("rows", "right"),
        ("set aside", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for name, partitions, first, last, count, aside in rows:
        table.add_row(name, str(partitions), first, last, f"{count:,}", f"{aside:,}")
    console.print(table)


def print_failed(console: Console, failed: Sequence[tuple[str, str, Verdict]]) -> None:
    """The checks that failed for the data below: what blocks, then the newest days."""
    worst = sorted(failed, key=lambda one: one[1], reverse=True)
    worst.sort(key=lambda one: not one[2].blocking)
    for name, partition, verdict in worst[:FAILURES_SHOWN]:
        style = "bold red" if verdict.blocking or verdict.error else "yellow"
        console.print(
            f"[{style}]{name} {partition}: {verdict.check}[/]: {escape(verdict.reason)}",
            highlight=False,
        )
    if len(worst) > FAILURES_SHOWN:
        console.print(f"[dim]… and {len(worst) - FAILURES_SHOWN} more failed checks, all in the UI[/]")


def print_drift(console: Console, report: "DriftReport", *, baseline: str, batch: str) -> None:
    """The verdict, why, and the worst columns."""
    from mlops_assets.monitoring.page import worst_first

    style = DRIFT_STYLE[report.severity or report.verdict]
    severity = f" ({report.severity})" if report.severity else ""
    console.print(
        f"{escape(batch)} beside {escape(baseline)}: [{style}]{report.verdict}{severity}[/], "
        f"{report.rows:,} rows, policy {escape(report.policy)}",
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("column", "test", "", "why"):
        table.add_column(column)
    for finding in worst_first(report)[:FINDINGS_SHOWN]:
        said = finding.severity or finding.verdict
        why = finding.sentence.partition(": ")[2] or finding.sentence
        table.add_row(
            escape(finding.column), escape(finding.test), f"[{DRIFT_STYLE[said]}]{said}[/]", escape(why)
        )
    console.print(table)


def print_suite(console: Console, name: str, results: Sequence[SuiteResult]) -> None:
    """What Great Expectations says of each expectation."""
    table = Table(title=f"{name}: Great Expectations", title_justify="left", box=SIMPLE_HEAD)
    for column in ("check", "expectation", "severity", "", "found"):
        table.add_column(column)
    for one in results:
        answer = (
            "[bold green]passed[/]"
            if one.passed
            else "[bold red]could not run[/]"
            if one.error
            else "[bold red]failed[/]"
        )
        found = escape(one.error or str(one.observed))
        table.add_row(one.check, escape(one.expectation), one.severity, answer, found)
    console.print(table)


def _styled(verdict: str) -> str:
    return f"[{VERDICT_STYLE[verdict]}]{verdict}[/]"


def _measured(evidence: Evidence) -> list[list[str]]:
    """The model's metrics, then those of what it is compared with."""
    rows = [("model", evidence.metrics), ("baseline", evidence.baseline)]
    if evidence.champion is not None:
        rows.append((f"v{evidence.champion.champion_version}", evidence.champion.metrics))
    return [[who, *(f"{m[name]:.4f}" if name in m else "–" for name in METRICS)] for who, m in rows]


def _why(decided: Mapping[str, Any]) -> list[str]:
    objections = [r["sentence"] for r in decided["reasons"] if r["answer"] != "promote"]
    return objections or [r["sentence"] for r in decided["reasons"]]
