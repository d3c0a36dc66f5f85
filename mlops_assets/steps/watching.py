"""Both sides of a comparison: what a version was trained on, and a batch of events as that version sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce

from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import USE
from mlops_assets.errors import NotMaterialized
from mlops_assets.modeling.serialization import PROFILE, Loaded, from_files
from mlops_assets.modeling.training import score
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets.steps.population import RELATIONS, answered, asked, between, came_true, profile
from mlops_assets.steps.training_set import EVENTS, REQUESTS, gathered, with_features
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

WATCHED = "_watched"
# Before the name of a relation: of all windows together.
ALL = "_all"


def both_sides(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    version: Release,
    events: Pinned,
    views: Mapping[str, Pinned],
    as_of: str,
) -> tuple[Profile, Profile]:
    """The reference that the model declares, and the window before ``as_of``; in the version's cells.

    Raises NotMaterialized when a day is missing, or when the version keeps no profile.
    """
    files = stores.artifacts.load(version.artifact_digest)
    trained_on = trained_profile(version, files)
    horizon = watched_days(catalog, model, as_of)
    loaded, counted_in = from_files(files), windows(model, as_of)
    batch, *earlier = _profiles(
        stores, catalog, model, events, views, horizon, loaded, trained_on, counted_in
    )
    return (reduce(merge, earlier) if earlier else trained_on), batch


def watched_days(catalog: Catalog, model: Model, as_of: str) -> Horizon:
    """All days that are read for an as-of date."""
    zone = catalog.tables[model.label.table].source.zone
    return Horizon.watched(date.fromisoformat(as_of), model.drift.days, zone)


def windows(model: Model, as_of: str) -> list[tuple[str, str]]:
    """First and last day of the batch, and then of each earlier window that it is compared with."""
    season = model.drift.season
    ages = [0] if season is None else [season.every_days * period for period in range(season.periods + 1)]
    end = date.fromisoformat(as_of) - timedelta(days=1)
    first = end - timedelta(days=model.drift.window_days - 1)
    return [
        ((first - timedelta(days=age)).isoformat(), (end - timedelta(days=age)).isoformat()) for age in ages
    ]


def trained_profile(release: Release, files: Mapping[str, bytes]) -> Profile:
    """The profile that is kept with a version. Raises NotMaterialized when there is none."""
    if PROFILE not in files:
        raise NotMaterialized(
            f"{release.model} version {release.version} keeps no profile of what it was trained on; "
            f"train it again: mlops run {release.model} --as-of {release.as_of} --again"
        )
    return Profile.from_dict(json.loads(files[PROFILE]))


def _profiles(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    horizon: Horizon,
    version: Loaded,
    trained_on: Profile,
    windows: Sequence[tuple[str, str]],
) -> list[Profile]:
    """The profile of each window, in the cells of the reference."""
    timezone = catalog.tables[model.label.table].source.timezone
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        session.keep(REQUESTS, f"SELECT * FROM {EVENTS} WHERE {USE} <> 'unlabelled'")
        session.keep(WATCHED, with_features(catalog, model, views, REQUESTS))
        rows = session.rows(f"SELECT * FROM {WATCHED} ORDER BY event_time").to_pandas()
        scored = answered(rows, score(version.model, version.inputs, rows), timezone)
        session.keep(f"{ALL}{RELATIONS['feature']}", asked(catalog, model, WATCHED, timezone))
        known = f"(SELECT * FROM {WATCHED} WHERE {USE} = 'evaluate')"
        session.keep(f"{ALL}{RELATIONS['label']}", came_true(known, timezone))
        session.register(f"{ALL}{RELATIONS['score']}", scored)
        profiles = []
        for window in windows:
            for relation in RELATIONS.values():
                session.keep(relation, between(f"{ALL}{relation}", window))
            profiles.append(profile(session, trained_on.cells))
    return profiles
