"""Features of 1, 10 and 100 entities read online: 11 features of 3 views. Ours, Feast's own stores, and bare ones.

Ours is what a prediction service would call, its answer a dictionary for each entity. "Feast over ours" is
`get_online_features` with our store. Bare reads are the store's own client and nothing else: a JSON text by
key (SQLite, Redis MGET) and a hash for each entity and view (Redis HGETALL). All read the same rows, in turns,
in one process; writing them is timed too. Trust the ratios.
"""

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.machine import described

VIEWS = {"orders": 5, "habits": 3, "profile": 3}
SIZES = (1, 10, 100)
Read = Callable[[Sequence[int]], object]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench online",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entities", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--reads", type=int, default=300, help="of each size (default: %(default)s)")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="default: %(default)s")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, world(Path(folder), arguments) as contestants:
        found = read_in_turns(contestants, arguments.entities, arguments.reads)
    print(described())
    print(f"{arguments.entities:,} entities, {arguments.reads} reads of each size; ms, p50 / p95")
    print(f"{'':<26}" + "".join(f"{f'{size} entities':>20}" for size in SIZES) + f"{'x bare, p50':>24}")
    for name, milliseconds in found.items():
        cells = "".join(
            f"{statistics.median(milliseconds[size]):>12.3f} /{np.percentile(milliseconds[size], 95):>6.2f}"
            for size in SIZES
        )
        bare = found["bare SQLite" if "SQLite" in name else "bare Redis MGET"]
        ratios = "".join(
            f"{statistics.median(milliseconds[size]) / statistics.median(bare[size]):>8.1f}" for size in SIZES
        )
        print(f"{name:<26}{cells}{ratios}")


def read_in_turns(
    contestants: dict[str, Read], entities: int, reads: int
) -> dict[str, dict[int, list[float]]]:
    """Milliseconds of each read; a noisy second falls on all of them."""
    random = np.random.default_rng(7)
    found: dict[str, dict[int, list[float]]] = {name: {size: [] for size in SIZES} for name in contestants}
    for turn in range(reads + 5):
        for size in SIZES:
            asked = [int(one) for one in random.choice(entities, size, replace=False)]
            # In another order each time: who waits for Redis pays for who computed before.
            for name in random.permutation(list(contestants)):
                started = time.perf_counter()
                contestants[name](asked)
                if turn >= 5:  # the first ones warm up
                    found[name][size].append((time.perf_counter() - started) * 1000)
    return found


@contextmanager
def world(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, Read]]:
    """Every contestant with the same rows written. What is in Redis has a prefix, and goes at the end."""
    import redis

    client = redis.Redis.from_url(arguments.redis, decode_responses=True)
    prefix = f"bench_{uuid.uuid4().hex[:8]}"
    rows = made_up(arguments.entities)
    try:
        yield {
            **ours(folder / "sqlite", "", "SQLite", rows),
            **feast_own(
                folder / "feast_sqlite", {"type": "sqlite", "path": "online.db"}, prefix, "SQLite", rows
            ),
            "bare SQLite": bare_sqlite(folder, rows),
            **ours(folder / "redis", f"{arguments.redis}?prefix={prefix}:", "Redis", rows),
            **feast_own(folder / "feast_redis", redis_of_feast(arguments.redis), prefix, "Redis", rows),
            "bare Redis HGETALL": bare_hashes(client, prefix, rows),
            "bare Redis MGET": bare_texts(client, prefix, rows),
        }
    finally:
        for name in redis.Redis.from_url(arguments.redis).scan_iter(f"*{prefix}*"):
            client.delete(name)


def made_up(entities: int) -> dict[str, dict[str, list[float | int]]]:
    """Of each view its columns: numbers, and one integer."""
    random = np.random.default_rng(5)
    return {
        view: {
            f"{view}_{n}": (
                random.integers(0, 1000, entities) if n == 0 else random.normal(size=entities)
            ).tolist()
            for n in range(count)
        }
        for view, count in VIEWS.items()
    }


def repository():
    from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView

    def view(name, count):
        features = {f"{name}_{n}": {"type": "number" if n else "integer"} for n in range(count)}
        said = {"name": name, "owner": "team:bench", "entities": ["customer"], "reads": {"t": "0d"}}
        return FeatureView.model_validate({**said, "sql": "SELECT 1", "ttl": "720h", "features": features})

    views = [view(name, count) for name, count in VIEWS.items()]
    service = FeatureService.model_validate({"name": "all", "owner": "team:bench", "features": list(VIEWS)})
    return FeatureRepository.of(
        [Entity(name="customer", key="customer_id", type="integer")], views, [service]
    )


