"""How long a trace takes in a graph of a million materializations: from a model back to its files, and forward; from
one of a million predictions to its files and who approved, and all of `mlops trace prediction` but printing.

Layers of tables with a partition a day; a partition reads that of the day in two tables of the layer below, those of
the first layer a file; models read ninety days of three tables, predictions a model and a day of three tables. CPU is
this process's alone: all of SQLite's work, and of PostgreSQL's none.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta

import sqlalchemy as sa

from bench.ledger import POSTGRES, stores_on
from bench.machine import described
from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.governance.canonical import canonical
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.ledger import body_of
from mlops_assets.governance.prediction import Prediction, place_of
from mlops_assets.governance.reasons import Reason
from mlops_assets.modeling.environment import environment
from mlops_assets.modeling.made import Made, Rows
from mlops_assets.modeling.serialization import MADE
from mlops_assets.steps.scoring import sealed
from mlops_assets.steps.trace_prediction import trace_prediction
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.database import materialization, open_database, reading
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.ledger import BATCH, Draft
from mlops_assets.stores.lineage import Lineage, Reached
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced, together
from mlops_assets.stores.releases import Candidate, Release
from mlops_assets.stores.stores import Stores

LAYERS, WINDOW, TABLES_OF_A_MODEL = 10, 90, 3
INSERTED = 50_000
# Predictions of a day, days of a commit, numbers that each was made from, bytes of the model.
A_DAY, AT_ONCE, FEATURES, ARTIFACT = 1_000, 50, 10, 1_000_000
MODEL, TABLE, AT = "bench", "bench/batch_predictions", "2024-01-01T00:00:00+00:00"


def main() -> None:
    arguments = _arguments()
    print(described())
    print(f"{'':<12}{'':<34}{'reached':>9}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}")
    with stores_on("SQLite", "") as embedded, stores_on("PostgreSQL", arguments.postgres) as served:
        # The lake is written once. What it holds is adopted by whoever opens it.
        shared = replace(served, lake=Lake(embedded.places.home / "lake", served.records))
        ids: list[str] = []
        for name, stores in {"SQLite": embedded, "PostgreSQL": shared}.items():
            database = open_database(stores.places.database)
            count, models = fill(database, arguments.materializations, arguments.models)
            version, model = release(stores)
            if name == "SQLite":
                ids = add_predictions(stores, version, model, arguments.predictions)
            else:
                adopt(stores, embedded)
            print(
                f"{name:<12}{count[0]:,} materializations, {count[1]:,} edges, "
                f"{arguments.predictions:,} predictions",
                flush=True,
            )
            show(stores.lineage, models, arguments.traces)
            show_predictions(stores, ids, arguments.traces)
            database.dispose()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--materializations", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--models", type=int, default=50, help="trained (default: %(default)s)")
    parser.add_argument("--predictions", type=int, default=100_000, help="(default: %(default)s)")
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
            newest = "pg_get_serial_sequence('materialization', 'id'), (SELECT max(id) FROM materialization)"
            connection.exec_driver_sql(f"SELECT setval({newest})")
        counts = [
            int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in (materialization, reading)
        ]
    return (counts[0], counts[1]), wanted


def add_predictions(stores: Stores, version: Release, model: Content, count: int) -> list[str]:
    """Days of predictions by a version, each made of its model and of a day of three tables; an id of each day."""
    rng, ids = random.Random(2), []
    days = max(1, count // A_DAY)
    for first in range(0, days, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, days))
        made = [predicted(stores, version, model, day, rng) for day in numbers]
        ids += [rng.choice(one.rows.column("prediction_id").to_pylist()) for one in made]
        by = Provenance("code", f"run {first}", AT)
        stores.lake.write(TABLE, together(made, stores.places.home / "spill"), by)
    return ids


def adopt(stores: Stores, other: Stores) -> None:
    """Record what another database has of the predictions: their commits, and what was sealed."""
    stores.lake.pin(TABLE, ())
    sealed_there = reversed(other.ledger.newest(1_000_000, kind=BATCH))
    stores.ledger.append(*(Draft(BATCH, one.subject, body_of(one)) for one in sealed_there))


def release(stores: Stores) -> tuple[Release, Content]:
    """A version that was made from the first model of the graph, and reigns."""
    estimator = Estimator(path="sklearn.linear_model.LogisticRegression")
    recipe = Recipe(model=MODEL, estimator=estimator, baseline=estimator, seed=0, inputs={"amount": "number"})
    how = Made(recipe, Rows("set", "2024-01-01", 0, "f"), "code", environment())
    files = {MADE: how.to_bytes(), "weights": random.Random(3).randbytes(ARTIFACT)}
    (number,) = stores.lineage.written("model/model", f"{0:06d}")
    model = Content("model/model", f"{0:06d}", 0, 1, f"{number:064x}")
    candidate = Candidate(
        *(MODEL, "2000-01-01", "digest", stores.artifacts.save(files), "evidence", "mlflow", "features", {}),
        *(stores.artifacts.save({"contract.json": b"{}"}), (model,)),
    )
    evidence = Evidence(MODEL, "2000-01-01", "a", 9, 9, "1999-01-01", "1999-12-31", {"auc": 0.9}, {})
    yes = Decision("promote", (Reason("floor", "promote", "good enough"),))
    against = stores.releases.against(MODEL)
    judged = stores.releases.record(candidate, evidence, yes, against=against, by="gates", at=AT, run_id="r")
    assert judged.release is not None
    return judged.release, model


def predicted(stores: Stores, version: Release, model: Content, day: int, rng: random.Random) -> Produced:
    """The predictions of a day, sealed."""
    said = (date(2000, 1, 2) + timedelta(days=day)).isoformat()
    read = [model]
    for table in range(TABLES_OF_A_MODEL):
        place = (f"layer{LAYERS - 1}/table{table}", f"{day:06d}")
        read += [Content(*place, 0, 1, f"{number:064x}") for number in stores.lineage.written(*place)]
    rows = [
        Prediction(
            model=MODEL,
            day=said,
            version=version.version,
            artifact_digest=version.artifact_digest,
            entity=canonical({"order": day * A_DAY + number}),
            event_time=f"{said}T12:00:00.{number:06d}+00:00",
            predicted_at=f"{said}T10:00:00.{number:06d}+00:00",
            features=canonical({f"feature_{at}": rng.random() for at in range(FEATURES)}),
            score=rng.random(),
        )
        for number in range(A_DAY)
    ]
    return sealed(stores, MODEL, said, rows, read=tuple(read), requests=len(rows))


def show_predictions(stores: Stores, ids: list[str], traces: int) -> None:
    rng = random.Random(4)

    def why() -> int:
        traced = trace_prediction(stores, rng.choice(ids))
        assert traced.facts["proof"]["holds"]
        assert traced.facts["reigns"]
        return len(traced.reached.files()) + len(traced.facts["checks"])

    def files_and_approvers() -> int:
        model, day = place_of(rng.choice(ids))
        reached = stores.lineage.backward(stores.lineage.written(f"{model}/batch_predictions", day))
        assert stores.releases.history(model, version=1)
        assert stores.reigns.history(model)
        return len(reached.files())

    timed(
        {"a prediction: files and approvers": files_and_approvers, "a prediction: all, with proof": why},
        traces,
    )


def show(lineage: Lineage, models: list[int], traces: int) -> None:
    rng = random.Random(1)
    files = [one.by for one in lineage.backward(models[:1]).graph().ends]

    def summary(reached: Reached) -> int:
        reached.files()
        return sum(one.partitions for one in reached.tables())

    kinds = {
        "a model back, tables and files": lambda: summary(lineage.backward([rng.choice(models)])),
        "a model back, the whole graph": lambda: len(
            lineage.backward([rng.choice(models)]).graph().materialized
        ),
        "a first partition forward": lambda: summary(lineage.forward([rng.choice(files)])),
    }
    timed(kinds, traces)


def timed(kinds: Mapping[str, Callable[[], int]], traces: int) -> None:
    for name, trace in kinds.items():
        took, worked, reached = [], [], []
        for _ in range(traces):
            started, at = time.perf_counter(), time.process_time()
            found = trace()
            worked.append(1000 * (time.process_time() - at))
            took.append(1000 * (time.perf_counter() - started))
            reached.append(found)
        middle, worst = statistics.median(took), statistics.quantiles(took, n=20)[-1]
        told = f"{statistics.median(reached):>9,.0f}{middle:>10.1f}{worst:>10.1f}"
        print(f"{'':<12}{name:<34}{told}{statistics.median(worked):>10.1f}", flush=True)


if __name__ == "__main__":
    main()
