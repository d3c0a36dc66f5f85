"""Is what is online what training would see? Requests asked again, online and offline, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.sql import PARTITION, WHOLE, names
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import JoinedView as DeclaredJoin
from mlops_assets.declaration.model import Model
from mlops_assets.monitoring.parity import FeatureParity, compared, verdict
from mlops_assets.steps.served import Delivery, answered, entities
from mlops_assets.stores.as_known import features_as_known
from mlops_assets.stores.online import Asked, OnlineRow, OnlineView
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

# The newest events that are asked for again.
REQUESTS = 500
# Relations and columns of a replay. No declared name begins with an underscore.
EVENTS, ASKED, ROWS, AT, ROW = "_events", "_asked", "_rows", "_at", "_row"

Columns = list[dict[str, Any]]


@dataclass(frozen=True)
class Parity:
    """What was found of every feature."""

    features: list[FeatureParity]
    produced: Produced


def compare_online(stores: Stores, catalog: Catalog, model: Model, versions: Mapping[str, str]) -> Parity:
    """Ask the model's newest events again, of each view at the moment up to which it is online.

    versions: of each view, the code whose rows must be online. Raises NotMaterialized when they are not, or
    there are no events.
    """
    delivery = Delivery.of(catalog.features, model.features)
    events = stores.lake.pin(f"validated/{model.label.table}")
    requests = _newest(stores, catalog, model, events)
    replayed = [
        _Replay.of(stores, catalog, name, one, versions[one.view], requests)
        for name, one in delivery.joined.items()
    ]
    asked = requests.to_pylist()
    online = answered(delivery, asked, _side_by_side([one.online for one in replayed], len(asked)))
    offline = answered(delivery, asked, _side_by_side([one.offline for one in replayed], len(asked)))
    found = [compared(column, online, offline) for column in delivery.columns]
    read = (*events.contents, *(content for one in replayed for content in one.read))
    rows = pa.Table.from_pylist([{PARTITION: WHOLE, **asdict(one)} for one in found], SCHEMA)
    return Parity(found, Produced(rows, [WHOLE], {WHOLE: read}, {WHOLE: (verdict(found),)}))


SCHEMA = pa.schema(
    {
        PARTITION: pa.string(),
        "feature": pa.string(),
        "compared": pa.int64(),
        "present": pa.int64(),
        "differing": pa.int64(),
        "max_difference": pa.float64(),
    }
)


@dataclass(frozen=True)
class _Replay:
    """What one joined view answers, online and offline, for each request."""

    online: Columns
    offline: Columns
    read: tuple[Content, ...]

    @classmethod
    def of(
        cls,
        stores: Stores,
        catalog: Catalog,
        name: str,
        joined: DeclaredJoin,
        version: str,
        requests: pa.Table,
    ) -> _Replay:
        asked = Asked(joined.view, entities(joined, requests.to_pylist()), version)
        while True:
            there, found = _read(stores, asked)
            # Unless it went on meanwhile, all of it is as known at one moment.
            if there == stores.online.view(joined.view, version):
                break
        pinned = stores.lake.pin(f"features/{joined.view}", version=there.table_version)
        view = JoinedView(
            ROWS,
            tuple(joined.keys),
            joined.columns,
            catalog.features.views[joined.view].ttl,
            tuple(joined.keys.values()),
        )
        moments = pa.array([there.known_until] * len(requests), pa.timestamp("us", tz="UTC"))
        with stores.engine.session({ROWS: pinned}) as session:
            answered = features_as_known(session, requests.append_column(AT, moments), AT, [view])
        offline = answered.select(list(joined.columns.values())).to_pylist()
        return cls([_columns(joined, row) for row in found], offline, pinned.contents)


def _read(stores: Stores, asked: Asked) -> tuple[OnlineView, list[OnlineRow | None]]:
    there = stores.online.described(asked)
    (found,) = stores.online.rows([asked], there.known_until)
    return there, found


def _columns(joined: DeclaredJoin, row: OnlineRow | None) -> dict[str, Any]:
    there = row is not None and not row.expired
    return {
        column: row.values[feature] if row and there else None for feature, column in joined.columns.items()
    }


def _newest(stores: Stores, catalog: Catalog, model: Model, events: Any) -> pa.Table:
    """What the newest events would have asked with."""
    asked_with = dict.fromkeys(one.name for one in catalog.features.request_columns(model.features))
    sql = f"SELECT {names(asked_with)} FROM {EVENTS} ORDER BY event_time DESC, {names(asked_with)} LIMIT {REQUESTS}"
    return stores.engine.rows(sql, {EVENTS: events})


def _side_by_side(views: Sequence[Columns], count: int) -> Columns:
    return [
        {column: value for view in views for column, value in view[index].items()} for index in range(count)
    ]
