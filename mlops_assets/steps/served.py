"""What a feature service answers for entities: from what is online, or from the lake as known at a moment.

Reading what is online imports neither Feast nor Arrow nor DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlops_assets.declaration.features import FeatureRepository, FeatureView
from mlops_assets.errors import BadRequest, nearest
from mlops_assets.stores.online import Asked, Online, OnlineRow, microseconds, moment

if TYPE_CHECKING:
    from mlops_assets.stores.stores import Stores

# Every row of each view of a service, for each entity that was asked for.
Rows = dict[str, list[OnlineRow | None]]
FOREVER = timedelta(days=36500)


def online_rows(
    online: Online,
    features: FeatureRepository,
    service: str,
    versions: Mapping[str, str],
    entities: Sequence[Mapping[str, Any]],
    at: datetime,
) -> Rows:
    """What is online of each view of a service. versions: of each view, the one that is asked for.

    Raises NotMaterialized when a view is not online in its version, BadRequest for an entity without a key.
    """
    views = list(features.views_of(service))
    found = online.rows([Asked(view, entities, versions[view]) for view in views], at)
    return dict(zip(views, found, strict=True))


def rows_at(
    stores: Stores, features: FeatureRepository, service: str, entity: Mapping[str, Any], at: datetime
) -> Rows:
    """The same of one entity, from the lake, as known at a moment; a row is there however old it is."""
    return {view: [_row_at(stores, features, view, entity, at)] for view in features.views_of(service)}


def answered(features: FeatureRepository, service: str, rows: Rows) -> list[dict[str, Any]]:
    """For each entity the columns that a service delivers; null for what is not there, or is expired."""
    count = len(next(iter(rows.values())))
    served = features.served(service)
    return [
        {one.column: _value(rows[one.view][index], one.feature) for one in served} for index in range(count)
    ]


def entity_of(features: FeatureRepository, service: str, said: Sequence[str]) -> dict[str, Any]:
    """The entity that ``key=value`` words name, each value as the type that its key has.

    Raises BadRequest for a word of another form, and for a key that is unknown, missing or said twice.
    """
    types = _key_types(features, service)
    entity: dict[str, Any] = {}
    for word in said:
        key, separator, value = word.partition("=")
        if not separator:
            raise BadRequest(f"found {word!r}, expected {key}=VALUE")
        if key not in types:
            raise BadRequest(f"feature service {service!r} is not asked by {key!r}. {nearest(key, types)}")
        if key in entity:
            raise BadRequest(f"{key!r} is said twice; say it once")
        entity[key] = _typed(key, types[key], value)
    if missing := [key for key in types if key not in entity]:
        raise BadRequest(
            f"feature service {service!r} is asked by {', '.join(types)}; add "
            + " ".join(f"{key}=…" for key in missing)
        )
    return entity


def _key_types(features: FeatureRepository, service: str) -> dict[str, str]:
    views = [features.views[view] for view in features.views_of(service)]
    entities = [features.entities[name] for view in views for name in view.entities]
    return {entity.key: entity.type for entity in entities}


def _typed(key: str, kind: str, value: str) -> str | int:
    if kind == "string":
        return value
    try:
        return int(value)
    except ValueError as error:
        raise BadRequest(f"{key!r} is {value!r}, expected an integer") from error


def _value(row: OnlineRow | None, feature: str) -> Any:
    return None if row is None or row.expired else row.values[feature]


def _row_at(
    stores: Stores, features: FeatureRepository, view: str, entity: Mapping[str, Any], at: datetime
) -> OnlineRow | None:
    import pyarrow as pa

    from mlops_assets.data.online import newest_known

    declared, keys = features.views[view], features.keys(view)
    asked = pa.table({key: [entity[key]] for key in keys})
    types = {feature: one.type for feature, one in declared.features.items()}
    sql = newest_known("_rows", keys, types, at, ttl=FOREVER, among="_asked")
    found = stores.engine.rows(
        sql, {"_rows": stores.lake.pin(f"features/{view}"), "_asked": asked}
    ).to_pylist()
    return _as_row(declared, found[0], at) if found else None


def _as_row(view: FeatureView, found: Mapping[str, Any], at: datetime) -> OnlineRow:
    values = {
        feature: moment(found[feature])
        if one.type == "timestamp" and found[feature] is not None
        else found[feature]
        for feature, one in view.features.items()
    }
    expired = microseconds(at) - found["event_time"] > int(view.ttl.total_seconds()) * 1_000_000
    return OnlineRow(values, moment(found["event_time"]), moment(found["available_at"]), expired)
