"""What commands print: one table per question."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.governance.evidence import Evidence
from mlops_assets.stores.releases import Release
from mlops_assets.stores.suites import SuiteResult

VERDICT_STYLE = {"promote": "bold green", "hold": "bold yellow", "not enough data": "bold magenta"}
METRICS = {"roc_auc": "ROC AUC", "log_loss": "log loss", "brier": "Brier", "calibration_error": "calibr."}


def print_history(console: Console, model: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Every verdict on a model with what it rests on, the newest last, then why."""
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
