"""Feast's online store over what is online: ``FeatureStore.get_online_features`` with our values and lifetimes.

Named in ``feature_store.yaml`` by its class path. Feast's own stores take the last write for the newest row
and serve it however old it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from feast import Entity, FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import field_validator

from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.stores.feast_offline import places_of
from mlops_assets.stores.feast_registry import said_or_empty
from mlops_assets.stores.online import Asked, Online, OnlineRow
from mlops_assets.stores.online_groups import open_online

# Feast's name for a value of each declared type.
FIELDS = {
    "string": "string_val",
    "integer": "int64_val",
    "number": "double_val",
    "boolean": "bool_val",
    "timestamp": "unix_timestamp_val",
}


class AsKnownAtOnlineStoreConfig(FeastConfigBaseModel):
    """Where features are served from. address: ``redis://…``, or SQLite in the home when empty."""

    type: Literal["mlops_assets.stores.feast_online.AsKnownAtOnlineStore"]
    address: str = ""

    _unset = field_validator("address")(said_or_empty)


class AsKnownAtOnlineStore(OnlineStore):
    """Reads the version of each view that is served. A value older than its TTL is null, as it is offline."""

    _opened: Online | None = None

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """The event time and the features of each entity."""
        wanted = requested_features or [field.name for field in table.features]
        asked = Asked(table.name, [_entity(key) for key in entity_keys])
        online = self._online(config)
        described = online.described(asked)
        absent = [feature for feature in wanted if feature not in described.features]
        if absent:
            raise NotMaterialized(
                f"feature view {table.name!r} is online without {', '.join(absent)}; bring it online as it is "
                f"declared by now: mlops features materialize {table.name}"
            )
        (rows,) = online.rows([asked], datetime.now(UTC))
        return [_answer(row, {feature: described.features[feature] for feature in wanted}) for row in rows]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Features are computed from validated tables, and go online from there."""
        raise BadRequest(
            f"rows cannot be pushed to feature view {table.name!r}; `feast materialize-incremental` or "
            "`mlops features materialize` bring online what was computed"
        )

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Take offline what is not declared any more."""
        for view in tables_to_delete:
            self._online(config).drop(view.name)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Take every view offline."""
        for view in tables:
            self._online(config).drop(view.name)

    def _online(self, config: RepoConfig) -> Online:
        if self._opened is None:
            self._opened = open_online(places_of(config))
        return self._opened


def _entity(key: EntityKey) -> dict[str, Any]:
    values = (getattr(value, value.WhichOneof("val")) for value in key.entity_values)
    return dict(zip(key.join_keys, values, strict=True))


def _answer(row: OnlineRow | None, types: dict[str, str]) -> tuple[datetime | None, dict[str, Value] | None]:
    if row is None or row.expired:
        return None, None
    return row.event_time, {feature: _value(row.values[feature], kind) for feature, kind in types.items()}


def _value(value: Any, kind: str) -> Value:
    """As Feast says it; a moment in whole seconds, which is all that Feast has."""
    if value is None:
        return Value()
    field: dict[str, Any] = {FIELDS[kind]: int(value.timestamp()) if kind == "timestamp" else value}
    return Value(**field)
