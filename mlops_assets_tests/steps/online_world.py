"""A small world for what goes online: one feature view of two keys and every type, in a lake of its own."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.versions import declared_version
from mlops_assets.steps.online import put_online
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.online import Asked, OnlineRow
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

MOMENT = pa.timestamp("us", tz="UTC")
TYPES = {
    "share": ("number", pa.float64()),
    "count": ("integer", pa.int64()),
    "name": ("string", pa.string()),
    "open": ("boolean", pa.bool_()),
    "seen": ("timestamp", MOMENT),
}
SCHEMA = pa.schema(
    {
        "partition": pa.string(),
        "shop": pa.string(),
        "item": pa.int64(),
        **{feature: stored for feature, (_, stored) in TYPES.items()},
        "event_time": MOMENT,
        "available_at": MOMENT,
    }
)
VIEW = FeatureView.model_validate(
    {
        "name": "sales",
        "owner": "team:shop",
        "entities": ["shop", "item"],
        "reads": {"orders": "1d"},
        "sql": "SELECT 1",
        "ttl": "48h",
        "features": {feature: {"type": kind} for feature, (kind, _) in TYPES.items()},
    }
)
FEATURES = FeatureRepository.of(
    [Entity(name="shop", key="shop"), Entity(name="item", key="item", type="integer")],
    [VIEW],
    [FeatureService.model_validate({"name": "till", "owner": "team:shop", "features": ["sales"]})],
)
CODE = str(declared_version(FEATURES, VIEW.name))
NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def row(shop: str, item: int, happened: float, known: float, **features: Any) -> dict[str, Any]:
    """A row that happened, and could be known, so many hours after noon."""
    return {"shop": shop, "item": item, "event_time": at(happened), "available_at": at(known), **features}


def stores_at(home: Path, address: str) -> Stores:
    return Stores.open(replace(Places.below(home), online=address))


def computed(stores: Stores, rows: Sequence[Mapping[str, Any]], *days: str, code: str = CODE) -> None:
    """Write the rows of these days as the asset of the view does; by default of the days that they happened on."""
    told = [{"partition": f"{one['event_time']:%Y-%m-%d}", **one} for one in rows]
    partitions = list(days) or sorted({one["partition"] for one in told})
    table = pa.Table.from_pylist(told, SCHEMA)
    stores.lake.write(f"features/{VIEW.name}", Produced(table, partitions), Provenance(code, "run", "now"))


def online(
    stores: Stores, *entities: tuple[str, int], moment: datetime, version: str | None = None
) -> list[OnlineRow | None]:
    """What is online of these entities."""
    asked = Asked(VIEW.name, [{"shop": shop, "item": item} for shop, item in entities], version)
    (found,) = stores.online.rows([asked], moment)
    return found


def generation(stores: Stores, number: int, items: int) -> None:
    """The same entities again, each with this number; known at the hour of it."""
    computed(stores, [row("a", item, 0, number / 100, count=number) for item in range(items)])


def main() -> None:
    """Bring one generation after another online, until killed."""
    home, address, first, items = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    stores = stores_at(home, address)
    for number in range(first, first + 1000):
        generation(stores, number, items)
        put_online(stores, FEATURES, VIEW.name, again=number % 3 == 0)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
