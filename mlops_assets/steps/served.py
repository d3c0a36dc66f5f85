"""What a feature service answers for entities: from what is online, or from the lake as known at a moment.

Reading what is online imports neither Feast nor Arrow nor DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from mlops_assets.data.moments import as_utc, earlier
from mlops_assets.declaration.features import FeatureRepository, FeatureView, JoinedView
from mlops_assets.errors import BadRequest, nearest
from mlops_assets.stores.online import Asked, Online, OnlineRow, microseconds, moment

if TYPE_CHECKING:
    from mlops_assets.stores.pinned import Pinned
    from mlops_assets.stores.stores import Stores

# The rows of all entities that were asked for, of each view by what its columns begin with.
Rows = dict[str, list[OnlineRow | None]]
FOREVER = timedelta(days=36500)


@dataclass(frozen=True)
class Delivery:
    """What a feature service joins, and the columns that it delivers, worked out once for all requests."""

    features: FeatureRepository
    service: str
    joined: Mapping[str, JoinedView]
    columns: tuple[str, ...]
    computes: bool

    @classmethod
    def of(cls, features: FeatureRepository, service: str) -> Self:
        """computes: whether some of the columns are made on demand."""
        columns = tuple(one.column for one in features.served(service))
        computes = bool(features.on_demand_of(service))
        if computes:
            # Now, and not while the first request waits for it.
            import_module("mlops_assets.data.on_demand")
        return cls(features, service, features.joined(service), columns, computes)


def online_rows(
    online: Online,
    delivery: Delivery,
    versions: Mapping[str, str],
    requests: Sequence[Mapping[str, Any]],
    at: datetime,
) -> Rows:
    """What is online of each view that a service joins. versions: of each view, the one that is asked for.

    Raises NotMaterialized when a view is not online in its version, BadRequest for a request without a key.
    """
    joined = delivery.joined
    asked = [Asked(one.view, entities(one, requests), versions[one.view]) for one in joined.values()]
    return dict(zip(joined, online.rows(asked, at), strict=True))


def rows_at(
    stores: Stores,
    features: FeatureRepository,
    service: str,
    versions: Mapping[str, str],
    request: Mapping[str, Any],
    at: datetime,
) -> Rows:
    """The same of one request, from the lake, as known at a moment; a row is there however old it is.

    Raises GateRefusal when what could answer was computed by another version of a view than the one asked for.
    """
    joined = features.joined(service).items()
    return {name: [_row_at(stores, features, one, versions[one.view], request, at)] for name, one in joined}


def entities(joined: JoinedView, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By which keys each request asks a view. Raises BadRequest for a request without one."""
    try:
        return [{key: request[column] for key, column in joined.keys.items()} for request in requests]
    except KeyError as error:
        raise BadRequest(
            f"feature view {joined.view!r} is asked by {error}, which a request lacks"
        ) from error


def joined_columns(delivery: Delivery, rows: Rows) -> list[dict[str, Any]]:
    """For each request the columns that a service joins; null for what is not there, or is expired."""
    joined = delivery.joined.items()
    return [
        {
            column: None if row is None or row.expired else row.values[feature]
            for (_, one), row in zip(joined, of_request, strict=True)
            for feature, column in one.columns.items()
        }
        for of_request in zip(*(rows[name] for name, _ in joined), strict=True)
    ]


