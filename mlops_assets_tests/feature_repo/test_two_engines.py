"""Every feature view, of a month of real flights: DuckDB's rows and Spark's are the same."""

from datetime import timedelta

import pytest

from mlops_assets.data.fingerprint import fingerprint
from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.graph import keys
from mlops_assets.steps.features import compute_view
from mlops_assets_tests.engines import difference
from mlops_assets_tests.sandbox import REAL, load_project, sandbox

pytestmark = [pytest.mark.slow, pytest.mark.spark]

VIEWS = sorted(read_feature_repository(REAL / "feature_repo").views)
DAYS = 31


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """The tables that views read, validated, of their first month."""
    with sandbox(load_project(REAL / "mlops_assets"), tmp_path_factory.mktemp("month")) as box:
        catalog = box.project.catalog
        for name in {table for view in catalog.features.views.values() for table in view.reads}:
            calendar = catalog.tables[name].calendar
            first, last = (str(calendar.start), str(_last(calendar))) if calendar else (None, None)
            assert box.run(*keys.of_table(name), first=first, last=last).success
        yield box


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_same_rows_on_both_engines(name, month, spark):
    catalog, view = month.project.catalog, month.project.catalog.features.views[name]
    tables = {table: month.stores.lake.pin(keys.table_name(keys.validated(table))) for table in view.reads}
    of_duckdb, of_spark = (
        compute_view(engine, catalog, view, tables, _partitions(catalog.view_calendar(view))).rows
        for engine in (month.stores.engine, spark)
    )
    assert of_duckdb.num_rows > 100
    assert of_spark.schema == of_duckdb.schema
    assert not difference(of_duckdb, of_spark)
    assert fingerprint(of_spark) == fingerprint(of_duckdb)


def _partitions(calendar):
    if calendar is None:
        return ["all"]
    return [str(calendar.start + timedelta(days=n)) for n in range(DAYS)]


def _last(calendar):
    return calendar.start + timedelta(days=DAYS - 1)
