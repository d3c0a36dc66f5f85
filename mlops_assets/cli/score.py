"""``mlops score``: how ready for production a model is, by evidence."""

import json
from datetime import UTC, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.written import written
from mlops_assets.governance.ml_test_score import Score, Standing
from mlops_assets.steps.ml_test_score import attest, score_of
from mlops_assets.steps.ml_test_score_page import page, to_dict

STYLE = {1.0: "bold green", 0.5: "bold yellow", 0.0: "bold red"}


def attest_test(
    opened: Deployment, name: str, test: str, *, by: str, evidence: str, days: int, console: Console
) -> None:
    """Record that a person ran a test by hand."""
    model = opened.project.model(name)
    done = attest(opened.stores, model, test, by=by, evidence=evidence, days=days, at=_now())
    console.print(f"{done.test} of {name} is attested by {done.by} until {done.expires_at}.", markup=False)


def show_score(
    opened: Deployment, name: str, *, as_json: Path | None, html: Path | None, ui: str, console: Console
) -> None:
    """Print the score, and write what was asked for."""
    found = score_of(opened.stores, opened.project.catalog, opened.project.model(name), at=_now())
    if as_json is not None:
        written(as_json, json.dumps(to_dict(found), indent=2, ensure_ascii=False))
    if html is not None:
        written(html, page(found, ui=ui))
    _print(found, console)


def _print(found: Score, console: Console) -> None:
    for section, points in found.sections.items():
        shown = Table(title=f"{section}: {points:g} of 7", title_justify="left", box=SIMPLE_HEAD)
        for column in ("test", "", "evidence, or the way to it"):
            shown.add_column(column, no_wrap=not column)
        for one in (standing for standing in found.standings if standing.test.section == section):
            points_of = f"[{STYLE[one.points]}]{one.points:g}[/]"
            shown.add_row(escape(one.test.name), points_of, escape(_said(one, found.model)))
        console.print(shown)
    console.print(
        f"[bold]ML Test Score of {found.model}: {found.total:g}[/], {found.means}.", highlight=False
    )


def _said(one: Standing, model: str) -> str:
    """In short; the page says all."""
    if one.found is not None and one.why == "there":
        place = one.found.place
        where = " ".join(filter(None, (place.table, place.partition, place.check, place.url)))
        return f"{one.found.said} ({where})"
    reason = f"{one.why}: {one.found.said}" if one.found else one.why
    return f"{reason}; {one.way(model)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
