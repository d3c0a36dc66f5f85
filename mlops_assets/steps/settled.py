"""The labels of what a model was trained on: how long they take to be known, and which never are.

Labels of one class may be known sooner than those of the other: a parcel that came back, before one that
will not. Only events that are old enough for nearly every label to be known tell how often it is positive,
and whether labels still come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from mlops_assets.data.training_set import Horizon, labelled_events
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL_KNOWN_AT, USE
from mlops_assets.errors import GateRefusal
from mlops_assets.steps.population import came_true
from mlops_assets.steps.training_set import EVENTS
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

# The share of labels that must have been known for an event to be old enough.
KNOWN = 0.99


@dataclass(frozen=True)
class Settled:
    """labels: of every event of the days trained on that was old enough; null where none was known.

    after: how long after the event KNOWN of the labels trained on were known.
    """

    labels: pa.Table
    after: timedelta


def settled_labels(stores: Stores, catalog: Catalog, model: Model, training_set: Pinned) -> Settled:
    """Of the very events that the training set was made from, with those that it left out for want of a label."""
    (made,) = training_set.contents
    declared = catalog.tables[model.label.table]
    timezone = declared.source.timezone
    horizon = Horizon.of(date.fromisoformat(made.partition), model.window, declared.source.zone)
    events = labelled_events(model, declared.table.key, (), horizon, timezone)
    with stores.engine.session({model.label.table: events_read(stores, model, training_set)}) as session:
        session.keep(EVENTS, events)
        delay = f"quantile_disc(epoch({LABEL_KNOWN_AT}) - epoch(event_time), {KNOWN})"
        (row,) = session.rows(f"SELECT {delay} AS delay FROM {EVENTS} WHERE {USE} = 'train'").to_pylist()
        after = timedelta(seconds=max(0.0, row["delay"]))
        labels = session.rows(came_true(EVENTS, "train", horizon.evaluation_starts - after, timezone))
    return Settled(labels, after)


def events_read(stores: Stores, model: Model, training_set: Pinned) -> Pinned:
    """The label's table as it was when the training set was made from it."""
    table = f"validated/{model.label.table}"
    read = [one for made in training_set.contents for one in stores.records.reads(made) if one.table == table]
    if not read:
        raise GateRefusal(
            f"{training_set.table} has no record of having been made from {table}; materialize it again"
        )
    return stores.lake.pin(table, [one.partition for one in read], version=max(one.version for one in read))
