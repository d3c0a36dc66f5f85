"""From validated tables to the rows of a view."""

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureView
from mlops_assets.declaration.on_demand import Feature
from mlops_assets.declaration.source import Source
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.declared_history import QUERIES, days_apart, require_declared_history
from mlops_assets.steps.engines import windows_of_view
from mlops_assets.steps.features import compute_view
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores

PROVENANCE = Provenance("code", "run", "2024-01-01T00:00:00+00:00")

SOURCE = Source.model_validate(
    {
        "name": "shop",
        "owner": "team:shop",
        "start": "2024-03-01",
        "tables": [
            {
                "name": "customers",
                "reads": {"landing": "customers.csv"},
                "select": "SELECT 1",
                "key": ["id"],
                "partitions": "none",
                "columns": {"id": {"type": "integer"}, "age": {"type": "string"}},
            }
        ],
    }
)
VIEW = FeatureView.model_validate(
    {
        "name": "profile",
        "owner": "team:shop",
        "entities": ["customer"],
        "reads": {"customers": "0d"},
        "sql": "profile.sql",
        "ttl": "1d",
        "features": {"age": {"type": "integer"}},
    }
)
CUSTOMERS = pa.table(
    {
        "partition": ["all"],
        "id": [1],
        "age": ["many"],
        "event_time": ["2024-03-01"],
        "available_at": ["2024-03-01"],
    }
)


def test_a_row_that_stops_the_sql_of_a_view_is_told_with_view_file_and_reason(tmp_path):
    (tmp_path / "profile.sql").write_text(
        "SELECT id, CAST(age AS BIGINT) AS age, event_time, available_at FROM customers\n"
    )
    view = VIEW.with_sql_from(tmp_path)
    entity = Entity(name="customer", key="id", type="integer")
    catalog = Catalog.of([SOURCE], FeatureRepository.of([entity], [view], []))
    stores = Stores.open(Places.below(tmp_path))
    stores.lake.write("validated/customers", Produced(CUSTOMERS, ["all"]), PROVENANCE)
    customers = stores.lake.pin("validated/customers")
    with pytest.raises(ViewUncomputable, match=r"feature view 'profile' \(profile.sql\): .*'many'"):
        compute_view(stores.engine, catalog, view, {"customers": customers}, ["all"])


FIRST = date(2024, 3, 1)
DAYS = [(FIRST + timedelta(days=n)).isoformat() for n in range(20)]
ORDERS = Source.model_validate(
    {
        "name": "orders",
        "owner": "team:shop",
        "start": DAYS[0],
        "tables": [
            {
                "name": "orders",
                "reads": {"landing": "orders.csv"},
                "select": "SELECT 1",
                "key": ["id"],
                "columns": {"id": {"type": "integer"}, "customer": {"type": "integer"}},
            }
        ],
    }
)
RECENT = FeatureView.model_validate(
    {
        "name": "recent",
        "owner": "team:shop",
        "entities": ["customer"],
        "reads": {"orders": "4d"},
        "sql": "SELECT customer, count(*) OVER four AS orders, event_time, available_at FROM orders "
        "WINDOW four AS (PARTITION BY customer ORDER BY event_time "
        "RANGE BETWEEN INTERVAL 345600 SECONDS PRECEDING AND CURRENT ROW)",
        "ttl": "4d",
        "features": {"orders": {"type": "integer"}},
    }
)


def orders(day: str, customers: list[int]) -> pa.Table:
    at = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    moments = pa.array(
        [at + timedelta(hours=n + 1) for n in range(len(customers))], pa.timestamp("us", "UTC")
    )
    return pa.table(
        {
            "partition": pa.array([day] * len(customers), pa.string()),
            "id": pa.array(range(len(customers)), pa.int64()),
            "customer": pa.array(customers, pa.int64()),
            "event_time": moments,
            "available_at": moments,
        }
    )


def test_a_late_row_reopens_the_days_whose_windows_reach_it_and_no_others(tmp_path):
    entity = Entity(name="customer", key="customer", type="integer")
    catalog = Catalog.of([ORDERS], FeatureRepository.of([entity], [RECENT], []))
    stores = Stores.open(Places.below(tmp_path))

    def validated(day: str, customers: list[int], run: str) -> None:
        written = Produced(orders(day, customers), [day])
        stores.lake.write("validated/orders", written, Provenance("code", run, day))

    def computed(days: list[str], run: str) -> None:
        pinned = {"orders": stores.lake.pin("validated/orders")}
        made = compute_view(stores.engine, catalog, RECENT, pinned, days)
        stores.lake.write("features/recent", made, Provenance("code", run, days[0]))

    def held() -> dict[str, str]:
        return {one.partition: one.fingerprint for one in stores.records.contents("features/recent")}

    for day in DAYS:
        validated(day, [1, 2, 1], "first")
    computed(DAYS, "first")
    before = held()
    assert stores.records.outdated("features/recent") == set()

    validated(DAYS[6], [1, 2, 1, 2], "late")
    affected = DAYS[6:11]
    assert sorted(stores.records.outdated("features/recent")) == affected
    computed(affected, "again")
    assert stores.records.outdated("features/recent") == set()

    mended = held()
    assert {day for day in DAYS if mended[day] != before[day]} == set(affected)
    computed(DAYS, "all")
    assert held() == mended


def of_orders(tmp_path, *, each=(1, 2, 1), **said) -> tuple[Stores, Catalog, FeatureView]:
    view = RECENT.model_copy(update=said)
    entity = Entity(name="customer", key="customer", type="integer")
    stores = Stores.open(Places.below(tmp_path))
    rows = pa.concat_tables([orders(day, list(each)) for day in DAYS])
    stores.lake.write("validated/orders", Produced(rows, DAYS), PROVENANCE)
    return stores, Catalog.of([ORDERS], FeatureRepository.of([entity], [view], [])), view


