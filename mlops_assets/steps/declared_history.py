"""Does a day of a feature view hold the same rows whether it is computed alone or among others?"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.data.changes import changes, changes_query
from mlops_assets.data.sql import PARTITION
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.errors import ViewUncomputable
from mlops_assets.steps.features import compute_view
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

ALONE, AMONG = "_alone", "_among"


def require_declared_history(
    stores: Stores, catalog: Catalog, view: FeatureView, tables: Mapping[str, Pinned], made: Produced
) -> None:
    """Raise ViewUncomputable when the first or the last of several days is another one alone.

    Several days are computed by one query. It sees more of the past of the last day, and of what comes after
    the first, than a run of that day would. A value that rests on it would change with how it was computed,
    and say less of what it was made from than is true.
    """
    assert isinstance(made.rows, pa.Table), "the rows of a view are in memory"
    ends = (made.partitions[-1], made.partitions[0]) if len(made.partitions) > 1 else ()
    for day in ends:
        history = {name: _only(pinned, made, day) for name, pinned in tables.items()}
        alone = compute_view(stores.view_engine, catalog, view, history, [day]).rows
        among = made.rows.filter(pc.field(PARTITION) == day)
        by = (*catalog.features.keys(view.name), EVENT_TIME, AVAILABLE_AT)
        columns = {feature: one.type for feature, one in view.features.items()}
        with stores.engine.session({ALONE: alone, AMONG: among}) as session:
            found = changes(session.rows(changes_query(ALONE, AMONG, by=by, columns=columns)).to_pylist())
        if found:
            first = found[0]
            row = ", ".join(f"{name}={value}" for name, value in first.row.items())
            what = f"{first.column} is {first.here}" if first.column else "a row is there or not"
            other = f", computed alone it is {first.there}" if first.column else ", and alone it is otherwise"
            raise ViewUncomputable(
                f"{view.called}: {day} rests on days that its history does not have: for {row} {what}{other}. "
                "Say in 'reads' how far back the SQL looks, and let it look no further"
            )


def _only(pinned: Pinned, made: Produced, day: str) -> Pinned:
    """Of a table what a run of that day alone reads."""
    return pinned.only(one.partition for one in made.reads[day] if one.table == pinned.table)
