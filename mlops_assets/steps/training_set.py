"""Training sets from labelled events and feature rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from mlops_assets.data.on_demand import apply_on_demand, require_row_wise
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.sql import PARTITION, names, text
from mlops_assets.data.training_set import Horizon, labelled_events, usable, use_counts
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import JoinedView as DeclaredJoin
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import PREDICTED_AT, USE
from mlops_assets.declaration.versions import Version
from mlops_assets.stores.as_known import features_as_known
from mlops_assets.stores.engine import Engine, Session
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.records import Records
from mlops_assets.stores.view_versions import require_version

# A relation that is made on the way. No declared table begins with an underscore.
EVENTS = "_events"


@dataclass(frozen=True)
class AssembledSet:
    """A training set, and how many of the window's events fell to each use."""

    produced: Produced
    uses: Mapping[str, int]


def assemble_training_set(
    engine: Engine, catalog: Catalog, model: Model, events: Pinned, views: Mapping[str, Pinned], as_of: str
) -> AssembledSet:
    """The labelled events of the window before ``as_of``, each with its features as known when asked."""
    declared = catalog.table(model.label.table, asked_by=model.name)
    horizon = Horizon.of(date.fromisoformat(as_of), model.window, declared.source.zone)
    with gathered(engine, catalog, model, events, views, horizon) as session:
        uses = {row[USE]: row["rows"] for row in session.rows(use_counts(EVENTS)).to_pylist()}
        requests = session.rows(
            f"SELECT {text(as_of)} AS {PARTITION}, * FROM ({usable(EVENTS)}) "
            f"ORDER BY event_time, {names(declared.table.key)}"
        )
        joined = with_features(session, catalog, model, requests)
    require_row_wise(catalog.features, model.features, joined)
    rows = apply_on_demand(catalog.features, model.features, joined)
    return AssembledSet(Produced(rows, [as_of], {as_of: contents_read(events, views, horizon)}), uses)


def require_versions(records: Records, views: Mapping[str, Pinned], versions: Mapping[str, str]) -> None:
    """Raise GateRefusal when a partition of a view was computed by other code than its others would be now.

    A column whose older rows mean something else teaches a model two things at once.
    """
    for view, pinned in views.items():
        require_version(records, pinned, Version.read(versions[view]))


@contextmanager
def gathered(
    engine: Engine,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    horizon: Horizon,
) -> Iterator[Session]:
    """A session that has the views, and as ``EVENTS`` every event of the horizon with its label and use.

    Raises NotMaterialized when a day is missing.
    """
    declared = catalog.table(model.label.table, asked_by=model.name)
    events.require(window_days(horizon))
    for pinned in views.values():
        pinned.require(pinned.absent)
    joined = catalog.features.joined(model.features)
    of_views = {_relation(name): views[one.view] for name, one in joined.items()}
    asked_with = (column.name for column in catalog.features.request_columns(model.features))
    carried = (*model.request, *asked_with)
    with engine.session({model.label.table: events, **of_views}) as session:
        sql = labelled_events(model, declared.table.key, carried, horizon, declared.source.timezone)
        session.keep(EVENTS, sql)
        yield session


def with_features(session: Session, catalog: Catalog, model: Model, requests: pa.Table) -> pa.Table:
    """Every row of ``requests`` with what its service joins, as known when it was asked."""
    return features_as_known(session, requests, PREDICTED_AT, list(joined_views(catalog, model).values()))


def joined_views(catalog: Catalog, model: Model) -> dict[str, JoinedView]:
    """What is joined for a model, by what its columns begin with, as the join takes it."""
    return {
        name: _joined_view(catalog, name, one)
        for name, one in catalog.features.joined(model.features).items()
    }


def contents_read(events: Pinned, views: Mapping[str, Pinned], horizon: Horizon) -> tuple[Content, ...]:
    """Every partition that rows of the horizon were made from."""
    of_views = [content for pinned in views.values() for content in pinned.contents]
    return (*events.among(window_days(horizon)), *of_views)


def window_days(horizon: Horizon) -> list[str]:
    """Every event day of the window, oldest first."""
    count = (horizon.last - horizon.first).days + 1
    return [(horizon.first + timedelta(days=offset)).isoformat() for offset in range(count)]


def _joined_view(catalog: Catalog, name: str, joined: DeclaredJoin) -> JoinedView:
    return JoinedView(
        relation=_relation(name),
        keys=tuple(joined.keys),
        asked_with=tuple(joined.keys.values()),
        columns=joined.columns,
        ttl=catalog.features.views[joined.view].ttl,
    )


def _relation(view: str) -> str:
    """A view may be called like a table; as relations of one query they must differ."""
    return f"_features_{view}"
