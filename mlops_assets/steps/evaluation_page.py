"""An evaluation for people: tables, and one page that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.data.page import listed, section, table, whole
from mlops_assets.governance.evidence import Evidence, Group, Slice
from mlops_assets.modeling.report import evaluation_plot, foundations_plot
from mlops_assets.steps.evaluation import Evaluation
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

PAGE = "evaluation.html"
STALENESS = "log_loss"
Rows = list[list[str]]


def pictures(found: Evaluation) -> tuple[bytes, bytes]:
    """How well it does, and what that rests on."""
    ages = [(one.days, one.metrics[STALENESS]) for one in found.stale if STALENESS in one.metrics]
    if STALENESS in found.evidence.metrics:
        ages = [(0, found.evidence.metrics[STALENESS]), *ages]
    return (
        evaluation_plot(found.labels, found.scores, title=title(found.evidence)),
        foundations_plot(found.importance, ages, metric=STALENESS),
    )


def show(
    stores: Stores, tracking: Tracking, found: Evaluation, drawn: tuple[bytes, bytes], run_id: str
) -> Path:
    """Write the page, show it with the MLflow run, and say where it is."""
    text = page(found, drawn)
    tracking.add_page(run_id, PAGE, text)
    return stores.reports.save(f"{found.evidence.model}/{found.evidence.as_of}/{PAGE}", text)


def title(evidence: Evidence) -> str:
    """What was evaluated on what."""
    return (
        f"{evidence.model} as of {evidence.as_of}: {evidence.rows:,} rows, "
        f"{evidence.first_day} to {evidence.last_day}"
    )


def page(found: Evaluation, drawn: tuple[bytes, bytes]) -> str:
    """The whole report."""
    evidence = found.evidence
    images = [
        f'<p><img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>' for png in drawn
    ]
    return whole(
        title(evidence),
        section("Metrics", table(*metrics(evidence)), images[0]),
        section("Notes", listed(evidence.notes)),
        section("Line of calibration", table(["", "value"], _figures(evidence.calibration))),
        section("Slices", table(*slice_table(evidence.slices))),
        *(section(f"Fairness by {one.column}", *_group(one)) for one in evidence.groups),
        section("Beside the champion's answers", table(["", "value"], _figures(evidence.stability))),
        section("Behaviour", table(*behaviour_table(evidence))),
        section("Arithmetic", table(["", "value"], _figures(evidence.numeric))),
        section(
            "Milliseconds for one row, and for many at once",
            table(["", "value"], _figures(evidence.milliseconds)),
        ),
        section("What it rests on", images[1], table(["input", "log loss lost"], _figures(found.importance))),
        section("Models of earlier dates on the same rows", table(*_stale(found))),
    )


def metrics(evidence: Evidence) -> tuple[list[str], Rows]:
    """A row for each metric: the model's with its interval, the baseline's, and the champion's where there is one."""
    header = ["", "model", "95% interval", "baseline"]
    champion = evidence.champion.metrics if evidence.champion else {}
    if evidence.champion:
        header.append(f"champion, version {evidence.champion.champion_version}")
    names = sorted({*evidence.metrics, *evidence.baseline, *champion})
    rows = [
        [
            name,
            _number(evidence.metrics.get(name)),
            _interval(evidence.intervals.get(name, [])),
            _number(evidence.baseline.get(name)),
            *([_number(champion.get(name))] if evidence.champion else []),
        ]
        for name in names
    ]
    return header, rows


def slice_table(slices: list[Slice]) -> tuple[list[str], Rows]:
    """A row for each slice, with by how much its log loss is lower than the baseline's and the champion's."""
    header = [
        "slice",
        "rows",
        "positive",
        "log loss",
        "ROC AUC",
        "better than the baseline",
        "than the champion",
    ]
    return header, [_slice(one) for one in slices]


def behaviour_table(evidence: Evidence) -> tuple[list[str], Rows]:
    """A row for each declared invariance and direction."""
    header = ["input", "test", "rows", "against it", "largest"]
    rows = [
        [one.column, one.kind, f"{one.rows:,}", f"{one.violations:.1%}", f"{one.largest:.4f}"]
        for one in evidence.behaviour
    ]
    return header, rows


def _slice(one: Slice) -> list[str]:
    named = [f"{one.column} = {one.value}", f"{one.rows:,}", f"{one.positives:,}"]
    if one.too_few:
        return [*named, "too few rows", "", "", ""]
    better = [_mean(found.get(STALENESS, [])) for found in (one.baseline, one.champion)]
    return [*named, _number(one.metrics.get("log_loss")), _number(one.metrics.get("roc_auc")), *better]


def _group(one: Group) -> Iterator[str]:
    header = ["value", "rows", "positive", "selected", "selected of positives"]
    yield table(
        header,
        [
            [
                each["value"],
                f"{each['rows']:,}",
                f"{each['positives']:,}",
                f"{each['selected']:.3f}",
                _number(each["selected_of_positives"]),
            ]
            for each in one.treated
        ],
    )
    figures = [
        ["selection ratio", _number(one.selection_ratio), _interval(one.selection_ratio_interval)],
        ["opportunity gap", _number(one.opportunity_gap), _interval(one.opportunity_gap_interval)],
    ]
    yield table(["", "value", "95% interval"], figures)
    yield listed([f"too few rows: {', '.join(one.too_few)}"] if one.too_few else [])


def _stale(found: Evaluation) -> tuple[list[str], Rows]:
    names = sorted(found.evidence.metrics)
    rows = [
        [one.as_of, f"{one.days}", *(_number(one.metrics.get(name)) for name in names)] for one in found.stale
    ]
    return ["as of", "days earlier", *names], rows


def _figures(found: dict[str, float]) -> Rows:
    return [[name, f"{value:.4g}"] for name, value in found.items()]


def _mean(daily: list[float]) -> str:
    return f"{sum(daily) / len(daily):+.4f} on {len(daily)} days" if daily else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _interval(found: list[float]) -> str:
    return f"{found[0]:.4f} to {found[1]:.4f}" if found else "–"
