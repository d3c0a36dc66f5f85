"""What the commands do that trace."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.written import written
from mlops_assets.data.legible import legible
from mlops_assets.data.page import section, table, whole
from mlops_assets.declaration.versions import feature_hash
from mlops_assets.lineage.trace import origins, trace_column
from mlops_assets.steps.trace import Traced, rows_of, span, spelled
from mlops_assets.steps.trace_prediction import trace_prediction
from mlops_assets.steps.trace_served import trace_served

SHORT = 12
# Files that are printed, and characters of a part of a fact; JSON and the page have all.
SHOWN, MOST = 20, 200


def show_trace(traced: Traced, *, as_json: bool, html: Path | None, console: Console) -> None:
    """Print a trace, or write it as a page."""
    if html is not None:
        # Imported here: printing does without it.
        from mlops_assets.steps.trace_page import page

        written(html, page(traced))
        console.print(f"{traced.about}: {html}", markup=False, highlight=False, soft_wrap=True)
    elif as_json:
        console.print_json(json.dumps(traced.to_dict()))
    else:
        _print(traced, console)


def show_prediction(
    opened: Deployment, wanted: str, *, row: int, as_json: bool, html: Path | None, console: Console
) -> bool:
    """Print why a prediction is what it is, or write it as a page; whether it is what was sealed.

    wanted: its id, or that of a request that a service answered, and then of which row.
    """
    stores = opened.stores
    traced = trace_served(stores, wanted, row=row) or trace_prediction(stores, wanted)
    (version,) = traced.releases
    facts = {**traced.facts, **_columns(opened, version.model, traced.facts)}
    show_trace(replace(traced, facts=facts), as_json=as_json, html=html, console=console)
    return bool(facts["proof"]["holds"])


def _columns(opened: Deployment, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The features with the columns they are computed from, and whether these are still declared as they were."""
    project = opened.project
    if name not in project.models:
        return {"columns": f"unknown: {name} is not declared any more"}
    model = project.models[name]
    released = opened.stores.releases.version(name, facts["version"])
    assert released is not None
    same = released.feature_hash == feature_hash(project.catalog, model.features)
    found = origins(project.catalog, model)
    return {
        "columns": "as declared, then and now"
        if same
        else "as declared now, which is other than it was then",
        "features": [
            {**one, "made_from": " ← ".join(found.get(one["feature"], ["not an input any more"]))}
            for one in facts["features"]
        ],
    }


def show_column(opened: Deployment, name: str, *, as_json: bool, html: Path | None, console: Console) -> None:
    """Print where a column comes from and what it goes into, or write it as a page with a drawing."""
    project = opened.project
    found = trace_column(project.catalog, project.models.values(), name)
    if html is not None:
        ends = [(column, why) for column, why in found.why.items()]
        parts = [section("Made from", found.svg), section("Where it ends", table(["column", "why"], ends))]
        parts.append(section("Goes into", table(["column"], [(column,) for column in found.goes_into])))
        written(html, whole(name, *parts))
        console.print(f"{name}: {html}", markup=False, highlight=False, soft_wrap=True)
    elif as_json:
        console.print_json(json.dumps(found.to_dict()))
    else:
        _print_column(found.column, found.made_from, dict(found.why), found.goes_into, console)


def _print_column(
    column: str, made_from: tuple[str, ...], why: dict[str, str], goes_into: tuple[str, ...], console: Console
) -> None:
    console.print(f"[bold]{escape(column)}[/]", highlight=False)
    for title, columns in (("made from", made_from), ("goes into", goes_into)):
        console.print(f"{title}:" if columns else f"{title}: nothing that is known", highlight=False)
        for one in columns:
            console.print(f"  {one}", markup=False, highlight=False, soft_wrap=True)
    for one, said in why.items():
        console.print(f"{one}: {said}", markup=False, highlight=False, soft_wrap=True)


def _print(traced: Traced, console: Console) -> None:
    console.print(f"[bold]{escape(traced.about)}[/]", highlight=False)
    for name, value in traced.facts.items():
        listed = _parts(value) if isinstance(value, Mapping) else rows_of(value)
        console.print(
            f"{name}: {'' if listed else spelled(value)}", markup=False, highlight=False, soft_wrap=True
        )
        for row in listed:
            cells = "  ".join(f"{key} {spelled(cell)}" for key, cell in row.items())
            console.print(f"  {legible(cells)}", markup=False, highlight=False, soft_wrap=True)
    shown, read = _table("table", "partitions", "", "code", "runs"), traced.reached.files()
    for one in traced.reached.tables():
        counts = (str(one.partitions), span(one.first, one.last), str(one.code_versions), str(one.runs))
        shown.add_row(one.table, *counts)
    console.print(shown)
    if read:
        files = _table("file", "SHA-256")
        for name, sha in read[:SHOWN]:
            files.add_row(escape(name), sha[:SHORT] or "had not landed")
        console.print(files)
    if len(read) > SHOWN:
        console.print(f"… and {len(read) - SHOWN} more", highlight=False)
    for touched in traced.releases:
        reigns = ", which reigns" if touched.reigns else ""
        said = f"{touched.model} version {touched.version} as of {touched.as_of}{reigns}"
        console.print(said, markup=False, highlight=False)


def _parts(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{name: legible(spelled(part), MOST)} for name, part in value.items()]


def _table(*columns: str) -> Table:
    made = Table(title_justify="left", box=SIMPLE_HEAD)
    for at, column in enumerate(columns):
        # Who looks for a name must find it whole, in a narrow window too.
        made.add_column(column, no_wrap=not at)
    return made
