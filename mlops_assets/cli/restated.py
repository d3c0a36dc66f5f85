"""What ``mlops restated`` does."""

import json
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.steps.restatement import restated_below, rows_restated

COLUMNS = ("version", "as of", "table", "day", "rows then", "rows now", "differ", "known then")
NOT_KNOWN = "?"


def show_restated(opened: Deployment, name: str | None, *, as_json: bool, console: Console) -> bool:
    """Print each release of a model, by default of every one, below which days were restated; whether any was."""
    models = [opened.project.model(name).name] if name else list(opened.project.models)
    found = [one for model in models for one in _restated(opened, model)]
    if as_json:
        console.print_json(json.dumps(found))
    elif not found:
        console.print("Every day that a release was trained on holds the rows that it held then.")
    else:
        _print(found, console)
    return bool(found)


def _restated(opened: Deployment, model: str) -> Iterator[dict[str, Any]]:
    champion = opened.stores.releases.champion(model)
    for release in opened.stores.releases.versions(model):
        for before, now in restated_below(opened.stores, release):
            differ = rows_restated(opened.stores, opened.project.catalog, release, before, now)
            yield {
                "model": model,
                "version": release.version,
                "as_of": release.as_of,
                "reigns": release == champion,
                "table": now.table,
                "day": now.partition,
                "rows_then": before.rows,
                "rows_now": now.rows,
                "differ": None if differ is None else differ.rows,
                "known_then": None if differ is None else differ.known,
            }


def _print(found: list[dict[str, Any]], console: Console) -> None:
    for model in dict.fromkeys(one["model"] for one in found):
        table = Table(
            title=f"{model}: trained on what was restated since", title_justify="left", box=SIMPLE_HEAD
        )
        for at, column in enumerate(COLUMNS):
            table.add_column(column, justify="left" if at < 4 else "right")
        for one in found:
            if one["model"] == model:
                version = f"{one['version']}{', reigns' if one['reigns'] else ''}"
                counts = (one[count] for count in ("rows_then", "rows_now", "differ", "known_then"))
                said = (NOT_KNOWN if count is None else f"{count:,}" for count in counts)
                table.add_row(version, one["as_of"], one["table"], one["day"], *said)
        console.print(table)
