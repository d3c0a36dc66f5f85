"""What the commands do with what is online."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape

from mlops_assets.cli.deployment import Deployment
from mlops_assets.data.moments import as_utc
from mlops_assets.graph import keys
from mlops_assets.graph.features import view_code
from mlops_assets.graph.online import data_version, told
from mlops_assets.steps.online import put_online
from mlops_assets.steps.served import Delivery, answered, joined_columns, online_rows, request_of, rows_at
from mlops_assets.stores.online import OnlineRow


def materialize(
    opened: Deployment, views: Sequence[str], *, until: str | None, again: bool, console: Console
) -> None:
    """Bring views online (default: all), and tell Dagster."""
    catalog = opened.project.catalog
    for view in views:
        catalog.features.view(view, asked_by="the command")
    moment = as_utc(until) if until else None
    for view in views or list(catalog.features.views):
        version = view_code(catalog, view)
        done = put_online(opened.stores, catalog.features, view, version=version, until=moment, again=again)
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
    at: str | None,
    as_json: bool,
    console: Console,
) -> None:
    """What a service answers to one request: what is online now, or what was known at a moment."""
    catalog = opened.project.catalog
    features = catalog.features
    features.service(service, asked_by="the command")
    request = request_of(features, service, said)
    moment = as_utc(at) if at else datetime.now(UTC)
    versions = {view: view_code(catalog, view) for view in features.views_of(service)}
    delivery = Delivery.of(features, service)
    if at is None:
        rows = online_rows(opened.stores.online, delivery, versions, [request], moment)
    else:
        rows = rows_at(opened.stores, features, service, versions, request, moment)
    (answer,) = answered(delivery, [request], joined_columns(delivery, rows))
    answers = [_Answer(name, rows[name][0], one.columns) for name, one in delivery.joined.items()]
    if as_json:
        told = [one.told(answer, moment) for one in answers]
        console.print_json(
            json.dumps({"at": moment.isoformat(), "features": answer, "rows": told}, default=str)
        )
    else:
        where = "online" if at is None else "as known"
        console.print(f"[bold]{service}[/], {where} at {moment:%Y-%m-%d %H:%M:%S} UTC", highlight=False)
        _print(console, answer, answers, moment)


@dataclass(frozen=True)
class _Answer:
    """What a view answered. columns: for each feature its column."""

    view: str
    row: OnlineRow | None
    columns: Mapping[str, str]

    def told(self, answer: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        if self.row is None:
            return {"view": self.view, "found": False}
        return {
            "view": self.view,
            "found": True,
            "event_time": self.row.event_time.isoformat(),
            "available_at": self.row.available_at.isoformat(),
            "age_seconds": (at - self.row.event_time).total_seconds(),
            "expired": self.row.expired,
            "values": {column: self.row.values[feature] for feature, column in self.columns.items()},
        }

    def sentence(self, at: datetime) -> str:
        if self.row is None:
            return "no row: null"
        age = timedelta(seconds=int((at - self.row.event_time).total_seconds()))
        said = f"of {self.row.event_time:%Y-%m-%d %H:%M:%S}, known {self.row.available_at:%Y-%m-%d %H:%M:%S}, {age} old"
        return f"{said}: expired, so null" if self.row.expired else said


def _print(console: Console, answer: Mapping[str, Any], answers: Sequence[_Answer], at: datetime) -> None:
    """Each view with the age of its row, then its features; what is computed on demand last."""
    of_views = {column for one in answers for column in one.columns.values()}
    for one in answers:
        shown = {column: feature for feature, column in one.columns.items() if column in answer}
        style = "yellow" if one.row is None or one.row.expired else "dim"
        console.print(f"{one.view}  [{style}]{one.sentence(at)}[/]", highlight=False)
        for column, feature in shown.items():
            _print_value(console, column, answer[column], stored=one.row.values[feature] if one.row else None)
    for column, value in answer.items():
        if column not in of_views:
            _print_value(console, column, value, stored=value)


def _print_value(console: Console, column: str, value: Any, *, stored: Any) -> None:
    """stored: what it was before it expired."""
    shown = "[dim]null[/]" if value is None else escape(str(value))
    was = "" if stored == value or value is not None else f" [dim](it was {escape(str(stored))})[/]"
    console.print(f"  {column:<40} {shown}{was}", highlight=False)
