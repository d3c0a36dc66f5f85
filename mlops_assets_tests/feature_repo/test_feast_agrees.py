"""Our offline store beside Feast's own DuckDB store: the same rows, the same questions, the same answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.declaration.versions import Version
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

START = datetime(2024, 3, 1, tzinfo=UTC)
VERSION = Version.of({"sql": "SELECT 1"})
VIEWS = {"spending": "customer_id", "visits": "shop_id"}


def rows_of(view: str, random: np.random.Generator) -> pa.Table:
    """Few entities and few hours, so that most are late, restated or expired; no two alike in key and both times."""
    times = {
        (int(random.integers(0, 5)), int(hour), int(hour + random.integers(0, 30)))
        for hour in random.integers(0, 240, 400)
    }
    entities, events, known = zip(*sorted(times), strict=True)
    return pa.table(
        {
            "partition": [(START + timedelta(hours=hour)).date().isoformat() for hour in events],
            VIEWS[view]: pa.array(entities, pa.int64()),
            f"{view}_value": pa.array(range(len(times)), pa.int64()),
            **{
                column: pa.array(
                    [START + timedelta(hours=hour) for hour in hours], pa.timestamp("us", tz="UTC")
                )
                for column, hours in (("event_time", events), ("available_at", known))
            },
        }
    ).sort_by("partition")


@pytest.fixture(scope="module")
def asked_of(tmp_path_factory):
    """Ask one of the two stores: offline store settings and where a view's rows are -> answers."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.data_format import ParquetFormat
    from feast.types import Int64

    from mlops_assets.stores.feast_objects import LakeTable

    home, random = tmp_path_factory.mktemp("agree"), np.random.default_rng(8)
    lake = Stores.open(Places.below(home)).lake
    for view in VIEWS:
        rows = rows_of(view, random)
        days = rows["partition"].unique().to_pylist()
        lake.write(f"features/{view}", Produced(rows, days), Provenance(str(VERSION), "run", "now"))

    def in_files(view: str) -> FileSource:
        return FileSource(
            name=view,
            path=f"{home}/lake/features/{view}/*/*.parquet",
            file_format=ParquetFormat(),
            timestamp_field="event_time",
            created_timestamp_column="available_at",
        )

    def in_lake(view: str) -> LakeTable:
        return LakeTable.of(view, f"features/{view}", VERSION)

    def ask(
        requests: pd.DataFrame, offline_store: dict[str, str], source: Callable[[str], FileSource]
    ) -> pd.DataFrame:
        config = RepoConfig(
            project="agree",
            provider="local",
            registry=str(home / f"{offline_store['type']}.registry.db"),
            offline_store=offline_store,
            online_store={"type": "sqlite", "path": str(home / "online.db")},
            entity_key_serialization_version=3,
            repo_path=home,
        )
        store = FeatureStore(config=config)
        entities = {
            key: Entity(name=key, join_keys=[key], value_type=ValueType.INT64) for key in VIEWS.values()
        }
        views = [
            FeatureView(
                name=view,
                entities=[entities[key]],
                ttl=timedelta(hours=12),
                schema=[Field(name=f"{view}_value", dtype=Int64)],
                source=source(view),
            )
            for view, key in VIEWS.items()
        ]
        store.apply([*entities.values(), *views])
        features = [f"{view}:{view}_value" for view in VIEWS]
        job = store.get_historical_features(requests, features, filter_by_created_timestamp=True)
        return job.to_df().sort_values("row").reset_index(drop=True)

    ours = {"type": "mlops_assets.stores.feast_offline.AsKnownAtOfflineStore", "home": str(home)}
    return lambda requests: (ask(requests, ours, in_lake), ask(requests, {"type": "duckdb"}, in_files))


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis, of DuckDB
def test_both_stores_answer_alike(asked_of):
    random = np.random.default_rng(4)
    moments = [START + timedelta(minutes=int(minute)) for minute in random.integers(0, 60 * 280, 2000)]
    requests = pd.DataFrame(
        {
            "row": range(2000),
            "customer_id": random.integers(0, 6, 2000),
            "shop_id": random.integers(0, 6, 2000),
            "event_timestamp": moments,
        }
    )
    ours, theirs = asked_of(requests)
    for view in VIEWS:
        column = f"{view}_value"
        assert 500 < ours[column].notna().sum() < 1900
        pd.testing.assert_series_equal(ours[column], theirs[column], check_dtype=False)
