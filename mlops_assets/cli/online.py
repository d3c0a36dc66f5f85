"""What the commands do with what is online."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.errors import UnknownName
from mlops_assets.graph import keys
from mlops_assets.graph.features import view_code
from mlops_assets.graph.online import data_version, told
from mlops_assets.steps.online import put_online
from mlops_assets.steps.served import answered, joined_columns, online_rows, request_of, rows_at
from mlops_assets.stores.online import OnlineRow


def materialize(
    opened: Deployment, views: Sequence[str], *, until: datetime | None, again: bool, console: Console
) -> None:
    """Bring views online (default: all), and tell Dagster."""
    catalog = opened.project.catalog
    for view in views:
        _require_view(catalog, view)
    for view in views or list(catalog.features.views):
        version = view_code(catalog, view)
        done = put_online(opened.stores, catalog.features, view, version=version, until=until, again=again)
        opened.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                keys.online(view), metadata=told(done), tags={"dagster/data_version": data_version(done)}
            )
        )
        gone = f", {done.gone:,} entities have none any more" if done.gone else ""
        console.print(
            f"{view}: {done.rows:,} rows {'in all' if done.whole else 'that changed'}{gone}; "
            f"as known at {done.view.known_until:%Y-%m-%d %H:%M:%S} UTC",
            highlight=False,
        )


def show_features(
    opened: Deployment,
    service: str,
    said: Sequence[str],
    *,
    at: datetime | None,
    as_json: bool,
    console: Console,
) -> None:
    """What a service answers to one request: what is online now, or what was known at a moment."""
    catalog = opened.project.catalog
    features = catalog.features
    features.service(service, asked_by="the command")
    request = request_of(features, service, said)
    moment = at or datetime.now(UTC)
    if at is None:
        versions = {view: view_code(catalog, view) for view in features.views_of(service)}
        rows = online_rows(opened.stores.online, features, service, versions, [request], moment)
    else:
        rows = rows_at(opened.stores, features, service, request, moment)
    (answer,) = answered(features, service, [request], joined_columns(features, service, rows))
    of_column = {
        column: (row, None if row is None else row.values[feature])
        for name, one in features.joined(service).items()
        for row in rows[name]
        for feature, column in one.columns.items()
    }
    found = [
        _told(column, value, *of_column.get(column, (None, value)), moment)
        for column, value in answer.items()
    ]
    if as_json:
        console.print_json(json.dumps({"at": moment.isoformat(), "features": found}, default=str))
    else:
        _print(console, service, found, moment, online=at is None)


def _told(column: str, value: Any, row: OnlineRow | None, stored: Any, at: datetime) -> dict[str, Any]:
    """value: what is served. stored: what it was before it expired."""
    return {
        "feature": column,
        "value": value,
        "stored": stored,
        "expired": row.expired if row else False,
        "event_time": row.event_time.isoformat() if row else None,
        "available_at": row.available_at.isoformat() if row else None,
        "age_seconds": (at - row.event_time).total_seconds() if row else None,
    }


def _print(
    console: Console, service: str, found: Sequence[dict[str, Any]], at: datetime, *, online: bool
) -> None:
    where = "online" if online else "as known"
    table = Table(
        title=f"{service}: {where} at {at:%Y-%m-%d %H:%M:%S} UTC", title_justify="left", box=SIMPLE_HEAD
    )
    for column in ("feature", "value", "event time", "available at", "age", ""):
        table.add_column(column)
    for one in found:
        expired = f"[yellow]expired: it was {escape(str(one['stored']))}[/]" if one["expired"] else ""
        shown = "[dim]null[/]" if one["value"] is None else escape(str(one["value"]))
        table.add_row(
            one["feature"],
            shown,
            _minute(one["event_time"]),
            _minute(one["available_at"]),
            _age(one),
            expired,
        )
    console.print(table)


def _minute(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def _age(one: dict[str, Any]) -> str:
    return str(timedelta(seconds=int(one["age_seconds"]))) if one["age_seconds"] is not None else ""


def _require_view(catalog: Catalog, view: str) -> None:
    if view not in catalog.features.views:
        raise UnknownName.among(view, catalog.features.views, what="feature view", asked_by="the command")
