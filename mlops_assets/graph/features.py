"""features/<view>: the rows of a feature view, day by day."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog, lookback_days
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import view_version
from mlops_assets.graph import columns, keys, partitions
from mlops_assets.graph.automation import when_inputs_are_good
from mlops_assets.graph.checks import write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.data.features",
    "mlops_assets.data.key_codes",
    "mlops_assets.data.range_windows",
    "mlops_assets.data.window_sql",
    "mlops_assets.stores.windows",
)
# What decides which rows of views answer a request.
JOIN = (
    "mlops_assets.data.point_in_time",
    "mlops_assets.data.key_codes",
    "mlops_assets.data.line",
    "mlops_assets.stores.as_known",
)


def view_code(catalog: Catalog, view: str) -> str:
    """The version of what computes a view: what is declared, and the platform's own part."""
    return view_version(catalog, view).made_by(*CODE)


def view_asset(catalog: Catalog, view: FeatureView) -> dg.AssetsDefinition:
    """The asset that computes a view from the validated tables it reads."""
    key = keys.features(view.name)
    days = partitions.days_of(catalog.view_calendar(view))
    news = [name for name in view.reads if days is None or catalog.tables[name].table.is_daily]

    @dg.asset(
        key=key,
        automation_condition=when_inputs_are_good(*(keys.validated(name) for name in news)),
        ins={table: _input(catalog, view, table, days) for table in view.reads},
        partitions_def=days,
        code_version=view_code(catalog, view.name),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="features",
        owners=[view.owner],
        tags=view.tags,
        kinds={"duckdb", "deltalake"},
        description=view.description,
        metadata={"sql": dg.MetadataValue.md(f"```sql\n{view.sql}\n```"), **columns.of_view(catalog, view)},
    )
    def rows(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], **tables: Pinned
    ) -> Iterator[Any]:
        from mlops_assets.lineage.columns import of_view
        from mlops_assets.steps.declared_history import require_declared_history
        from mlops_assets.steps.features import compute_view

        computed = compute_view(stores.view_engine, catalog, view, tables, partitions.produced(context, days))
        require_declared_history(stores, catalog, view, tables, computed)
        say_lineage(context, key, of_view(catalog, view))
        yield from write_and_tell(context, {key: computed})

    return rows


def _input(
    catalog: Catalog, view: FeatureView, table: str, days: dg.PartitionsDefinition | None
) -> dg.AssetIn:
    is_daily = days is not None and catalog.tables[table].table.is_daily
    mapping = partitions.looking_back(view.history_days(table)) if is_daily else None
    return dg.AssetIn(keys.validated(table), partition_mapping=mapping)


def question_inputs(catalog: Catalog, model: Model, *, days: int) -> tuple[dg.AssetIn, dict[str, dg.AssetIn]]:
    """The events of the days before an as-of date, and each view that tells what was known of them."""
    _, views = catalog.model_tables(model)
    events = dg.AssetIn(keys.validated(model.label.table), partition_mapping=partitions.looking_back(days, 1))
    return events, {
        name: view_input(catalog, view, first=days, before=model.predict_before)
        for name, view in views.items()
    }


def view_input(catalog: Catalog, view: FeatureView, *, first: int, before: timedelta) -> dg.AssetIn:
    """A view as an as-of date reads it: the days of the window, and those whose values still live then.

    first: how many days before the as-of date the window begins. before: how long before an
    event its features are taken.
    """
    mapping = view_mapping(catalog, view, first=first, last=1, before=before)
    return dg.AssetIn(keys.features(view.name), partition_mapping=mapping)


def view_mapping(
    catalog: Catalog, view: FeatureView, *, first: int, last: int, before: timedelta
) -> dg.PartitionMapping | None:
    """The days of a view that events from ``first`` to ``last`` days ago read; None of a view without days."""
    if catalog.view_calendar(view) is None:
        return None
    return partitions.looking_back(first + lookback_days(view.ttl + before), last)
