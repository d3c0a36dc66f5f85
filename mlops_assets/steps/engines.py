"""Do DuckDB, DuckDB with running totals, and Spark compute the same of a view?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.data.sameness import difference
from mlops_assets.data.sql import WHOLE
from mlops_assets.data.window_sql import windows_written
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.sql import unended
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.features import compute_view, days_read
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores, spark_at
from mlops_assets.stores.windows import WindowedEngine, with_windows_answered


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
    partitions = _newest(stores, view, days)
    tables = {table: _read(stores, catalog, view, table, partitions) for table in view.reads}
    of_duckdb = compute_view(stores.engine, catalog, view, tables, partitions).rows
    try:
        of_spark = compute_view(spark_at(stores.places), catalog, view, tables, partitions).rows
    except ViewUncomputable as error:
        return BothEngines(view.name, partitions, of_duckdb.num_rows, str(error))
    return BothEngines(view.name, partitions, of_duckdb.num_rows, difference(of_duckdb, of_spark))


@dataclass(frozen=True)
class WindowsOfView:
    """How the windows of a view are computed on DuckDB, and what two ways made of some of its days.

    answered: from running totals. left: by DuckDB. difference: the first one between both ways, or empty.
    """

    view: str
    partitions: Sequence[str]
    rows: int
    answered: Sequence[str]
    left: Sequence[str]
    difference: str


def windows_of_view(stores: Stores, catalog: Catalog, view: FeatureView, *, days: int) -> WindowsOfView:
    """The newest ``days`` that were made of a view, computed again with and without running totals, from one pinned
    input; nothing is written.

    Raises NotMaterialized when none were made.
    """
    partitions = _newest(stores, view, days)
    tables = {table: _read(stores, catalog, view, table, partitions) for table in view.reads}
    written = compute_view(stores.engine, catalog, view, tables, partitions).rows
    totals = WindowedEngine(stores.engine, few=0)
    found = compute_view(totals, catalog, view, tables, partitions).rows
    with stores.engine.session(tables) as session:
        answered = with_windows_answered(session, unended(view.sql)).windows
    left = Counter(windows_written(unended(view.sql))) - Counter(answered)
    return WindowsOfView(
        view.name, partitions, found.num_rows, answered, list(left.elements()), difference(written, found)
    )


def _newest(stores: Stores, view: FeatureView, days: int) -> Sequence[str]:
    made = [content.partition for content in stores.lake.pin(f"features/{view.name}").contents]
    return made[-days:]


def _read(
    stores: Stores, catalog: Catalog, view: FeatureView, table: str, partitions: Sequence[str]
) -> Pinned:
    """What these partitions read of a table, as their assets would."""
    if catalog.tables[table].calendar is None or WHOLE in partitions:
        return stores.lake.pin(f"validated/{table}")
    wanted = {one for day in partitions for one in days_read(catalog, view, table, day) or ()}
    return stores.lake.pin(f"validated/{table}", sorted(wanted))