def test_windows_of_a_view_are_told_and_compared_with_the_sql_as_it_is_written(tmp_path):
    stores, catalog, view = of_orders(tmp_path)
    pinned = {"orders": stores.lake.pin("validated/orders")}
    made = compute_view(stores.engine, catalog, view, pinned, DAYS)
    stores.lake.write("features/recent", made, PROVENANCE)
    found = windows_of_view(stores, catalog, view, days=3)
    (window,) = found.answered
    assert window.startswith("count() OVER (PARTITION BY customer ORDER BY event_time RANGE BETWEEN")
    assert (found.left, found.difference) == ([], "")
    assert (list(found.partitions), found.rows) == (DAYS[-3:], 9)


def require_history_of(stores: Stores, catalog: Catalog, view: FeatureView, days: list[str]) -> None:
    pinned = {"orders": stores.lake.pin("validated/orders")}
    made = compute_view(stores.engine, catalog, view, pinned, days)
    require_declared_history(stores, catalog, view, pinned, made)


def test_days_that_are_the_same_alone_may_be_computed_together(tmp_path):
    opened = of_orders(tmp_path)
    require_history_of(*opened, DAYS)
    require_history_of(*opened, DAYS[7:8])


def test_a_window_longer_than_the_declared_history_is_refused(tmp_path):
    opened = of_orders(tmp_path, reads={"orders": timedelta(days=2)})
    with pytest.raises(
        ViewUncomputable, match=r"'recent': 2024-03-20 rests on days .* orders is 9, computed alone it is 5"
    ):
        require_history_of(*opened, DAYS)


def looking_further(day: str, history: int, further: str) -> dict[str, object]:
    """A view whose SQL keeps to its history, but for the rows of one day."""
    own = f"RANGE BETWEEN INTERVAL {history * 86400} SECONDS PRECEDING AND CURRENT ROW"
    sql = (
        f"SELECT customer, CASE WHEN CAST(event_time AS DATE) = DATE '{day}' THEN count(*) OVER further "
        "ELSE count(*) OVER own END AS orders, event_time, available_at FROM orders "
        f"WINDOW own AS (PARTITION BY customer ORDER BY event_time {own}), "
        f"further AS (PARTITION BY customer ORDER BY event_time {further})"
    )
    return {"sql": sql, "reads": {"orders": timedelta(days=history)}}


PAST = "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
FUTURE = "RANGE BETWEEN CURRENT ROW AND INTERVAL 86400 SECONDS FOLLOWING"


@pytest.mark.parametrize(
    ("number", "history", "further"),
    [(number, history, PAST) for history in (0, 1, 4) for number in (6, 7, 8, 9, 10, 11, 18)]
    + [(number, history, FUTURE) for history in (0, 1, 4) for number in (1, 8, 17)]
    + [(18, 9, PAST), (17, 12, PAST)],
)
def test_a_day_between_that_looks_further_than_the_others_is_refused(tmp_path, number, history, further):
    opened = of_orders(tmp_path, **looking_further(DAYS[number], history, further))
    with pytest.raises(ViewUncomputable, match=f"'recent': {DAYS[number]} rests on days"):
        require_history_of(*opened, DAYS)


@pytest.mark.parametrize("history", [0, 1, 4, 9, 12, 30])
def test_every_day_is_computed_again_once_without_what_it_does_not_read(history):
    days = [(date(2024, 3, 1) + timedelta(days=number)).isoformat() for number in range(60)]
    for made in (days, [*days[:3], *days[20:21], *days[40:]]):
        groups = list(days_apart(made, history))
        assert sorted(day for group in groups for day in group) == made
        assert groups[:2] == [[made[-1]], [made[0]]]
        assert len(groups) <= 2 + QUERIES
        stretch = max(1, math.ceil((history + 1) / (QUERIES - 1)))
        for group in groups:
            numbers = [date.fromisoformat(day).toordinal() for day in group]
            steps = [later - number for number, later in pairwise(numbers)]
            # Within a stretch, or beyond all that the next one reads.
            assert all(step < stretch or step > history + 1 for step in steps)


@pytest.mark.parametrize(
    ("scale", "history", "said"), [("1e-11", 4, None), ("1e-11", 2, "rests on days"), ("1e-9", 2, "rests on")]
)
def test_what_only_rounding_changes_is_the_same_day(tmp_path, scale, history, said):
    own = "RANGE BETWEEN INTERVAL 345600 SECONDS PRECEDING AND CURRENT ROW"
    number = f"(id * id * 7919 % 1009) * {scale} + 1"
    sql = (
        f"SELECT customer, stddev({number}) OVER (PARTITION BY customer ORDER BY event_time {own}) AS orders, "
        "event_time, available_at FROM orders"
    )
    changed = {"sql": sql, "reads": {"orders": timedelta(days=history)}}
    features = {"orders": Feature(type="number")}
    opened = of_orders(tmp_path, **changed, features=features, each=[1, 2, 1] * 7)
    if said is None:
        require_history_of(*opened, DAYS)
    else:
        with pytest.raises(ViewUncomputable, match=said):
            require_history_of(*opened, DAYS)


def test_rows_that_rest_on_later_days_are_refused(tmp_path):
    later = RECENT.sql.replace("4d", "").replace(
        "INTERVAL 345600 SECONDS PRECEDING AND CURRENT ROW",
        "CURRENT ROW AND INTERVAL 345600 SECONDS FOLLOWING",
    )
    opened = of_orders(tmp_path, sql=later)
    with pytest.raises(ViewUncomputable, match="'recent': 2024-03-01 rests on days"):
        require_history_of(*opened, DAYS)
