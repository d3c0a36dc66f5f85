"""Do DuckDB and Spark compute the same of a view?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.data.sameness import difference
from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.features import compute_view, days_read
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores, spark_at


@dataclass(frozen=True)
class BothEngines:
    """What two engines made of some days of a view. difference: the first one, or why Spark has no answer; or empty."""

    view: str
    partitions: Sequence[str]
    rows: int
    difference: str


def both_engines(stores: Stores, catalog: Catalog, view: FeatureView, *, days: int) -> BothEngines:
    """The newest ``days`` that were made of a view, computed again by both, from one pinned input; nothing is written.

    Raises NotMaterialized when none were made.
    """
    made = [content.partition for content in stores.lake.pin(f"features/{view.name}").contents]
    partitions = made[-days:]
    tables = {table: _read(stores, catalog, view, table, partitions) for table in view.reads}
    of_duckdb = compute_view(stores.engine, catalog, view, tables, partitions).rows
    try:
        of_spark = compute_view(spark_at(stores.places), catalog, view, tables, partitions).rows
    except ViewUncomputable as error:
        return BothEngines(view.name, partitions, of_duckdb.num_rows, str(error))
    return BothEngines(view.name, partitions, of_duckdb.num_rows, difference(of_duckdb, of_spark))


def _read(
    stores: Stores, catalog: Catalog, view: FeatureView, table: str, partitions: Sequence[str]
) -> Pinned:
    """What these partitions read of a table, as their assets would."""
    if catalog.tables[table].calendar is None or WHOLE in partitions:
        return stores.lake.pin(f"validated/{table}")
    wanted = {one for day in partitions for one in days_read(catalog, view, table, day) or ()}
    return stores.lake.pin(f"validated/{table}", sorted(wanted))
