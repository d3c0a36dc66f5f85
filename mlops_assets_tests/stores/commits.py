"""Short ways to say what is written where, for the tests of the stores."""

from pathlib import Path

import pyarrow as pa

from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.database import open_database
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.records import Records


def opened_lake(root: Path, url: str) -> Lake:
    return Lake(root, Records(open_database(url)))


def by(run: str) -> Provenance:
    return Provenance(code_version="v1", run_id=run, written_at="2013-01-01T00:00:00+00:00")


def produced(values: dict[str, list], **changed) -> Produced:
    """For each partition the values of its one column ``x``."""
    pairs = [(partition, value) for partition, inside in values.items() for value in inside]
    rows = pa.table(
        {
            "partition": pa.array([partition for partition, _ in pairs], pa.string()),
            "x": pa.array([value for _, value in pairs], pa.int64()),
        }
    )
    return Produced(rows, list(values), **changed)


def values(lake: Lake, spill: Path, table: str = "t", partitions=None, **pin) -> dict[str, list]:
    """What is read: for each partition the values of ``x`` in order."""
    pinned = lake.pin(table, partitions, **pin)
    rows = Engine(spill).rows("SELECT partition, x FROM t ORDER BY ALL", {"t": pinned}).to_pylist()
    found: dict[str, list] = {content.partition: [] for content in pinned.contents}
    for row in rows:
        found[row["partition"]].append(row["x"])
    return found
