"""A team's own Dagster assets beside the governed ones; and what Dagster says is stale."""

from datetime import date

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.workspace.context import LoadingContext

from mlops_assets.errors import NotMaterialized
from mlops_assets.graph import keys
from mlops_assets_tests.sandbox import SHOP, Sandbox, land_orders, load_project, make_project, sandbox

# A team that backfills ranges in one run uses what Dagster calls beta.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy` of function `asset`")

OWN = """
import dagster as dg
import pandas as pd
import pyarrow as pa

DAYS = dg.DailyPartitionsDefinition("2024-03-01", timezone="Europe/Berlin")
ORDERS = dg.AssetIn(["validated", "orders"])


@dg.asset(ins={"orders": ORDERS}, partitions_def=DAYS)
def by_channel(orders: pd.DataFrame) -> pd.DataFrame:
    return orders.groupby("channel", as_index=False).agg(orders=("order_id", "size"), amount=("amount", "sum"))


@dg.asset(ins={"orders": ORDERS}, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def large_orders(orders: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    return orders.filter(pc.greater(orders.column("amount"), 100.0))


@dg.asset(ins={"customers": dg.AssetIn(["validated", "customers"])})
def countries(customers: pd.DataFrame) -> pd.DataFrame:
    return customers.groupby("country", as_index=False).size()


@dg.asset
def nonsense() -> int:
    return 1
"""
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
VIEW = keys.features("customer_orders")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    more = {"PACKAGE/defs/own/assets.py": OWN}
    project = load_project(make_project(tmp_path_factory.mktemp("own"), like=SHOP, more=more))
    with sandbox(project, tmp_path_factory.mktemp("home")) as opened:
        land_orders(opened.home, date(2024, 3, 1), 15)
        opened.run(*CUSTOMERS)
        opened.run(*ORDERS, VIEW, first="2024-03-01", last="2024-03-15")
        yield opened


def test_a_frame_goes_in_and_a_frame_comes_out_of_one_partition(box):
    box.run(dg.AssetKey("by_channel"), first="2024-03-05")
    rows = box.rows("by_channel", ["2024-03-05"])
    assert {row["channel"] for row in rows} <= {"web", "app", "phone"}
    assert sum(row["orders"] for row in rows) == 40
    event = box.latest(dg.AssetKey("by_channel"))
    assert event.tags["dagster/data_version"] == event.metadata["fingerprint"].value


def test_a_range_of_rows_says_itself_which_row_is_whose(box):
    box.run(dg.AssetKey("large_orders"), first="2024-03-02", last="2024-03-04")
    contents = box.stores.records.contents("large_orders")
    assert [content.partition for content in contents] == ["2024-03-02", "2024-03-03", "2024-03-04"]


def test_rows_of_a_range_with_a_day_missing_are_not_handed_out(box):
    with pytest.raises(NotMaterialized, match="no partition 2024-03-16"):
        box.run(dg.AssetKey("large_orders"), first="2024-03-14", last="2024-03-16")


def test_an_asset_without_days_is_one_whole(box):
    box.run(dg.AssetKey("countries"))
    assert {row["country"]: row["size"] for row in box.rows("countries")} == {"DE": 40, "FR": 20}


def test_what_is_no_table_is_refused_with_what_was_expected(box):
    result = box.run(dg.AssetKey("nonsense"), raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert (
        "found a int, expected an Arrow table or a pandas frame"
        in failure.step_failure_data.error.to_string()
    )


def status(box: Sandbox, key: dg.AssetKey, day: str) -> StaleStatus:
    graph = box.project.definitions.resolve_asset_graph()

    class Loading(LoadingContext):
        instance = box.instance
        loaders: dict = {}

    resolver = CachingStaleStatusResolver(box.instance, graph, Loading())
    return resolver.get_status(key, day)


def test_after_a_range_run_dagster_calls_every_day_fresh_and_only_a_changed_day_stale(box):
    assert {status(box, VIEW, f"2024-03-{day:02d}") for day in range(1, 16)} == {StaleStatus.FRESH}
    box.run(*ORDERS, first="2024-03-10")
    assert {status(box, VIEW, f"2024-03-{day:02d}") for day in range(1, 16)} == {StaleStatus.FRESH}
    land_orders(box.home, date(2024, 3, 15), 1, seed=9)
    box.run(*ORDERS, first="2024-03-15")
    stale = {day for day in range(1, 16) if status(box, VIEW, f"2024-03-{day:02d}") == StaleStatus.STALE}
    assert stale == {15}
