"""When the labels of a model's events became known, day by day."""

from __future__ import annotations

from datetime import date

from mlops_assets.data.sql import local_day
from mlops_assets.data.training_set import Horizon, labelled_events
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL_KNOWN_AT, USE
from mlops_assets.monitoring.arrival import DayLabels
from mlops_assets.steps.training_set import EVENTS, window_days
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores


def label_window(catalog: Catalog, model: Model, as_of: str) -> Horizon:
    """As many days before an as-of date as a training set of that date reads: of older events nobody asks."""
    zone = catalog.tables[model.label.table].source.zone
    return Horizon.watched(date.fromisoformat(as_of), model.window.days, zone)


def label_days(stores: Stores, catalog: Catalog, model: Model, events: Pinned, as_of: str) -> list[DayLabels]:
    """Each day of the window before an as-of date, with the labels that were known when that began, oldest first.

    Raises NotMaterialized when a day is missing.
    """
    declared, horizon = catalog.tables[model.label.table], label_window(catalog, model, as_of)
    days = window_days(horizon)
    events.require(days)
    timezone = declared.source.timezone
    with stores.engine.session({model.label.table: events.only(days)}) as session:
        session.keep(EVENTS, labelled_events(model, declared.table.key, (), horizon, timezone))
        counted = session.rows(_counted(timezone)).to_pylist()
    found: dict[str, tuple[int, dict[int, int]]] = {day: (0, {}) for day in days}
    for row in counted:
        events_before, arrived = found[row["day"]]
        known = {} if row["after"] is None else {row["after"]: row["events"]}
        found[row["day"]] = (events_before + row["events"], {**arrived, **known})
    return [DayLabels(day, events, arrived) for day, (events, arrived) in found.items()]


def _counted(timezone: str) -> str:
    """SQL: how many events of a day have a label that became known how many days after; null: not known.

    What was known before the day of the event was over counts as known when the next one began.
    """
    day, known = (f"CAST({local_day(one, timezone)} AS DATE)" for one in ("event_time", LABEL_KNOWN_AT))
    after = f"greatest(1, 1 + date_diff('day', {day}, {known}))"
    return f"""
        SELECT {local_day("event_time", timezone)} AS day, CASE WHEN {USE} = 'evaluate' THEN {after} END AS after,
               count(*) AS events
        FROM {EVENTS} GROUP BY ALL ORDER BY ALL"""
