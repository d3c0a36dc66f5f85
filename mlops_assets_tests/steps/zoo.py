"""A small shop whose tables are honest, and what one can do wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.declaration.source import Source
from mlops_assets.steps.features import compute_view
from mlops_assets.steps.no_leak import Proof, prove_no_leak
from mlops_assets.steps.training_set import assemble_training_set
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")
START = date(2024, 3, 1)
DAYS = [(START + timedelta(days=n)).isoformat() for n in range(28)]
AS_OF = (START + timedelta(days=28)).isoformat()
MOMENT = pa.timestamp("us", tz="UTC")
LAKE_TABLES = {name: f"validated/{name}" for name in ("orders", "customers", "visits")}
CUSTOMERS = 12
SEED = 7

SOURCE = {
    "name": "shop",
    "owner": "team:shop",
    "timezone": "Europe/Berlin",
    "start": START,
    "tables": [
        {
            "name": "orders",
            "reads": {"landing": "orders.csv"},
            "select": "SELECT 1",
            "key": ["order_id"],
            "columns": {
                "order_id": {"type": "integer", "known": "ahead"},
                "customer_id": {"type": "integer", "known": "ahead"},
                "twin": {"type": "integer", "known": "ahead"},
                "amount": {"type": "number", "known": "ahead", "between": [0, None]},
                "channel": {"type": "string", "known": "ahead"},
                # The declaration is believed, and wrong: this is filled in when the order is settled.
                "mark": {"type": "string", "known": "ahead"},
                "score": {"type": "number", "known": "ahead"},
                "returned": {"type": "boolean"},
                "refund": {"type": "number"},
            },
        },
        {
            "name": "customers",
            "reads": {"landing": "customers.csv"},
            "select": "SELECT 1",
            "key": ["customer_id"],
            "partitions": "none",
            "columns": {"customer_id": {"type": "integer"}, "tier": {"type": "integer"}},
        },
        {
            "name": "visits",
            "reads": {"landing": "visits.csv"},
            "select": "SELECT 1",
            "key": ["visit_id", "version"],
            "columns": {
                "visit_id": {"type": "integer"},
                "version": {"type": "integer"},
                "customer_id": {"type": "integer"},
                "minutes": {"type": "integer"},
            },
        },
    ],
}


@dataclass(frozen=True)
class Animal:
    """One way to make a training set.

    feature: type of the view's one feature ``x``. reads: as a view declares it. tests: which tests must see
    it, and where: places that each of them names. says: what the reason must say.
    service: what the model asks for, where that is not the view as it is. on_demand: transforms it may name.
    mutate: SQL over ``training`` that makes the rows of another training set. told: the view as the
    join believed it, where that is not the view: another TTL, or SQL over the view's ``rows``.
    """

    name: str
    sql: str = ""
    feature: str = "number"
    reads: Mapping[str, str] = field(default_factory=lambda: {"orders": "30d"})
    ttl: str = "10d"
    tests: Sequence[tuple[str, str]] = ()
    says: str = ""
    service: Sequence[object] = ()
    on_demand: Sequence[Mapping[str, object]] = ()
    request: Sequence[str] = ("amount",)
    predict_before: str = "2h"
    joined_ttl: str = ""
    joined_rows: str = ""
    events: str = ""
    mutate: str = ""
    daily_runs: bool = False


TRAILING = """
    SELECT customer_id, available_at AS event_time, available_at,
           avg(amount) OVER (PARTITION BY customer_id ORDER BY available_at
                             RANGE BETWEEN INTERVAL 604800 SECONDS PRECEDING AND CURRENT ROW) AS x
    FROM orders"""


def over(expression: str, *, event_time: str = "available_at", available_at: str = "available_at") -> str:
    """A view of one row per order."""
    return (
        f"SELECT customer_id, {event_time} AS event_time, {available_at} AS available_at, "
        f"{expression} AS x FROM orders"
    )


def shop_tables(seed: int, *, late: float = 30.0) -> dict[str, pa.Table]:
    """The three tables. late: hours after which an order is settled, on average."""
    random = np.random.default_rng(seed)
    orders, visits = [], []
    # Numbers that say nothing of the order of time.
    numbers = random.permutation(40 * len(DAYS))
    for day in DAYS:
        for _ in range(40):
            at = _local_moment(day, random)
            known = at + timedelta(hours=float(random.exponential(late)), minutes=5)
            returned = bool(random.random() < 0.3)
            orders.append(
                {
                    "partition": day,
                    "order_id": int(numbers[len(orders)]),
                    "customer_id": int(random.integers(0, CUSTOMERS)),
                    "twin": int(random.integers(0, CUSTOMERS)),
                    "amount": round(float(random.gamma(2.0, 40.0)), 2),
                    "channel": ("web", "app", "phone")[int(random.integers(0, 3))],
                    "mark": "r" if returned else "k",
                    "score": float(random.random() + returned),
                    "returned": returned,
                    "refund": round(float(random.gamma(2.0, 20.0)), 2) if returned else None,
                    "event_time": at,
                    "available_at": known,
                }
            )
        for _ in range(20):
            at, customer = _local_moment(day, random), int(random.integers(0, CUSTOMERS))
            number = len(visits)
            for version in range(2):
                visits.append(
                    {
                        "partition": day,
                        "visit_id": number,
                        "version": version,
                        "customer_id": customer,
                        "minutes": int(random.integers(1, 60)),
                        "event_time": at,
                        "available_at": at + timedelta(hours=1 + 40 * version),
                    }
                )
    customers = [
        {
            "partition": "all",
            "customer_id": number,
            "tier": int(random.integers(0, 5)),
            "event_time": datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=2 * number),
            "available_at": datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=2 * number, hours=3),
        }
        for number in range(CUSTOMERS)
    ]
    return {"orders": _table(orders), "customers": _table(customers), "visits": _table(visits)}


def _local_moment(day: str, random: np.random.Generator) -> datetime:
    # Between seven and twenty-two o'clock in Berlin, whatever its summer time.
    return datetime.fromisoformat(f"{day}T06:00:00+00:00") + timedelta(minutes=int(random.integers(0, 840)))


def _table(rows: list[dict]) -> pa.Table:
    table = pa.Table.from_pylist(rows)
    fields = [f.with_type(MOMENT) if pa.types.is_timestamp(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields)).sort_by("partition")


def write_tables(stores: Stores, tables: Mapping[str, pa.Table]) -> None:
    """All days of every table."""
    for name, rows in tables.items():
        partitions = ["all"] if name == "customers" else DAYS
        stores.lake.write(LAKE_TABLES[name], Produced(rows, partitions), PROVENANCE)


def declared(animal: Animal, *, ttl: str = "") -> tuple[Catalog, Model]:
    """The shop with the animal as its one view, and a model on it."""
    view = {
        "name": animal.name,
        "owner": "team:x",
        "entities": ["customer"],
        "reads": animal.reads,
        "sql": animal.sql or TRAILING,
        "ttl": ttl or animal.ttl,
        "features": {"x": {"type": animal.feature}},
    }
    asked_for = animal.service or [animal.name]
    features = FeatureRepository.of(
        [Entity(name="customer", key="customer_id", type="integer")],
        [FeatureView.model_validate(view)],
        [FeatureService.model_validate({"name": "service", "owner": "team:x", "features": asked_for})],
        [OnDemandTransform.model_validate(one) for one in animal.on_demand],
    )
    model = {
        "name": "returned",
        "owner": "team:x",
        "features": "service",
        "estimator": {"path": "sklearn.linear_model.LogisticRegression"},
        "window": {"train_days": 14, "evaluate_days": 7},
        "predict_before": animal.predict_before,
        "request": list(animal.request),
        "label": {"table": "orders", "positive": "returned"},
        "gates": {"champion": {"at_least_days": 3}},
    }
    return Catalog.of([Source.model_validate(SOURCE)], features), Model.model_validate(model)


def compute(stores: Stores, animal: Animal, *, days: Sequence[str] = DAYS) -> str:
    """Compute and write the rows of the animal's view; the table that has them."""
    catalog, _ = declared(animal)
    view = catalog.features.views[animal.name]
    tables = {name: stores.lake.pin(LAKE_TABLES[name]) for name in view.reads}
    partitions = list(days) if catalog.view_calendar(view) else ["all"]
    table = f"features/{animal.name}"
    for batch in [[one] for one in partitions] if animal.daily_runs else [partitions]:
        of_batch = {
            name: stores.lake.pin(LAKE_TABLES[name], [day for day in DAYS if day <= batch[-1]])
            if animal.daily_runs and name != "customers"
            else pinned
            for name, pinned in tables.items()
        }
        stores.lake.write(table, compute_view(stores.engine, catalog, view, of_batch, batch), PROVENANCE)
    return table


