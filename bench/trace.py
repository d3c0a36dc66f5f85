"""How long a trace takes in a graph of a million materializations: from a model back to its files, and forward.

Layers of tables with a partition a day; a partition reads that of the day in two tables of the layer below, those of
the first layer a file; models read ninety days of three tables. CPU is this process's alone: all of SQLite's work,
and of PostgreSQL's none.
"""

import argparse
import random
import statistics
import time

import sqlalchemy as sa

from bench.ledger import POSTGRES, stores_on
from bench.machine import described
from mlops_assets.stores.database import materialization, open_database, reading
from mlops_assets.stores.lineage import Lineage

LAYERS, WINDOW, TABLES_OF_A_MODEL = 10, 90, 3
INSERTED = 50_000


def main() -> None:
    arguments = _arguments()
    print(described())
    print(f"{'':<12}{'':<34}{'reached':>9}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}")
    for name in ("SQLite", "PostgreSQL"):
        with stores_on(name, arguments.postgres) as stores:
            database = open_database(stores.places.database)
            count, models = fill(database, arguments.materializations, arguments.models)
            print(f"{name:<12}{count[0]:,} materializations, {count[1]:,} edges", flush=True)
            show(stores.lineage, models, arguments.traces)
            database.dispose()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--materializations", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--models", type=int, default=50, help="trained (default: %(default)s)")
    parser.add_argument("--traces", type=int, default=30, help="of each kind (default: %(default)s)")
    parser.add_argument("--postgres", default=POSTGRES, help="a server (default: %(default)s)")
    return parser.parse_args()


class Graph:
    """Rows as the records would write them. Table t of day d has the number d * tables + t + 1."""

    def __init__(self, count: int) -> None:
        self.rng = random.Random(0)
        self.tables = max(LAYERS * 4, count // 5_000) // LAYERS * LAYERS
        self.days, self.per_layer = count // self.tables, self.tables // LAYERS
        self.below = {
            t: self.rng.sample(range(self.per_layer), 2) for t in range(self.per_layer, self.tables)
        }
        self.nodes: list[dict[str, object]] = []
        self.edges: list[dict[str, object]] = []

    def add_day(self, day: int) -> None:
        for t in range(self.tables):
            number, (layer, place) = day * self.tables + t + 1, divmod(t, self.per_layer)
            self._node(number, f"layer{layer}/table{place}", f"{day:06d}")
            if layer == 0:
                self._edge(number, f"landing/table{place}/{day:06d}.csv", "whole", None)
            for source in self.below.get(t, ()):
                self._read(number, layer - 1, source, day)

    def add_model(self, model: int) -> int:
        number = self.days * self.tables + model + 1
        self._node(number, "model/model", f"{model:06d}")
        last = self.rng.randrange(min(WINDOW, self.days - 1), self.days)
        for source in self.rng.sample(range(self.per_layer), min(TABLES_OF_A_MODEL, self.per_layer)):
            for day in range(max(0, last - WINDOW), last):
                self._read(number, LAYERS - 1, source, day)
        return number

    def write(self, connection: sa.Connection) -> None:
        connection.execute(sa.insert(materialization), self.nodes)
        connection.execute(sa.insert(reading), self.edges)
        self.nodes, self.edges = [], []

    def _read(self, number: int, layer: int, source: int, day: int) -> None:
        wrote = day * self.tables + layer * self.per_layer + source + 1
        self._edge(number, f"layer{layer}/table{source}", f"{day:06d}", wrote)

    def _node(self, number: int, table: str, partition: str) -> None:
        made = {"id": number, "table_name": table, "partition": partition, "version": 0, "rows": 1}
        who = {"fingerprint": f"{number:064x}", "code_version": "c" * 16, "run_id": "r", "written_at": "w"}
        self.nodes.append({**made, **who})

    def _edge(self, number: int, table: str, partition: str, wrote: int | None) -> None:
        read = {"table_name": table, "partition": partition, "version": 0, "fingerprint": "f" * 64}
        self.edges.append({"materialization_id": number, "source_id": wrote, **read})


def fill(database: sa.Engine, count: int, models: int) -> tuple[tuple[int, int], list[int]]:
    """The graph; how many nodes and edges, and the ids of the models."""
    graph = Graph(count)
    with database.begin() as connection:
        for day in range(graph.days):
            graph.add_day(day)
            if len(graph.nodes) >= INSERTED:
                graph.write(connection)
        wanted = [graph.add_model(model) for model in range(models)]
        graph.write(connection)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As PostgreSQL does by itself. SQLite does not, and nobody else does it for the platform.
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")
        counts = [
            int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in (materialization, reading)
        ]
    return (counts[0], counts[1]), wanted


def show(lineage: Lineage, models: list[int], traces: int) -> None:
    rng = random.Random(1)
    files = [one.by for one in lineage.backward(models[:1]).ends]
    kinds = {
        "backward from a model": lambda: lineage.backward([rng.choice(models)]),
        "forward from a first partition": lambda: lineage.forward([rng.choice(files)]),
    }
    for name, trace in kinds.items():
        took, worked, reached = [], [], []
        for _ in range(traces):
            started, at = time.perf_counter(), time.process_time()
            found = trace()
            worked.append(1000 * (time.process_time() - at))
            took.append(1000 * (time.perf_counter() - started))
            reached.append(len(found.materialized))
        middle, worst = statistics.median(took), statistics.quantiles(took, n=20)[-1]
        print(
            f"{'':<12}{name:<34}{statistics.median(reached):>9,.0f}{middle:>10.1f}{worst:>10.1f}", flush=True
        )


if __name__ == "__main__":
    main()
