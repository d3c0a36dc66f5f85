"""What a model would have lost on days whose labels are known by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd

from mlops_assets.data.on_demand import apply_on_demand
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, LABEL_KNOWN_AT, USE
from mlops_assets.modeling.evaluation import log_losses
from mlops_assets.modeling.frames import Scores, score
from mlops_assets.modeling.serialization import Loaded
from mlops_assets.steps.training_set import EVENTS, gathered, with_features
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class Asked:
    """Events of some days, in order of time, with their features as known when asked.

    labels: not a number where none was known when the day ``by`` began. days: the local day of each, and known_on:
    that in which its label became known; of no meaning where it was not.
    """

    rows: pd.DataFrame
    labels: Scores
    days: pd.Series[str]
    known_on: pd.Series[str]

    def known(self, until: str) -> Known:
        """Those of before a day whose labels are known."""
        kept = np.isfinite(self.labels) & (self.days < until).to_numpy()
        return Known(self.rows[kept], self.labels[kept], self.days[kept], self.known_on[kept])


class Known(Asked):
    """Events whose labels are known."""


def known_events(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    first: date,
    until: date,
    by: date,
) -> Known:
    """Events from a day to before another, with labels that were known when the day ``by`` began.

    Raises NotMaterialized when a day is missing.
    """
    horizon = _horizon(catalog, model, first, until, by)
    found = _events(stores, catalog, model, events, views, horizon, f"{USE} = 'evaluate'")
    return found.known(until.isoformat())


def asked_events(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    first: date,
    by: date,
) -> Asked:
    """Every event from a day to before the day ``by``, whatever is known of its label when that begins.

    Raises NotMaterialized when a day is missing.
    """
    return _events(stores, catalog, model, events, views, _horizon(catalog, model, first, by, by), "true")


def _horizon(catalog: Catalog, model: Model, first: date, until: date, by: date) -> Horizon:
    zone = catalog.tables[model.label.table].source.zone
    return Horizon(
        first=first,
        evaluate_from=first,
        last=until - timedelta(days=1),
        evaluation_starts=datetime.combine(first, time(), zone),
        as_of=datetime.combine(by, time(), zone),
    )


def _events(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    horizon: Horizon,
    which: str,
) -> Asked:
    """which: a SQL condition over the events."""
    timezone = catalog.tables[model.label.table].source.timezone
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        asked = session.rows(f"SELECT * FROM {EVENTS} WHERE {which} ORDER BY event_time")
        joined = with_features(session, catalog, model, asked)
    rows = apply_on_demand(catalog.features, model.features, joined).to_pandas()
    known = (rows[USE] == "evaluate").to_numpy()
    labels = np.where(known, rows[LABEL].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
    days, known_on = (
        rows[moment].dt.tz_convert(timezone).dt.strftime("%Y-%m-%d")
        for moment in ("event_time", LABEL_KNOWN_AT)
    )
    return Asked(rows, labels, days, known_on)


def daily_losses(loaded: Loaded, known: Known) -> dict[str, float]:
    """Day -> mean log loss, oldest first; days without a label that is known are left out."""
    return by_day(known, log_losses(known.labels, score(loaded.model, loaded.inputs, known.rows)))


def by_day(known: Known, values: Scores) -> dict[str, float]:
    """Day -> mean of a value that each event has, oldest first."""
    means = pd.Series(values).groupby(known.days.to_numpy()).mean()
    return {str(day): float(value) for day, value in means.items()}
