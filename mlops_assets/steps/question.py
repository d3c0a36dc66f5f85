"""What a model's questions about some days are asked from, as the lake holds it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog, lookback_days
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.steps.training_set import window_days
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores


def pinned_question(
    stores: Stores, catalog: Catalog, model: Model, horizon: Horizon
) -> tuple[Pinned, dict[str, Pinned]]:
    """The events of the horizon's days, and each view on the days whose values may still live then.

    Days that were never written are listed in what is pinned, not raised.
    """
    events = stores.lake.pin(f"validated/{model.label.table}", window_days(horizon))
    _, views = catalog.model_tables(model)
    return events, {name: _view(stores, catalog, model, view, horizon) for name, view in views.items()}


def _view(stores: Stores, catalog: Catalog, model: Model, view: FeatureView, horizon: Horizon) -> Pinned:
    table, calendar = f"features/{view.name}", catalog.view_calendar(view)
    if calendar is None:
        return stores.lake.pin(table)
    lives = timedelta(days=lookback_days(view.ttl + model.predict_before))
    first = max(horizon.first - lives, calendar.start)
    return stores.lake.pin(table, window_days(replace(horizon, first=first)))
