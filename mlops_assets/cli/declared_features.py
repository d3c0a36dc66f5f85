"""What the commands do that tell of declared features, beside what is there."""

import json
from collections.abc import Iterator, Sequence

import dagster as dg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.components.project import Project
from mlops_assets.declaration.base import spell_duration
from mlops_assets.declaration.versions import feature_hash, view_version
from mlops_assets.graph import keys
from mlops_assets.steps.engines import both_engines, windows_of_view
from mlops_assets.steps.impact import Impact, TouchedModel, TouchedRelease, impact

SHORT = 8


def show_impact(opened: Deployment, *, as_json: bool, console: Console) -> Impact:
    """Print what the declarations as they are touch."""
    project = opened.project
    made = {keys.table_name(key): key for key in _assets(project)}
    found = impact(
        project.catalog,
        project.models.values(),
        made,
        lambda table: project.code_version(made[table]),
        opened.stores,
    )
    if as_json:
        console.print_json(json.dumps(found.to_dict()))
    else:
        _print_impact(console, found)
    return found


def show_features(opened: Deployment, *, console: Console) -> None:
    """Print every view and every service."""
    project = opened.project
    repository = project.catalog.features
    views = _table("feature views", "view", "version", "entities", "ttl", "owner", "state")
    for name, view in repository.views.items():
        version = view_version(project.catalog, name).digest[:SHORT]
        ttl, entities = spell_duration(view.ttl), ", ".join(view.entities)
        views.add_row(name, version, entities, ttl, view.owner, _state(opened, name))
    services = _table("feature services", "service", "version", "features", "owner", "models")
    for name, service in repository.services.items():
        version = feature_hash(project.catalog, name)[:SHORT]
        users = ", ".join(model.name for model in project.models.values() if model.features == name)
        services.add_row(name, version, str(len(repository.served(name))), service.owner, users or "–")
    console.print(views)
    console.print(services)


def show_engines(opened: Deployment, names: Sequence[str], *, days: int, console: Console) -> bool:
    """Print what both engines make of the views (default: all); whether it is the same of each."""
    catalog = opened.project.catalog
    views = [catalog.features.view(name, asked_by="the command") for name in names or catalog.features.views]
    found = [both_engines(opened.stores, catalog, view, days=days) for view in views]
    table = _table("DuckDB and Spark", "view", "partitions", "rows", "")
    for one in found:
        said = "[red]not the same[/]" if one.difference else "the same"
        table.add_row(one.view, f"{one.partitions[0]} … {one.partitions[-1]}", str(one.rows), said)
    console.print(table)
    for one in found:
        if one.difference:
            console.print(f"{one.view}: {escape(one.difference)}", highlight=False)
    return not any(one.difference for one in found)


def show_windows(opened: Deployment, names: Sequence[str], *, days: int, console: Console) -> bool:
    """Print how each window of the views (default: all) is computed on DuckDB; whether rows are as it is written."""
    catalog = opened.project.catalog
    views = [catalog.features.view(name, asked_by="the command") for name in names or catalog.features.views]
    found = [windows_of_view(opened.stores, catalog, view, days=days) for view in views]
    table = _table("windows", "view", "partitions", "rows", "by running totals", "by DuckDB", "")
    for one in found:
        days_said = f"{one.partitions[0]} … {one.partitions[-1]}"
        said = "[red]not as the SQL says[/]" if one.difference else "as the SQL says"
        counts = (str(one.rows), str(len(one.answered)), str(len(one.left)))
        table.add_row(one.view, days_said, *counts, said)
    console.print(table)
    for one in found:
        for way, windows in (("running totals", one.answered), ("DuckDB", one.left)):
            for window in windows:
                console.print(f"{one.view}, {way}: {escape(window)}", highlight=False)
        if one.difference:
            console.print(f"{one.view}: {escape(one.difference)}", highlight=False)
    return not any(one.difference for one in found)


def _assets(project: Project) -> Iterator[dg.AssetKey]:
    """Every asset whose version tells of declared features, in the order of the story."""
    for table in project.catalog.tables:
        yield from keys.of_table(table)
    for view in project.catalog.features.views:
        yield keys.features(view)
    for model in project.models:
        yield keys.of_model(model, "training_set")


def _state(opened: Deployment, view: str) -> str:
    key = keys.features(view)
    made = opened.stores.records.code_versions(keys.table_name(key))
    other = [code for code in made.values() if code != opened.project.code_version(key)]
    if not made:
        return "never made"
    return f"{len(other)} of {len(made)} partitions to be made again" if other else "up to date"


def _print_impact(console: Console, found: Impact) -> None:
    if found.is_nothing:
        console.print("Nothing that is there is touched.")
        return
    if found.tables:
        console.print(_recomputed_table(found))
    for model in found.models:
        _print_model(console, model)
    for one in found.requests:
        said = f"request {one.number}, {one.change} of {one.of} by {one.by}, {one.stands}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)


def _recomputed_table(found: Impact) -> Table:
    table = _table("to be computed again", "table", "changed", "partitions", "first", "last")
    for one in found.tables:
        table.add_row(
            one.table,
            ", ".join(one.changed),
            f"{len(one.partitions)} of {one.of}",
            one.partitions[0],
            one.partitions[-1],
        )
    return table


def _print_model(console: Console, model: TouchedModel) -> None:
    views = ", ".join(model.views) or "none to be computed again"
    console.print(
        f"[bold]{model.model}[/] asks for {model.service!r}; views that changed: {views}", highlight=False
    )
    if not model.releases:
        console.print("  no version was trained on features of another meaning", highlight=False)
    for release in model.releases:
        console.print(f"  • {_told(release)}", highlight=False)


def _told(release: TouchedRelease) -> str:
    reigns = ", the champion," if release.reigns else ""
    why = "; ".join(f"{view}: {', '.join(parts)}" for view, parts in release.changed.items())
    return f"version {release.version}{reigns} as of {release.as_of} was trained on other features ({why})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0)
    return table