def training_rows(stores: Stores, animal: Animal, table: str, events: Pinned) -> pa.Table:
    """The training set that the animal makes of its view."""
    catalog, model = declared(animal, ttl=animal.joined_ttl)
    views = {animal.name: _as_joined(stores, animal, table)}
    if animal.events:
        copy = f"validated/orders_of_{animal.name}"
        rows = stores.engine.rows(animal.events, {"orders": events})
        stores.lake.write(copy, Produced(rows, DAYS), PROVENANCE)
        events = stores.lake.pin(copy, DAYS)
    made = assemble_training_set(stores.engine, catalog, model, events, views, AS_OF).produced.rows
    return stores.engine.rows(animal.mutate, {"training": made}) if animal.mutate else made


def _as_joined(stores: Stores, animal: Animal, table: str) -> Pinned:
    pinned = stores.lake.pin(table)
    if not animal.joined_rows:
        return pinned
    rows = stores.engine.rows(animal.joined_rows, {"rows": pinned})
    partitions = [one.partition for one in pinned.contents]
    stores.lake.write(f"{table}_as_joined", Produced(rows, partitions), PROVENANCE)
    return stores.lake.pin(f"{table}_as_joined")


def proof_of(stores: Stores, animal: Animal, *, table: str = "", events: Pinned | None = None) -> Proof:
    """What the proof says of the animal.

    table: where its view has been computed; it is made otherwise. events: the orders, as they are if None.
    """
    table = table or compute(stores, animal)
    catalog, model = declared(animal)
    events = events or stores.lake.pin("validated/orders", DAYS)
    made = Produced(training_rows(stores, animal, table, events), [AS_OF])
    views = {animal.name: stores.lake.pin(table)}
    lake_tables = {name: LAKE_TABLES[name] for name in animal.reads}
    return prove_no_leak(stores, catalog, model, made, events, views, AS_OF, lake_tables=lake_tables)


