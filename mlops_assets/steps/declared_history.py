"""Does a day of a feature view hold the same rows whether it is computed alone or among others?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.data.changes import Change
from mlops_assets.data.sql import PARTITION, name
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.changed import changed
from mlops_assets.steps.features import compute_view
from mlops_assets.steps.rounding import roundings
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

APART, AMONG = "_apart", "_among"
# Queries in which the days between the first and the last are computed again; each reads no more than the run.
QUERIES = 6


def require_declared_history(
    stores: Stores, catalog: Catalog, view: FeatureView, tables: Mapping[str, Pinned], made: Produced
) -> None:
    """Raise ViewUncomputable when one of several days is another one without what its history does not have.

    Several days are computed by one query. It sees more of the past of a day, and of what comes after it, than
    a run of that day would. A value that rests on it would change with how it was computed, and say less of
    what it was made from than is true. Which days are computed again together, ``days_apart`` says.
    """
    if len(made.partitions) < 2:
        return
    again = _Again(stores, catalog, view, tables, made)
    history = max(view.history_days(table) for table in view.reads if catalog.tables[table].table.is_daily)
    for days in days_apart(made.partitions, history):
        found = again.change(days)
        if found is not None:
            raise again.refusal(found)


def days_apart(days: Sequence[str], history: int) -> Iterator[list[str]]:
    """Days that are computed again together, so that every day is, in few queries.

    The last and the first are alone. The others are taken in stretches, with more than a history between one
    stretch and the next, so that all of a stretch lacks what its own days do not read. Of a short history a
    stretch is one day; of a longer one as many as keep it at so many queries, and the days of one stretch see
    of each other.

    >>> list(days_apart([f"2024-03-0{day}" for day in range(1, 8)], history=1))
    [['2024-03-07'], ['2024-03-01'], ['2024-03-02', '2024-03-05'], ['2024-03-03', '2024-03-06'], ['2024-03-04']]
    """
    first, *between, last = sorted(days)
    yield [last]
    yield [first]
    stretch = -(-(history + 1) // (QUERIES - 1))
    queries = -(-(history + 1) // stretch) + 1
    together: dict[int, list[str]] = {}
    for day in between:
        passed = (date.fromisoformat(day) - date.fromisoformat(first)).days - 1
        together.setdefault(passed // stretch % queries, []).append(day)
    yield from together.values()


@dataclass(frozen=True)
class _Again:
    """Days of a view that were made among others, computed from nothing but what they say that they read."""

    stores: Stores
    catalog: Catalog
    view: FeatureView
    tables: Mapping[str, Pinned]
    made: Produced

    def change(self, days: Sequence[str]) -> Change | None:
        """The first row of these days that is another one; None when all are the same."""
        assert isinstance(self.made.rows, pa.Table), "the rows of a view are in memory"
        read = {one for day in days for one in self.made.reads[day]}
        history = {
            table: pinned.only(one.partition for one in read if one.table == pinned.table)
            for table, pinned in self.tables.items()
        }
        apart = compute_view(self.stores.view_engine, self.catalog, self.view, history, days).rows
        among = self.made.rows.filter(pc.field(PARTITION).isin(days))
        by = (PARTITION, *self.catalog.features.keys(self.view.name), EVENT_TIME, AVAILABLE_AT)
        columns = {feature: one.type for feature, one in self.view.features.items()}
        with self.stores.engine.session({APART: apart, AMONG: among}) as session:
            found = changed(session, APART, AMONG, by=by, columns=columns, roundings=self.roundings)
        return min(found, key=lambda one: one.row[PARTITION]) if found else None

    def roundings(self) -> Mapping[str, float]:
        """The features that lose more in rounding than usual, asked of the rows that the days were made from."""
        keys, calendar = (
            self.catalog.features.key_types(self.view.name),
            self.catalog.view_calendar(self.view),
        )
        tables = {table: f"SELECT * FROM {name(table)}" for table in self.tables}
        days, zone = list(self.made.partitions), calendar.timezone if calendar else None
        with self.stores.engine.session(self.tables) as session:
            return roundings(session, self.view, keys, tables, days=days, timezone=zone)

    def refusal(self, found: Change) -> ViewUncomputable:
        """What is said of a row, as it is when its day is computed alone where that shows it."""
        day = found.row[PARTITION]
        told = self.change([day]) or found
        row = ", ".join(f"{column}={value}" for column, value in told.row.items() if column != PARTITION)
        what = f"{told.column} is {told.here}" if told.column else "a row is there or not"
        other = f", computed alone it is {told.there}" if told.column else ", and alone it is otherwise"
        return ViewUncomputable(
            f"{self.view.called}: {day} rests on days that its history does not have: for {row} {what}{other}. "
            "Say in 'reads' how far back the SQL looks, and let it look no further"
        )