def answered(
    delivery: Delivery,
    requests: Sequence[Mapping[str, Any]],
    joined: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """For each request the columns that a service delivers, on-demand features computed. Raises TransformFailed."""
    if delivery.computes:
        joined = _with_on_demand(delivery, requests, joined)
    return [{column: row[column] for column in delivery.columns} for row in joined]


def request_of(features: FeatureRepository, service: str, said: Sequence[str]) -> dict[str, Any]:
    """The request that ``column=value`` words make, each value as the type that its column has.

    Raises BadRequest for a word of another form, and for a column that is unknown, missing or said twice.
    """
    types: dict[str, str] = {one.name: one.type for one in features.request_columns(service)}
    request: dict[str, Any] = {}
    for word in said:
        column, separator, value = word.partition("=")
        if not separator:
            raise BadRequest(f"found {word!r}, expected {word}=VALUE")
        if column not in types:
            raise BadRequest(
                f"feature service {service!r} is not asked by {column!r}. {nearest(column, types)}"
            )
        if column in request:
            raise BadRequest(f"{column!r} is said twice; say it once")
        request[column] = _typed(column, types[column], value)
    if missing := [column for column in types if column not in request]:
        raise BadRequest(
            f"feature service {service!r} is asked by {', '.join(types)}; add "
            + " ".join(f"{column}=…" for column in missing)
        )
    return request


def _typed(column: str, kind: str, value: str) -> Any:
    try:
        return READ[kind](value)
    except ValueError as error:
        raise BadRequest(f"{column!r} is {value!r}, expected {kind}") from error


def _flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(value)
    return value == "true"


READ: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": _flag,
    "timestamp": as_utc,
}


def _with_on_demand(
    delivery: Delivery,
    requests: Sequence[Mapping[str, Any]],
    joined: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    import pyarrow as pa

    from mlops_assets.data.on_demand import STORED, apply_on_demand

    features, service = delivery.features, delivery.service
    types: dict[str, str] = {one.name: one.type for one in features.request_columns(service)}
    for one in delivery.joined.values():
        of_view = features.views[one.view].features
        types |= {column: of_view[feature].type for feature, column in one.columns.items()}
    schema = pa.schema({column: STORED[kind] for column, kind in types.items()})
    rows = [{**request, **row} for request, row in zip(requests, joined, strict=True)]
    found: list[dict[str, Any]] = apply_on_demand(
        features, service, pa.Table.from_pylist(rows, schema)
    ).to_pylist()
    return found


def _row_at(
    stores: Stores,
    features: FeatureRepository,
    joined: JoinedView,
    version: str,
    request: Mapping[str, Any],
    at: datetime,
) -> OnlineRow | None:
    import pyarrow as pa

    from mlops_assets.data.online import newest_of_each

    (entity,) = entities(joined, [request])
    declared, keys = features.views[joined.view], features.keys(joined.view)
    types = {feature: one.type for feature, one in declared.features.items()}
    relations = {
        "_rows": _computed(stores, declared, version, at),
        "_asked": pa.table({key: [value] for key, value in entity.items()}),
    }
    sql = newest_of_each("_rows", keys, types, at, ttl=FOREVER, among="_asked")
    found = stores.engine.rows(sql, relations).to_pylist()
    return _as_row(declared, found[0], at) if found else None


def _computed(stores: Stores, view: FeatureView, version: str, at: datetime) -> Pinned:
    """What a version of a view computed. Raises GateRefusal when another computed what can be alive at a moment.

    What has expired by then is only shown, so those older days are left out that mean something else.
    """
    from mlops_assets.declaration.versions import Version
    from mlops_assets.stores.view_versions import of_version, require_version

    pinned, wanted = stores.lake.pin(f"features/{view.name}"), Version.read(version)
    require_version(stores.records, pinned.between(earlier(at, view.ttl), at), wanted)
    found = of_version(stores.records, pinned, wanted)
    if not found.contents:
        require_version(stores.records, pinned, wanted)
    return found


def _as_row(view: FeatureView, found: Mapping[str, Any], at: datetime) -> OnlineRow:
    values = {
        feature: moment(found[feature])
        if one.type == "timestamp" and found[feature] is not None
        else found[feature]
        for feature, one in view.features.items()
    }
    expired = microseconds(at) - found["event_time"] > int(view.ttl.total_seconds()) * 1_000_000
    return OnlineRow(values, found["event_time"], found["available_at"], expired)
