"""Features as known at each of so many moments: ours, Feast's own DuckDB store, and bare joins; trust the ratios.

Eleven features of three views, 7.5 million rows in daily partitions, of which one in fifty is restated. `ours`
pins the lake's tables and joins; `ours, Feast` is the same asked through Feast's ``get_historical_features``.
Both keep what could not be known at a moment out of it, and so does `Feast, DuckDB` when told
(``filter_by_created_timestamp``). The bare joins take everything as known from its event time and a restated row
or its original as it happens; they answer another, easier question. All read the same Parquet files and yield
Arrow. Every contestant is a process of its own; importing is not timed.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contest import contest
from bench.machine import described

DAYS = 120
AT = "event_timestamp"
# The version of every view, as commits spell it.
CODE = "sql=bench"


@dataclass(frozen=True)
class View:
    """every: days from one value of an entity to its next."""

    key: str
    entities: int
    every: int
    features: tuple[str, ...]
    ttl: timedelta

    @property
    def values(self) -> str:
        return ", ".join(self.features)


VIEWS = {
    "customer_daily": View("customer_id", 50_000, 1, tuple(f"spent{n}" for n in range(6)), timedelta(days=2)),
    "terminal_daily": View("terminal_id", 10_000, 1, ("uses", "alarms", "risk"), timedelta(days=2)),
    "customer_profile": View("customer_id", 50_000, 30, ("income", "age"), timedelta(days=60)),
}
# A row is known within an hour, a restatement within the day after.
MAKE = """
    WITH values AS (
        SELECT i % {entities} AS {key}, {features},
               TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_days(CAST(i // {entities} * {every} AS INT))
                 + to_seconds(CAST(floor(random() * 86400) AS BIGINT)) AS event_time,
               random() AS late, random() < 0.02 AS restated
        FROM range({rows}) r(i))
    SELECT strftime(event_time, '%Y-%m-%d') AS partition, * FROM (
        SELECT * EXCLUDE (late, restated),
               event_time + to_seconds(CAST(floor(late * 3600) AS BIGINT)) AS available_at FROM values
        UNION ALL BY NAME
        SELECT * EXCLUDE (late, restated) REPLACE ({restated}),
               event_time + to_seconds(CAST(floor(3600 + late * 86400) AS BIGINT)) AS available_at
        FROM values WHERE restated)
    ORDER BY partition, {key}, event_time, available_at"""
REQUESTS = """
    SELECT CAST(floor(random() * 50000) AS BIGINT) AS customer_id,
           CAST(floor(random() * 10000) AS BIGINT) AS terminal_id,
           TIMESTAMPTZ '2024-01-03 00:00:00+00' + to_seconds(CAST(floor(random() * 86400 * {days}) AS BIGINT)) AS {at}
    FROM range({rows})"""


def main() -> None:
    contest("join", __doc__, CONTESTANTS, make=make, show=show, full=5_000_000)


def make(folder: Path, rows: int) -> None:
    from mlops_assets.stores.commit import Provenance
    from mlops_assets.stores.produced import Produced

    stores = opened(folder)
    with stores.engine.session({}) as session:
        for name, view in VIEWS.items():
            sql = MAKE.format(
                key=view.key,
                entities=view.entities,
                every=view.every,
                features=", ".join(f"random() * 100 AS {feature}" for feature in view.features),
                restated=", ".join(f"{feature} + 1 AS {feature}" for feature in view.features),
                rows=view.entities * DAYS // view.every,
            )
            made = session.rows(sql)
            days = sorted(made["partition"].unique().to_pylist())
            stores.lake.write(f"features/{name}", Produced(made, days), Provenance(CODE, "bench", "bench"))
    with connected() as connection:
        query = REQUESTS.format(days=DAYS - 3, at=AT, rows=rows)
        connection.execute(f"COPY ({query}) TO '{folder}/requests.parquet' (FORMAT parquet)")


def opened(folder: Path) -> Any:
    from mlops_assets.stores.stores import Places, Stores

    return Stores.open(Places.below(folder))


def connected() -> Any:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def files(folder: Path, view: str) -> str:
    return f"{folder}/lake/features/{view}/*/*.parquet"


def requests(folder: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(f"{folder}/requests.parquet")


def ours(folder: Path) -> Callable[[], object]:
    import pyarrow.compute  # noqa: F401 (as every import: not timed)

    from mlops_assets.data.point_in_time import JoinedView
    from mlops_assets.stores.as_known import features_as_known

    stores, asked = opened(folder), requests(folder)
    joined = [
        JoinedView(n, (v.key,), {feature: feature for feature in v.features}, v.ttl) for n, v in VIEWS.items()
    ]

    def work() -> object:
        pinned = {name: stores.lake.pin(f"features/{name}") for name in VIEWS}
        with stores.engine.session(pinned) as session:
            return features_as_known(session, asked, AT, joined)

    return work


def ours_through_feast(folder: Path) -> Callable[[], object]:
    ours(folder)
    settings = {"type": "mlops_assets.stores.feast_offline.AsKnownAtOfflineStore", "home": str(folder)}
    from mlops_assets.declaration.versions import Version
    from mlops_assets.stores.feast_objects import LakeTable

    return asked_of_feast(
        folder, settings, lambda view: LakeTable.of(view, f"features/{view}", Version.read(CODE))
    )


def feast_with_duckdb(folder: Path) -> Callable[[], object]:
    from feast import FileSource
    from feast.data_format import ParquetFormat

    def source(view: str) -> Any:
        return FileSource(
            name=view,
            path=files(folder, view),
            file_format=ParquetFormat(),
            timestamp_field="event_time",
            created_timestamp_column="available_at",
        )

    return asked_of_feast(folder, {"type": "duckdb"}, source)


def asked_of_feast(
    folder: Path, offline_store: dict[str, str], source: Callable[[str], Any]
) -> Callable[[], object]:
    from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
    from feast.types import Float64

    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{len(offline_store)}.registry.db"),
        offline_store=offline_store,
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    keys = dict.fromkeys(view.key for view in VIEWS.values())
    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.INT64) for key in keys}
    views = [
        FeatureView(
            name=name,
            entities=[entities[view.key]],
            ttl=view.ttl,
            schema=[Field(name=feature, dtype=Float64) for feature in view.features],
            source=source(name),
        )
        for name, view in VIEWS.items()
    ]
    store.apply([*entities.values(), *views])
    features = [f"{name}:{feature}" for name, view in VIEWS.items() for feature in view.features]
    asked = requests(folder).to_pandas()
    return lambda: store.get_historical_features(asked, features, filter_by_created_timestamp=True).to_arrow()


def duckdb_asof(folder: Path) -> Callable[[], object]:
    connection = connected()
    connection.register("requests", requests(folder))
    joined = "requests"
    for name, view in VIEWS.items():
        alive = f"{AT} - event_time <= INTERVAL {int(view.ttl.total_seconds())} SECONDS"
        values = ", ".join(
            f"CASE WHEN {alive} THEN v.{feature} END AS {feature}" for feature in view.features
        )
        joined = f"""(SELECT r.*, {values} FROM {joined} r
            ASOF LEFT JOIN '{files(folder, name)}' v ON r.{view.key} = v.{view.key} AND r.{AT} >= v.event_time)"""
    return lambda: connection.sql(f"SELECT * FROM {joined}").to_arrow_table()


def polars_asof(folder: Path) -> Callable[[], object]:
    import polars as pl

    asked = pl.from_arrow(requests(folder))

    def work() -> object:
        joined = asked.with_row_index("row").sort(AT)
        for name, view in VIEWS.items():
            columns = [view.key, "event_time", *view.features]
            rows = pl.read_parquet(files(folder, name), columns=columns).sort("event_time")
            joined = joined.join_asof(
                rows,
                left_on=AT,
                right_on="event_time",
                by=view.key,
                tolerance=view.ttl,
                check_sortedness=False,
                coalesce=True,
            ).drop("event_time", strict=False)
        return joined.sort("row").drop("row").to_arrow()

    return work


CONTESTANTS = {
    "ours": ours,
    "ours, Feast": ours_through_feast,
    "Feast, DuckDB": feast_with_duckdb,
    "DuckDB ASOF": duckdb_asof,
    "Polars join_asof": polars_asof,
}
BARE = ("DuckDB ASOF", "Polars join_asof")


def show(rows: int, measured: dict[str, list[dict[str, float]]]) -> None:
    table = Table(title=f"{rows:,} requests, median of {len(measured['ours'])}")
    columns = ("contestant", "seconds", "CPU seconds", "seconds / bare", "CPU / bare", "peak GB")
    for column in columns:
        table.add_column(column, justify="left" if column == "contestant" else "right")
    medians = {
        name: {what: statistics.median(one[what] for one in rounds) for what in ("wall", "cpu", "peak")}
        for name, rounds in measured.items()
    }
    bare = {what: min(medians[name][what] for name in BARE) for what in ("wall", "cpu")}
    for name, median in medians.items():
        table.add_row(
            name,
            f"{median['wall']:.1f}",
            f"{median['cpu']:.1f}",
            f"{median['wall'] / bare['wall']:.2f}",
            f"{median['cpu'] / bare['cpu']:.2f}",
            f"{median['peak']:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(described())


if __name__ == "__main__":
    main()