def ours(home: Path, address: str, store: str, rows) -> dict[str, Read]:
    import pyarrow as pa

    from mlops_assets.declaration.versions import declared_version
    from mlops_assets.steps.online import put_online
    from mlops_assets.steps.served import Delivery, joined_columns, online_rows
    from mlops_assets.stores.commit import Provenance
    from mlops_assets.stores.produced import Produced
    from mlops_assets.stores.stores import Places, Stores

    stores, features = Stores.open(replace(Places.below(home), online=address)), repository()
    versions = {view: str(declared_version(features, view)) for view in rows}
    moment = datetime.now(UTC) - timedelta(hours=1)
    for view, columns in rows.items():
        table = pa.table({"customer_id": range(entities := len(columns[f"{view}_0"])), **columns})
        for name in ("event_time", "available_at"):
            table = table.append_column(name, pa.array([moment] * entities, pa.timestamp("us", tz="UTC")))
        table = table.append_column("partition", pa.array(["all"] * entities))
        stores.lake.write(
            f"features/{view}", Produced(table, ["all"]), Provenance(versions[view], "run", "now")
        )
    with timed(f"ours, {store}", entities):
        for view in rows:
            put_online(stores, features, view)

    delivery = Delivery.of(features, "all")

    def read(asked):
        requests = [{"customer_id": one} for one in asked]
        found = online_rows(stores.online, delivery, versions, requests, datetime.now(UTC))
        return joined_columns(delivery, found)

    settings = {
        "online_store": {
            "type": "mlops_assets.stores.feast_online.AsKnownAtOnlineStore",
            "address": address or f"sqlite:///{home / 'online.db'}",
        },
        "offline_store": {
            "type": "mlops_assets.stores.feast_offline.AsKnownAtOfflineStore",
            "home": str(home),
        },
    }
    return {f"ours, {store}": read, f"Feast over ours, {store}": asked_of_feast(home, settings, "bench")}


def feast_own(folder: Path, online: dict, project: str, store: str, rows) -> dict[str, Read]:
    import pandas as pd
    from feast import FeatureStore

    folder.mkdir()
    if "path" in online:
        online = {**online, "path": str(folder / online["path"])}
    read = asked_of_feast(folder, {"online_store": online}, project)
    written: FeatureStore = read.__defaults__[0]
    moment = pd.Timestamp.now("UTC") - pd.Timedelta(hours=1)
    with timed(f"Feast, {store}", entities := len(rows["orders"]["orders_0"])):
        for view, columns in rows.items():
            frame = pd.DataFrame({"customer_id": range(entities), **columns})
            written.write_to_online_store(view, frame.assign(event_time=moment, available_at=moment))
    return {f"Feast, {store}": read}


def asked_of_feast(folder: Path, settings: dict, project: str) -> Read:
    """``get_online_features`` of a store with our declarations."""
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    from mlops_assets.stores.feast_objects import feast_objects

    config = RepoConfig(
        project=project,
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder / 'registry.db'}"},
        entity_key_serialization_version=3,
        repo_path=folder,
        **settings,
    )
    store = FeatureStore(config=config)
    store.apply(list(feast_objects(repository()).values()))
    service = store.get_feature_service("all")

    def read(asked, store=store):
        return store.get_online_features(service, [{"customer_id": one} for one in asked]).to_dict()

    return read


def redis_of_feast(address: str) -> dict[str, str]:
    from urllib.parse import urlsplit

    place = urlsplit(address)
    database = place.path.strip("/") or "0"
    return {"type": "redis", "connection_string": f"{place.hostname}:{place.port or 6379},db={database}"}


def bare_sqlite(folder: Path, rows) -> Read:
    connection = sqlite3.connect(folder / "bare.db")
    connection.execute("PRAGMA journal_mode = WAL")
    for view, texts in as_texts(rows).items():
        connection.execute(f"CREATE TABLE {view} (key INTEGER PRIMARY KEY, value TEXT)")
        connection.executemany(f"INSERT INTO {view} VALUES (?, ?)", enumerate(texts))
    connection.commit()

    def read(asked):
        marks = ", ".join("?" * len(asked))
        return [
            [
                json.loads(text)
                for (text,) in connection.execute(f"SELECT value FROM {view} WHERE key IN ({marks})", asked)
            ]
            for view in rows
        ]

    return read


def bare_hashes(client, prefix: str, rows) -> Read:
    pipeline = client.pipeline(transaction=False)
    for view, columns in rows.items():
        for key, values in enumerate(zip(*columns.values(), strict=True)):
            pipeline.hset(f"{prefix}:hash:{view}:{key}", mapping=dict(zip(columns, values, strict=True)))
    pipeline.execute()

    def read(asked):
        pipeline = client.pipeline(transaction=False)
        for view in rows:
            for key in asked:
                pipeline.hgetall(f"{prefix}:hash:{view}:{key}")
        return pipeline.execute()

    return read


def bare_texts(client, prefix: str, rows) -> Read:
    for view, texts in as_texts(rows).items():
        client.mset({f"{prefix}:text:{view}:{key}": text for key, text in enumerate(texts)})

    def read(asked):
        found = client.mget([f"{prefix}:text:{view}:{key}" for view in rows for key in asked])
        return [json.loads(text) for text in found]

    return read


def as_texts(rows) -> dict[str, list[str]]:
    return {
        view: [json.dumps(one) for one in zip(*columns.values(), strict=True)]
        for view, columns in rows.items()
    }


@contextmanager
def timed(name: str, entities: int) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(f"{name} went online: {entities * len(VIEWS) / seconds:,.0f} rows a second")


if __name__ == "__main__":
    main()
