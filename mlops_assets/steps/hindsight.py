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
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.modeling.evaluation import log_losses
from mlops_assets.modeling.frames import Scores, score
from mlops_assets.modeling.serialization import Loaded
from mlops_assets.steps.training_set import EVENTS, gathered, with_features
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class Known:
    """Events of some days whose labels are known, in order of time, with their features as known when asked.

    days: the local day of each.
    """

    rows: pd.DataFrame
    labels: Scores
    days: pd.Series[str]


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
    source = catalog.tables[model.label.table].source
    horizon = Horizon(
        first=first,
        evaluate_from=first,
        last=until - timedelta(days=1),
        evaluation_starts=datetime.combine(first, time(), source.zone),
        as_of=datetime.combine(by, time(), source.zone),
    )
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        asked = session.rows(f"SELECT * FROM {EVENTS} WHERE {USE} = 'evaluate' ORDER BY event_time")
        joined = with_features(session, catalog, model, asked)
    rows = apply_on_demand(catalog.features, model.features, joined).to_pandas()
    days = rows["event_time"].dt.tz_convert(source.timezone).dt.strftime("%Y-%m-%d")
    return Known(rows, rows[LABEL].to_numpy(dtype=np.float64), days)


def daily_losses(loaded: Loaded, known: Known) -> dict[str, float]:
    """Day -> mean log loss, oldest first; days without a label that is known are left out."""
    return by_day(known, log_losses(known.labels, score(loaded.model, loaded.inputs, known.rows)))


def by_day(known: Known, values: Scores) -> dict[str, float]:
    """Day -> mean of a value that each event has, oldest first."""
    means = pd.Series(values).groupby(known.days.to_numpy()).mean()
    return {str(day): float(value) for day, value in means.items()}
