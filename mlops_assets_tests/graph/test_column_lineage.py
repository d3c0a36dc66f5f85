"""What materializations say of where columns come from: every stored column, of every asset."""

from datetime import date

import dagster as dg
import pytest

from mlops_assets.graph import keys
from mlops_assets.graph.column_lineage import LINEAGE, NOTHING_SAID, TABLE, WITHOUT
from mlops_assets.graph.columns import SCHEMA
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

FIRST, LAST, AS_OF = "2024-03-01", "2024-03-28", "2024-03-29"
SNAPSHOTS = (*keys.of_table("customers"), keys.features("customer_profile"))
OWN = """
import pandas as pd
import dagster as dg


@dg.asset(key=["own", "table"], io_manager_key="io_manager")
def own_table() -> pd.DataFrame:
    return pd.DataFrame({"a": [1], "b": [2]})


@dg.asset(key=["own", "told"], io_manager_key="io_manager")
def own_told(context: dg.AssetExecutionContext) -> pd.DataFrame:
    deps = {"a": [dg.TableColumnDep(dg.AssetKey(["own", "table"]), "a")]}
    context.add_asset_metadata({"dagster/column_lineage": dg.TableColumnLineage(deps)})
    return pd.DataFrame({"a": [1], "b": [2]})
"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    land_orders(home, date(2024, 3, 1), 28)
    package = make_project(
        tmp_path_factory.mktemp("lineage"), like=SHOP, more={"PACKAGE/defs/own/definitions.py": OWN}
    )
    with sandbox(load_project(package), home) as opened:
        opened.run(*SNAPSHOTS)
        opened.run(*keys.of_table("orders"), keys.features("customer_orders"), first=FIRST, last=LAST)
        opened.run(*(keys.of_model("returned", stage) for stage in ("training_set", "model")), first=AS_OF)
        opened.run(dg.AssetKey(["own", "table"]), dg.AssetKey(["own", "told"]))
        yield opened


def said(opened, key: dg.AssetKey) -> dict[str, set[str]]:
    """The columns of an asset, each with those it comes from as the newest materialization says."""
    lineage = opened.latest(key).metadata[LINEAGE].value
    return {
        column: {f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps}
        for column, deps in lineage.deps_by_column.items()
    }


def without(opened, key: dg.AssetKey) -> dict[str, str]:
    """The columns that come from no column, each with what the table says instead."""
    metadata = opened.latest(key).metadata
    assert WITHOUT not in metadata
    rows = [line.strip("| ").split(" | ") for line in metadata[TABLE].value.splitlines()[2:]]
    return {column: why for column, why in rows if "](/assets/" not in why}


@pytest.mark.slow
def test_from_the_input_of_a_model_to_raw_columns(opened):
    assert said(opened, keys.of_model("returned", "model"))["customer_orders__came_back"] == {
        "returned/training_set.customer_orders__came_back"
    }
    training_set = said(opened, keys.of_model("returned", "training_set"))
    assert training_set["customer_orders__came_back"] == {"features/customer_orders.came_back"}
    assert training_set["label"] == {"validated/orders.returned"}
    assert training_set["amount"] == {"validated/orders.amount"}
    assert said(opened, keys.features("customer_orders"))["came_back"] == {
        "validated/orders.returned",
        "validated/orders.customer_id",
        "validated/orders.available_at",
    }
    assert said(opened, keys.validated("orders"))["returned"] == {"raw/orders.returned"}
    assert said(opened, keys.validated("customers"))["country"] == {"raw/customers.country"}
    assert said(opened, keys.quarantine("orders"))["amount"] == {"raw/orders.amount"}


@pytest.mark.slow
def test_a_raw_column_names_the_columns_of_its_file(opened):
    told = without(opened, keys.raw("orders"))
    assert told["returned"] == "landing:orders/{day}.csv: returned"
    assert told["available_at"] == "landing:orders/{day}.csv: settled_at"


@pytest.mark.slow
def test_every_stored_column_of_every_asset_has_a_lineage_or_a_reason(opened):
    graph = opened.project.definitions.resolve_asset_graph()
    made = [
        key
        for key in graph.materializable_asset_keys
        if opened.instance.get_latest_materialization_event(key)
    ]
    assert len(made) >= 12
    for key in made:
        columns = {column.name for column in opened.latest(key).metadata[SCHEMA].value.columns}
        lineage, reasons = said(opened, key), without(opened, key)
        assert columns <= {*lineage, *reasons}
        assert not set(lineage) & set(reasons)
        assert all(lineage.values())
        assert all(reasons.values())


@pytest.mark.slow
def test_a_table_of_ones_own_is_unknown_until_it_says_more(opened):
    assert without(opened, dg.AssetKey(["own", "table"])) == {"a": NOTHING_SAID, "b": NOTHING_SAID}
    assert said(opened, dg.AssetKey(["own", "told"])) == {"a": {"own/table.a"}}
    assert without(opened, dg.AssetKey(["own", "told"])) == {"b": NOTHING_SAID}


@pytest.mark.slow
def test_only_the_newest_partition_of_a_range_carries_it(opened):
    records = opened.instance.fetch_materializations(keys.validated("orders"), limit=100).records
    carry = [one.partition_key for one in records if LINEAGE in one.asset_materialization.metadata]
    assert carry == [LAST]
