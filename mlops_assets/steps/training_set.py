"""Training sets from labelled events and feature rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.data.point_in_time import JoinedView, as_known_at
from mlops_assets.data.sql import PARTITION, names, text
from mlops_assets.data.training_set import Horizon, labelled_events, usable, use_counts
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import PREDICTED_AT, USE
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced

# Relations that are made on the way. No declared table begins with an underscore.
EVENTS = "_events"
REQUESTS = "_requests"


@dataclass(frozen=True)
class AssembledSet:
    """A training set, and how many of the window's events fell to each use."""

    produced: Produced
    uses: Mapping[str, int]


def assemble_training_set(
    engine: Engine, catalog: Catalog, model: Model, events: Pinned, views: Mapping[str, Pinned], as_of: str
) -> AssembledSet:
    """The labelled events of the window before ``as_of``, each with its features as known when asked."""
    source = catalog.table(model.label.table, asked_by=model.name).source
    table = catalog.table(model.label.table, asked_by=model.name).table
    horizon = Horizon.of(date.fromisoformat(as_of), model.window, source.zone)
    days = window_days(horizon)
    events.require(days)
    for pinned in views.values():
        pinned.require(pinned.absent)
    joined = [_joined_view(catalog, model, view) for view in views]
    keys = [key for view in joined for key in view.keys]
    relations = {model.label.table: events, **{_relation(view): pinned for view, pinned in views.items()}}
    with engine.session(relations) as session:
        carried = (*model.request, *keys)
        session.keep(EVENTS, labelled_events(model, table.key, carried, horizon, source.timezone))
        uses = {row[USE]: row["rows"] for row in session.rows(use_counts(EVENTS)).to_pylist()}
        session.keep(REQUESTS, usable(EVENTS))
        rows = session.rows(
            f"SELECT {text(as_of)} AS {PARTITION}, * FROM ({as_known_at(REQUESTS, PREDICTED_AT, joined)}) "
            f"ORDER BY event_time, {names(table.key)}"
        )
    read = (*events.among(days), *(content for pinned in views.values() for content in pinned.contents))
    return AssembledSet(Produced(rows, [as_of], {as_of: read}), uses)


def window_days(horizon: Horizon) -> list[str]:
    """Every event day of the window, oldest first."""
    count = (horizon.last - horizon.first).days + 1
    return [(horizon.first + timedelta(days=offset)).isoformat() for offset in range(count)]


def _joined_view(catalog: Catalog, model: Model, view: str) -> JoinedView:
    served = catalog.features.views_of(model.features)[view]
    return JoinedView(
        relation=_relation(view),
        keys=catalog.features.keys(view),
        columns={one.feature: one.column for one in served},
        ttl=catalog.features.views[view].ttl,
    )


def _relation(view: str) -> str:
    """A view may be called like a table; as relations of one query they must differ."""
    return f"_features_{view}"