WHOLE = "OVER ()"
ANIMALS = [
    Animal(
        "centred_window",
        over(
            "avg(amount) OVER (PARTITION BY customer_id ORDER BY available_at RANGE BETWEEN "
            "INTERVAL 86400 SECONDS PRECEDING AND INTERVAL 86400 SECONDS FOLLOWING)"
        ),
        tests=[("cut", "centred_window.x"), ("canary", "centred_window.x")],
    ),
    Animal(
        "following_row",
        over("lead(amount) OVER (PARTITION BY customer_id ORDER BY available_at, order_id)"),
        tests=[("cut", "following_row.x"), ("canary", "following_row.x")],
    ),
    Animal(
        "filled_backward",
        over(
            "coalesce(refund, lead(refund) OVER (PARTITION BY customer_id ORDER BY available_at, order_id))"
        ),
        tests=[("cut", "filled_backward.x")],
    ),
    Animal(
        "filled_from_the_end",
        over(
            "last_value(refund IGNORE NULLS) OVER (PARTITION BY customer_id ORDER BY available_at, order_id "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
        ),
        tests=[("cut", "filled_from_the_end.x")],
    ),
    Animal("global_mean", over(f"amount - avg(amount) {WHOLE}"), tests=[("cut", "global_mean.x")]),
    Animal(
        "global_scaling",
        over(f"(amount - avg(amount) {WHOLE}) / stddev(amount) {WHOLE}"),
        tests=[("cut", "global_scaling.x"), ("canary", "global_scaling.x")],
    ),
    # The largest amount may be an old one: then only what is planted shows it.
    Animal("global_maximum", over(f"amount / max(amount) {WHOLE}"), tests=[("canary", "global_maximum.x")]),
    Animal(
        "rank_over_all",
        over("percent_rank() OVER (ORDER BY amount)"),
        tests=[("cut", "rank_over_all.x"), ("canary", "rank_over_all.x")],
    ),
    Animal(
        "filled_with_the_median",
        over(f"coalesce(refund, median(refund) {WHOLE})"),
        tests=[("cut", "filled_with_the_median.x")],
    ),
    Animal(
        "target_encoding",
        over("avg(CAST(returned AS INTEGER)) OVER (PARTITION BY channel)"),
        tests=[("cut", "target_encoding.x")],
    ),
    Animal(
        "late_backfill",
        over("amount", event_time="event_time", available_at="event_time"),
        tests=[("cut", "late_backfill"), ("cut", "late_backfill__x")],
        says="cannot be computed from what was known",
    ),
    Animal(
        "timezone_shift",
        over("amount", available_at="available_at - INTERVAL 18000 SECONDS"),
        tests=[("cut", "timezone_shift")],
        says="cannot be computed from what was known",
    ),
    Animal(
        "start_of_the_day",
        """SELECT customer_id, date_trunc('day', available_at) AS event_time,
                  date_trunc('day', available_at) AS available_at, sum(amount) AS x
           FROM orders GROUP BY ALL""",
        tests=[("cut", "start_of_the_day.x")],
    ),
    Animal(
        "start_of_the_hour",
        """SELECT customer_id, date_trunc('hour', available_at) AS event_time,
                  date_trunc('hour', available_at) AS available_at, sum(amount) AS x
           FROM orders GROUP BY ALL""",
        tests=[("canary", "start_of_the_hour")],
    ),
    Animal(
        "leak_under_another_name",
        over("lead(amount) OVER (PARTITION BY customer_id ORDER BY available_at, order_id)"),
        service=[{"view": "leak_under_another_name", "name": "other", "keys": {"customer_id": "twin"}}],
        tests=[("cut", "leak_under_another_name.x"), ("cut", "other__x")],
    ),
    Animal(
        "label_in_features",
        over("CAST(returned AS INTEGER)", event_time="event_time", available_at="event_time"),
        feature="integer",
        predict_before="0h",
        tests=[("cut", "label_in_features"), ("cut", "label_in_features__x")],
    ),
    Animal(
        "synonym_of_the_label",
        over(
            "coalesce(refund, 0)", event_time="event_time", available_at="event_time - INTERVAL 7200 SECONDS"
        ),
        tests=[("cut", "synonym_of_the_label")],
    ),
    Animal(
        "restated_before_restatement",
        """SELECT customer_id, event_time, min(available_at) AS available_at,
                  arg_max(minutes, version) AS x FROM visits GROUP BY visit_id, customer_id, event_time""",
        feature="integer",
        reads={"visits": "30d"},
        tests=[("cut", "restated_before_restatement.x")],
    ),
    Animal(
        "only_the_newest",
        """SELECT customer_id, available_at AS event_time, available_at, amount AS x FROM orders
           QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY available_at DESC, order_id) = 1""",
        tests=[("cut", "only_the_newest")],
        says="what came later took it away",
    ),
    Animal(
        "known_when_complete",
        """SELECT customer_id, date_trunc('day', event_time) AS event_time, max(available_at) AS available_at,
                  sum(amount) AS x FROM orders GROUP BY customer_id, date_trunc('day', event_time)""",
        tests=[("cut", "known_when_complete")],
        says="what came later took it away",
    ),
    Animal(
        "sum_in_the_order_of_numbers",
        over("sum(amount) OVER (PARTITION BY customer_id ORDER BY order_id ROWS UNBOUNDED PRECEDING)"),
        tests=[("cut", "sum_in_the_order_of_numbers.x"), ("canary", "sum_in_the_order_of_numbers.x")],
    ),
    Animal(
        "constant_available_at",
        over("amount", event_time="event_time", available_at="TIMESTAMPTZ '2000-01-01 00:00:00+00'"),
        tests=[("cut", "constant_available_at")],
    ),
    Animal(
        "snapshot_from_the_start_of_time",
        """SELECT customer_id, TIMESTAMPTZ '2024-02-01 00:00:00+00' AS event_time,
                  TIMESTAMPTZ '2024-02-01 00:00:00+00' AS available_at, tier AS x FROM customers""",
        feature="integer",
        reads={"customers": "0d"},
        ttl="90d",
        tests=[("cut", "snapshot_from_the_start_of_time")],
    ),
    Animal(
        "dimension_of_another_time",
        """SELECT o.customer_id, o.available_at AS event_time, o.available_at, amount * tier AS x
           FROM orders o LEFT JOIN customers c USING (customer_id)""",
        reads={"orders": "30d", "customers": "0d"},
        tests=[("cut", "dimension_of_another_time.x")],
    ),
    Animal(
        "nobody_knows_when",
        over("amount", available_at="CASE WHEN order_id % 3 > 0 THEN available_at END"),
        joined_rows="SELECT * REPLACE (coalesce(available_at, event_time) AS available_at) FROM rows",
        tests=[("knowledge", "nobody_knows_when__x")],
        says="nobody knows when it could be known",
    ),
    Animal(
        "joined_by_event_time",
        over("amount", event_time="event_time"),
        joined_rows="SELECT * REPLACE (event_time AS available_at) FROM rows",
        tests=[("knowledge", "joined_by_event_time__x"), ("cut", "joined_by_event_time__x")],
        says="after it was asked",
    ),
    Animal(
        "ttl_ignored",
        ttl="6h",
        joined_ttl="20d",
        tests=[("knowledge", "ttl_ignored__x")],
        says="older than its TTL",
    ),
    Animal(
        "taken_from_the_next_request",
        mutate="""SELECT * REPLACE (lead(taken_from_the_next_request__x) OVER (
                    PARTITION BY customer_id ORDER BY predicted_at) AS taken_from_the_next_request__x)
                  FROM training ORDER BY event_time, order_id""",
        tests=[("knowledge", "taken_from_the_next_request__x")],
        says="after it was asked",
    ),
    Animal(
        "labels_before_they_are_known",
        events="SELECT * REPLACE (event_time AS available_at) FROM orders",
        tests=[("label", "label")],
        says="what was known by then says None",
    ),
    Animal(
        "labels_of_the_evaluation",
        mutate="""SELECT * REPLACE (CASE WHEN order_id % 50 = 0 THEN TIMESTAMPTZ '2024-03-22 05:00:00+00'
                                    ELSE label_known_at END AS label_known_at) FROM training""",
        tests=[("label", "label")],
        says="known only after evaluation began",
    ),
    Animal(
        "other_labels",
        mutate="SELECT * REPLACE (label <> (order_id % 100 = 0) AS label) FROM training",
        tests=[("label", "label")],
        says="its label is",
    ),
    Animal(
        "trained_on_the_evaluation",
        mutate="""SELECT * FROM training UNION ALL BY NAME
                  SELECT * REPLACE ('train' AS use) FROM training WHERE use = 'evaluate' AND order_id % 9 = 0""",
        tests=[("label", "order_id"), ("label", "label")],
        says="trained on and evaluated on",
    ),
    Animal(
        "duplicate_keys",
        mutate="SELECT * FROM training UNION ALL BY NAME SELECT * FROM training WHERE order_id % 9 = 0",
        tests=[("label", "order_id")],
        says="there more than once",
    ),
    Animal(
        "asked_later_than_declared",
        predict_before="2h",
        mutate="SELECT * REPLACE (event_time + INTERVAL 1 HOUR AS predicted_at) FROM training",
        tests=[("label", "label")],
        says="asked later than declared",
    ),
    Animal(
        "synonym_that_is_asked_with",
        request=("amount", "mark"),
        tests=[("label", "mark")],
        says="tells the label of every row",
    ),
    Animal(
        "number_that_is_asked_with",
        request=("amount", "score"),
        tests=[("label", "score")],
        says="tells the label of every row",
    ),
]

