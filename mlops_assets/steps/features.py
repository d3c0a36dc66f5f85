"""Feature rows from validated tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import duckdb

from mlops_assets.data.features import view_rows
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.errors import QueryFailed, ViewUncomputable
from mlops_assets.stores.engine import Queries
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced


def compute_view(
    engine: Queries,
    catalog: Catalog,
    view: FeatureView,
    tables: Mapping[str, Pinned],
    partitions: Sequence[str],
) -> Produced:
    """The view's rows of these days.

    Raises NotMaterialized when a day of the history they need is missing, and ViewUncomputable
    when a row stops its SQL or the engine does not take it.
    """
    calendar = catalog.view_calendar(view)
    zone = calendar.timezone if calendar else None
    reads = {day: tuple(_read_for_day(catalog, view, tables, day)) for day in partitions}
    sql = view_rows(view, catalog.features.key_types(view.name), days=partitions, timezone=zone)
    try:
        rows = engine.rows(sql, tables)
    except (duckdb.Error, QueryFailed) as error:
        raise ViewUncomputable(f"{view.called}: {error}") from error
    return Produced(rows, partitions, reads)


def days_read(catalog: Catalog, view: FeatureView, table: str, day: str) -> list[str] | None:
    """The days of a table that a day of a view reads, those that exist; None of a table that is not daily."""
    calendar = catalog.tables[table].calendar
    if calendar is None:
        return None
    first = max(date.fromisoformat(day) - timedelta(days=view.history_days(table)), calendar.start)
    last = date.fromisoformat(day) if calendar.end is None else min(date.fromisoformat(day), calendar.end)
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def _read_for_day(
    catalog: Catalog, view: FeatureView, tables: Mapping[str, Pinned], day: str
) -> Iterator[Content]:
    for name, pinned in tables.items():
        wanted = days_read(catalog, view, name, day)
        if wanted is None:
            yield from pinned.contents
        else:
            pinned.require(wanted)
            yield from pinned.among(wanted)
