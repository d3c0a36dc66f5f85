"""Feast's offline store over our lake: ``FeatureStore.get_historical_features`` with our as-known-at join.

Named in ``feature_store.yaml`` by its class path. Feast's own stores take a value as known from its
event time; this one also asks when it became available.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from feast.types import FeastType, Int64, String
from pydantic import field_validator

from mlops_assets.data.asked import held, keys_of, moments_of
from mlops_assets.data.moments import EARLIEST, LATEST, earlier
from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.data.sql import moment, names
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.errors import BadRequest, GateRefusal
from mlops_assets.stores.as_known import features_as_known, span_of
from mlops_assets.stores.feast_names import tell_known_features
from mlops_assets.stores.feast_objects import version_meant
from mlops_assets.stores.feast_registry import said_or_empty
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Places, Stores
from mlops_assets.stores.view_versions import require_version

# Feast's name for the moment a request is about.
AT = "event_timestamp"
KEY_TYPES: dict[FeastType, str] = {String: "string", Int64: "integer"}
# Beside the repository, where the platform's commands put it when nothing else is said.
DEFAULT_HOME = "../.mlops"

tell_known_features()


class AsKnownAtOfflineStoreConfig(FeastConfigBaseModel):
    """Where the lake is. home: relative to the repository. database: SQLite in the home when empty.

    A variable that is not set counts as empty, so that the platform's own may be named.
    """

    type: Literal["mlops_assets.stores.feast_offline.AsKnownAtOfflineStore"]
    home: str = ""
    database: str = ""

    _unset = field_validator("home", "database")(said_or_empty)


class AsKnownAtOfflineStore(OfflineStore):
    """Reads pinned versions of the lake's feature tables."""

    # Values that could not be known yet are left out whether a caller asks for that or not.
    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        """For every row of ``entity_df`` the features as known at its ``event_timestamp``, in the rows' order.

        Which moments and keys can be meant, ``data.asked`` says. As with Feast's own stores the rows are
        numbered anew: an index of the frame is no part of the answer.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise BadRequest(f"found {type(entity_df).__name__} for entity_df, expected a pandas frame")
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        wanted = [*feature_refs, *_needed(on_demand)]
        joined = [_joined(view, wanted, full_feature_names) for view in feature_views]
        _refuse_unanswerable(list(entity_df.columns), joined)
        keys = {column: keys_of(entity_df[column], kind) for column, kind in _key_types(feature_views)}
        requests = _requests(entity_df)
        span = span_of(requests[AT])
        tables = {view.projection.name_to_use(): _table(view.batch_source) for view in feature_views}

        def compute() -> pa.Table:
            stores = _stores(config)
            relations = {
                one.relation: _pinned(stores, tables[one.relation], earlier(span[0], one.ttl), span[1])
                for one in joined
            }
            with stores.engine.session(relations) as session:
                answered = features_as_known(session, _with_columns(requests, keys), AT, joined)
            return _with_columns(answered, {column: requests[column] for column in keys})

        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[column for column in entity_df.columns if column != AT],
            min_event_timestamp=span[0] if len(requests) else None,
            max_event_timestamp=span[1] if len(requests) else None,
        )
        return _Job(compute, full_feature_names, metadata, on_demand)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row known at ``end_date`` of every entity of which a row became known since ``start_date``.

        A row may become known long after it happened. By its event time an incremental
        materialization would pass it over for ever, or put it over a newer one.
        """
        columns = _columns(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        entity = f"PARTITION BY {names(join_key_columns) or '1'}"
        newest = (
            f"QUALIFY row_number() OVER ({entity} "
            f"ORDER BY {EVENT_TIME} DESC, {AVAILABLE_AT} DESC, {names(columns)}) = 1 "
            f"AND max(greatest({EVENT_TIME}, {AVAILABLE_AT})) OVER ({entity}) >= {_moment(start_date)}"
        )
        return _pull(config, data_source, columns, None, end_date, newest)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Every row of the time range that was known at its end."""
        columns = _columns(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        return _pull(
            config, data_source, columns, start_date, end_date, f"ORDER BY {EVENT_TIME}, {names(columns)}"
        )


class _Job(RetrievalJob):
    """A query that runs when its rows are asked for."""

    def __init__(
        self,
        compute: Callable[[], pa.Table],
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
        on_demand: Sequence[OnDemandFeatureView] = (),
    ) -> None:
        self._on_demand = list(on_demand)
        self._compute = compute
        self._full_feature_names = full_feature_names
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether columns are called ``view__feature``."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Those that Feast computes from what this store returns."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked."""
        return self._metadata

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._compute().to_pandas()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._compute()

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Saved datasets are training sets, and those are assets."""
        raise BadRequest("this store saves no datasets; a training set is the asset <model>/training_set")


def places_of(config: RepoConfig) -> Places:
    """Where Feast's settings say that things live."""
    settings, online = config.offline_store, config.online_store
    home = (Path(config.repo_path or ".") / Path(settings.home or DEFAULT_HOME).expanduser()).resolve()
    embedded = Places.below(home)
    return replace(
        embedded,
        database=settings.database or embedded.database,
        online=getattr(online, "address", "") or embedded.online,
    )


def _stores(config: RepoConfig) -> Stores:
    return Stores.open(places_of(config))


def _table(source: DataSource | None) -> FileSource:
    if not isinstance(source, FileSource):
        raise BadRequest(f"found {source!r}, expected a feature view whose source is a table of the lake")
    return source


def _pinned(stores: Stores, table: FileSource, first: datetime, last: datetime) -> Pinned:
    """A view's table, for an answer from the rows of a span of time.

    Raises GateRefusal when a day of them was computed by another version of the view than the registry says.
    """
    wanted = version_meant(table)
    if not wanted.parts:
        raise GateRefusal(
            f"Feast's registry does not say which version of feature view {table.name!r} is meant; bring it to "
            "what is declared: mlops features apply"
        )
    pinned = stores.lake.pin(table.path)
    try:
        require_version(stores.records, pinned.between(first, last), wanted)
    except GateRefusal as refusal:
        raise GateRefusal(
            f"{refusal}. What is expected is what Feast's registry says; if that is behind the declarations: "
            "mlops features apply"
        ) from refusal
    return pinned


def _refuse_unanswerable(asked: Sequence[str], joined: Sequence[JoinedView]) -> None:
    """Raise BadRequest for rows without the moment or a key, or with a column named like an answer."""
    if nameless := [column for column in asked if not isinstance(column, str)]:
        raise BadRequest(f"entity_df has a column called {nameless[0]!r}; expected names that are text")
    if AT not in asked:
        found = ", ".join(asked)
        raise BadRequest(f"found the columns {found}, expected one called {AT!r} that says as known when")
    _refuse_taken(asked, [column for one in joined for column in one.columns.values()])
    for one in joined:
        if missing := ", ".join(key for key in one.asked_with if key not in asked):
            raise BadRequest(f"entity_df has no column {missing}, by which {one.relation!r} is joined")


def _refuse_taken(asked: Sequence[str], answers: Sequence[str]) -> None:
    """Raise BadRequest for columns of the rows by whose name another is meant too; DuckDB ignores case."""
    meant = Counter(column.casefold() for column in (*asked, *answers))
    if taken := ", ".join(column for column in asked if meant[column.casefold()] > 1):
        raise BadRequest(
            f"entity_df has columns that cannot be told from others of the answer: {taken}; rename them"
        )


def _requests(entity_df: pd.DataFrame) -> pa.Table:
    """The rows, their moments in UTC."""
    moments, others = moments_of(entity_df[AT]), held(entity_df.drop(columns=AT))
    return others.add_column(entity_df.columns.get_loc(AT), AT, moments)


def _key_types(views: Sequence[FeatureView]) -> Iterator[tuple[str, str]]:
    """The columns of a request by which views are joined, each with the type that the view declares."""
    for view in views:
        for key in view.entity_columns:
            if key.dtype in KEY_TYPES:
                yield view.projection.join_key_map.get(key.name, key.name), KEY_TYPES[key.dtype]


def _with_columns(rows: pa.Table, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """The same rows with other values in these columns."""
    for column, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(column), column, values)
    return rows


def _joined(view: FeatureView, feature_refs: Sequence[str], full_feature_names: bool) -> JoinedView:
    called, keys = view.projection.name_to_use(), tuple(view.join_keys)
    wanted = dict.fromkeys(
        feature for of, _, feature in (ref.partition(":") for ref in feature_refs) if of == called
    )
    columns = {feature: f"{called}__{feature}" if full_feature_names else feature for feature in wanted}
    asked_with = tuple(view.projection.join_key_map.get(key, key) for key in keys)
    return JoinedView(called, keys, columns, view.ttl, asked_with)


def _needed(on_demand: Sequence[OnDemandFeatureView]) -> list[str]:
    """References to what on-demand transforms compute from."""
    return [
        f"{source.name_to_use()}:{feature.name}"
        for transform in on_demand
        for source in transform.source_feature_view_projections.values()
        for feature in source.features
    ]


def _columns(keys: list[str], features: list[str], moment: str, created: str | None) -> list[str]:
    return [*keys, *features, moment, *([created] if created else [])]


def _pull(
    config: RepoConfig,
    source: DataSource,
    columns: list[str],
    start: datetime | None,
    end: datetime | None,
    rest: str,
) -> RetrievalJob:
    def compute() -> pa.Table:
        stores = _stores(config)
        bounds = [f"{EVENT_TIME} >= {_moment(start)}"] if start else []
        bounds += [f"{EVENT_TIME} <= {_moment(end)} AND {AVAILABLE_AT} <= {_moment(end)}"] if end else []
        where = " AND ".join(bounds) or "true"
        sql = f"SELECT {names(columns)} FROM pulled WHERE {where} {rest}"
        pinned = _pinned(stores, _table(source), _zoned(start or EARLIEST), _zoned(end or LATEST))
        return stores.engine.rows(sql, {"pulled": pinned})

    return _Job(compute)


def _moment(at: datetime) -> str:
    return moment(_zoned(at))


def _zoned(at: datetime) -> datetime:
    """Without a zone it is UTC, as everywhere in Feast."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)