CLEAN = [
    Animal("trailing_window"),
    Animal("computed_day_by_day", daily_runs=True),
    Animal(
        "previous_row", over("lag(amount) OVER (PARTITION BY customer_id ORDER BY available_at, order_id)")
    ),
    Animal("late_and_honest", over("amount", event_time="event_time")),
    Animal(
        "end_of_the_hour",
        """SELECT customer_id, date_trunc('hour', available_at) + INTERVAL 3600 SECONDS AS event_time,
                  date_trunc('hour', available_at) + INTERVAL 3600 SECONDS AS available_at, sum(amount) AS x
           FROM orders GROUP BY ALL""",
    ),
    Animal(
        "scaled_by_what_was_known",
        over(
            "(amount - avg(amount) OVER known) / nullif(stddev(amount) OVER known, 0)",
        )
        + " WINDOW known AS (ORDER BY available_at RANGE UNBOUNDED PRECEDING)",
    ),
    Animal(
        "rate_of_returns_that_were_known",
        over(
            "avg(CAST(returned AS INTEGER)) OVER (PARTITION BY channel ORDER BY available_at RANGE UNBOUNDED PRECEDING)"
        ),
    ),
    Animal(
        "each_restatement_when_it_came",
        "SELECT customer_id, event_time, available_at, minutes AS x FROM visits",
        feature="integer",
        reads={"visits": "0d"},
    ),
    Animal(
        "snapshot",
        "SELECT customer_id, event_time, available_at, tier AS x FROM customers",
        feature="integer",
        reads={"customers": "0d"},
        ttl="90d",
    ),
    Animal(
        "dimension_when_both_were_known",
        """SELECT o.customer_id, greatest(o.available_at, c.available_at) AS event_time,
                  greatest(o.available_at, c.available_at) AS available_at, amount * tier AS x
           FROM orders o JOIN customers c USING (customer_id)""",
        reads={"orders": "30d", "customers": "0d"},
    ),
    Animal("forecast", over("amount", event_time="available_at + INTERVAL 86400 SECONDS")),
    Animal("nothing_at_all", over("amount") + " WHERE false"),
    Animal(
        "not_a_number",
        over("CASE WHEN order_id % 5 = 0 THEN 'nan'::DOUBLE WHEN order_id % 7 = 0 THEN 'inf'::DOUBLE END"),
    ),
    Animal("no_request_in_the_window", mutate="SELECT * FROM training WHERE false"),
    Animal("asked_with_more", request=("amount", "channel", "order_id"), predict_before="0h"),
    Animal("never_known", over("amount", available_at="CASE WHEN order_id % 3 > 0 THEN available_at END")),
    Animal(
        "joined_in_two_ways",
        service=[
            "joined_in_two_ways",
            {"view": "joined_in_two_ways", "name": "namesake", "keys": {"customer_id": "order_id"}},
        ],
    ),
    Animal("text", over("channel"), feature="string"),
    Animal(
        "moments",
        over("max(event_time) OVER (PARTITION BY customer_id ORDER BY available_at)"),
        feature="timestamp",
    ),
    Animal("truths", over("refund > 30"), feature="boolean"),
]

PAGE = Path(__file__).parents[2] / "docs" / "no_leak.md"
BEGINS, ENDS = "<!-- zoo -->\n", "<!-- /zoo -->"


def told(animal: Animal, proof: Proof) -> str:
    """The animal's row of the table: what it is called, and which tests see it."""
    seen = ", ".join(sorted({leak.test for leak in proof.leaks}))
    return f"| {animal.name.replace('_', ' ')} | {seen} |"


def write_page(stores: Stores) -> None:
    """The table of all animals, into the documentation."""
    rows = [told(animal, proof_of(stores, animal)) for animal in ANIMALS]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    table = "\n".join(["| leak | seen by |", "|---|---|", *rows])
    PAGE.write_text(f"{before}{BEGINS}{table}\n{ENDS}{after}", encoding="utf-8")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        zoo = Stores.open(Places.below(Path(folder)))
        write_tables(zoo, shop_tables(SEED))
        write_page(zoo)
