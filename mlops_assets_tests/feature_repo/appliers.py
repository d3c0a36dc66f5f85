"""Processes that apply to one new registry at once: python -m … REPOSITORY PROCESSES APPLIES."""

import multiprocessing
import sys
from collections.abc import Callable
from datetime import timedelta

# Once, before the processes part.
from feast import Entity, FeatureStore, FeatureView, Field, ValueType
from feast.types import Int64

from mlops_assets.declaration.versions import Version
from mlops_assets.stores.feast_objects import LakeTable


def view(name: str) -> tuple[Entity, FeatureView]:
    """An entity and a view of it."""
    entity = Entity(name=f"{name}_entity", join_keys=["key"], value_type=ValueType.STRING)
    source = LakeTable.of(name, f"features/{name}", Version.of({"sql": name}))
    schema = [Field(name="value", dtype=Int64)]
    return entity, FeatureView(
        name=name, entities=[entity], ttl=timedelta(days=1), schema=schema, source=source
    )


def apply_some(repository: str, process: int, applies: int, wait: Callable[[], int]) -> None:
    """Each apply opens the registry anew, as a command does."""
    wait()
    for number in range(applies):
        FeatureStore(repository).apply(list(view(f"view_{process}_{number}")))


def main(repository: str, processes: int, applies: int) -> None:
    """Start together, and fail when any of them does."""
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(processes)
    started = [
        fork.Process(target=apply_some, args=(repository, number, applies, together.wait))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    sys.exit(max(abs(process.exitcode or 0) for process in started))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
