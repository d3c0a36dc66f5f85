"""The rows of a feature view, cut to the days that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_assets.data.sql import PARTITION, WHOLE, local_day, name, names, text
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.sql import SQL_TYPES, bracketed


def view_rows(
    view: FeatureView, keys: Mapping[str, str], *, days: Sequence[str], timezone: str | None
) -> str:
    """SQL: the view's rows, typed as declared, in the order of day, key and time.

    keys: join key -> declared type. timezone: whose midnight cuts the days; None for a view
    that is not daily. Rows of an entity without a key are left out: nothing can ask for them.
    """
    types = {**keys, **{feature: declared.type for feature, declared in view.features.items()}}
    columns = ", ".join(f"CAST({name(c)} AS {SQL_TYPES[kind]}) AS {name(c)}" for c, kind in types.items())
    moments = ", ".join(f"CAST({c} AS TIMESTAMPTZ) AS {c}" for c in (EVENT_TIME, AVAILABLE_AT))
    day = local_day(EVENT_TIME, timezone) if timezone else text(WHOLE)
    wanted = ", ".join(text(one) for one in days)
    known = " AND ".join(f"{name(key)} IS NOT NULL" for key in keys)
    return f"""
        SELECT * FROM (
            SELECT {day} AS {PARTITION}, * FROM (SELECT {columns}, {moments} FROM {bracketed(view.sql)}))
        WHERE {PARTITION} IN ({wanted}) AND {known}
        ORDER BY {PARTITION}, {names(keys)}, {EVENT_TIME}, {AVAILABLE_AT}"""
