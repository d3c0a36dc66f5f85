"""A deployment whose feature views Spark computes."""

from datetime import date

import pytest

from mlops_assets.errors import BadEnvironment, ViewUncomputable, outermost
from mlops_assets.graph import keys
from mlops_assets.resources.environment import ENGINE, SPARK_MEMORY, places
from mlops_assets.stores.spark import Spark
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

pytestmark = [pytest.mark.slow, pytest.mark.spark]

FIRST, LAST, DAYS = "2024-03-01", "2024-03-20", 20
ORDERS, SETTLED = keys.of_table("orders"), keys.features("customer_orders")


@pytest.fixture
def on_spark(spark, monkeypatch):
    """Spark by configuration."""
    monkeypatch.setenv(ENGINE, "spark")
    monkeypatch.setenv(SPARK_MEMORY, str(spark.memory_mb))


def test_a_view_that_spark_computes_is_the_one_that_duckdb_computed(tmp_path, on_spark, monkeypatch):
    project, home = load_project(make_project(tmp_path / "shop", like=SHOP)), tmp_path / "home"
    land_orders(home, date(2024, 3, 1), DAYS)
    with monkeypatch.context() as elsewhere, sandbox(project, home) as box:
        elsewhere.delenv(ENGINE)
        assert box.run(*ORDERS, SETTLED, first=FIRST, last=LAST).success
    of_duckdb = box.stores.records.contents("features/customer_orders")
    rows = box.rows("features/customer_orders")
    with sandbox(project, home) as box:
        assert isinstance(box.stores.view_engine, Spark)
        assert box.run(SETTLED, first=FIRST, last=LAST).success
    of_spark = box.stores.records.contents("features/customer_orders")
    assert [one.fingerprint for one in of_spark] == [one.fingerprint for one in of_duckdb]
    assert {one.version for one in of_spark} != {one.version for one in of_duckdb}
    assert box.rows("features/customer_orders") == rows
    assert len(rows) > 300


def test_sql_that_spark_is_not_asked_is_told_with_its_view_before_spark_runs(tmp_path, on_spark):
    view = (SHOP / "feature_repo/views/customer_orders.yaml").read_text()
    listed = view.replace("count(*) OVER week", "len(list(order_id) OVER week)")
    package = make_project(
        tmp_path / "shop", like=SHOP, more={"feature_repo/views/customer_orders.yaml": listed}
    )
    home = tmp_path / "home"
    land_orders(home, date(2024, 3, 1), 1)
    with sandbox(load_project(package), home) as box:
        assert box.run(*ORDERS, first=FIRST).success
        with pytest.raises(ViewUncomputable) as caught:
            box.run(SETTLED, first=FIRST)
        assert not box.stores.records.contents("features/customer_orders")
    told = str(outermost(caught.value))
    assert "feature view 'customer_orders'" in told
    assert "array_agg is not known to mean the same there" in told
    assert "DuckDB" in told


def test_an_engine_of_no_such_name_is_told(monkeypatch):
    monkeypatch.setenv(ENGINE, "sparc")
    with pytest.raises(BadEnvironment, match=r"MLOPS_ENGINE.*'sparc', expected one of duckdb, spark"):
        places()
