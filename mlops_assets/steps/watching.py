"""Both sides of a comparison: what a version was trained on, and a batch of events as that version sees it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from mlops_assets.data.on_demand import apply_on_demand
from mlops_assets.data.sql import names
from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.drift import CALIBRATED, Drift
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import view_version, view_versions
from mlops_assets.errors import NotMaterialized, OtherVersion
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.serialization import CORRELATIONS, PROFILE, SETTLED_AFTER, Loaded, from_files
from mlops_assets.monitoring.findings import DriftReport, report
from mlops_assets.monitoring.multivariate import Correlations, broken_correlations
from mlops_assets.monitoring.policies import declared_policy
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets.steps.definitions import changed_views
from mlops_assets.steps.population import (
    RELATIONS,
    answered,
    asked,
    came_true,
    correlations,
    numeric_inputs,
    of_days,
    profile,
)
from mlops_assets.steps.training_set import EVENTS, gathered, require_versions, with_features
from mlops_assets.stores.engine import Session
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

WATCHED = "_watched"
# Before the name of a relation: of all windows together.
ALL = "_all"


@dataclass(frozen=True)
class Sides:
    """What a batch is compared with, and the batch, in the same cells.

    correlations: of the reference and of the batch between the inputs ``numeric``; None without two of these.
    """

    reference: Profile
    batch: Profile
    numeric: Sequence[str]
    correlations: tuple[Correlations, Correlations] | None

    def judged(self, drift: Drift, history: Sequence[DriftReport] = ()) -> DriftReport:
        """What the declared policy says; the calibrated one looks at correlations too."""
        found = declared_policy(drift)(self.reference, self.batch, history)
        if drift.policy != CALIBRATED or self.correlations is None:
            return found
        broken = broken_correlations(*self.correlations, self.numeric)
        return report(found.policy, found.rows, [*found.findings, *broken])


def both_sides(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    version: Release,
    events: Pinned,
    views: Mapping[str, Pinned],
    as_of: str,
) -> Sides:
    """The reference that the model declares, and the window before ``as_of``; in the version's cells.

    Of a season as many earlier windows as the data hold, at least one (``not_comparable``).

    Raises NotMaterialized when a day is missing, or when the version keeps no profile of these inputs, and
    GateRefusal when a day of a view was computed by another version of it than is declared.
    """
    require_versions(stores.records, views, {view: str(view_version(catalog, view)) for view in views})
    files = stores.artifacts.load(version.artifact_digest)
    trained_on = _trained_on(version, files, catalog.input_types(model))
    numeric = numeric_inputs(trained_on.cells)
    batch_days, *earlier_days = windows(catalog, model, as_of)
    settled_after = timedelta(seconds=json.loads(files[SETTLED_AFTER]))
    with _watched(stores, catalog, model, events, views, from_files(files), settled_after, as_of) as session:
        earlier = []
        for days in earlier_days:
            _look_at(session, [days])
            earlier.append(profile(session, trained_on.cells))
        if earlier_days:
            _look_at(session, earlier_days)
            known = correlations(session, trained_on.cells)
        else:
            known = Correlations.from_bytes(files[CORRELATIONS]) if CORRELATIONS in files else None
        _look_at(session, [batch_days])
        batch, found = profile(session, trained_on.cells), correlations(session, trained_on.cells)
    return Sides(
        reference=reduce(merge, earlier) if earlier else trained_on,
        batch=batch,
        numeric=numeric,
        correlations=None if known is None or found is None else (known, found),
    )


def watched_days(catalog: Catalog, model: Model, as_of: str) -> Horizon:
    """All days that are read for an as-of date."""
    zone = catalog.tables[model.label.table].source.zone
    end = date.fromisoformat(as_of)
    first = min(first for first, _ in windows(catalog, model, as_of))
    return Horizon.watched(end, (end - date.fromisoformat(first)).days, zone)


def windows(catalog: Catalog, model: Model, as_of: str) -> list[tuple[str, str]]:
    """First and last day of the batch, and then of each earlier window that it is compared with.

    Earlier windows that begin before the data are left out; of the batch those days are.
    """
    start, season = catalog.tables[model.label.table].source.start, model.drift.season
    ages = [] if season is None else [season.every_days * period for period in range(1, season.periods + 1)]
    end = date.fromisoformat(as_of) - timedelta(days=1)
    first = end - timedelta(days=model.drift.window_days - 1)
    earlier = [(first - timedelta(days=age), end - timedelta(days=age)) for age in ages]
    there = [(max(first, start), end), *(window for window in earlier if window[0] >= start)]
    return [(first.isoformat(), last.isoformat()) for first, last in there]


def not_comparable(catalog: Catalog, model: Model, version: Release, as_of: str) -> str | None:
    """Why nothing can be said of the events before ``as_of`` beside a version; None when something can."""
    return other_features(catalog, model, version) or _lacks_earlier_windows(catalog, model, as_of)


def other_features(catalog: Catalog, model: Model, version: Release) -> str | None:
    """What a version takes and meant something else when it was trained, if anything did."""
    changes = changed_views(version, view_versions(catalog, model.features))
    told = "; ".join(f"{name}: {', '.join(parts)}" for name, parts in changes.items())
    return f"version {version.version} was trained on other features ({told})" if told else None


def _lacks_earlier_windows(catalog: Catalog, model: Model, as_of: str) -> str | None:
    """Why there is nothing to compare with, where a season is declared of which the data hold no window."""
    if model.drift.season is None or len(windows(catalog, model, as_of)) > 1:
        return None
    start = catalog.tables[model.label.table].source.start
    return (
        f"no window {model.drift.season.every_days} days or more before that of {as_of} lies in the data, "
        f"which begin on {start}"
    )


def _trained_on(release: Release, files: Mapping[str, bytes], inputs: Collection[str]) -> Profile:
    again = f"train it again: mlops run {release.model} --as-of {release.as_of} --again"
    if PROFILE not in files:
        raise NotMaterialized(
            f"{release.model} version {release.version} keeps no profile of what it was trained on; {again}"
        )
    try:
        kept = Profile.from_dict(json.loads(files[PROFILE]))
    except OtherVersion as error:
        raise NotMaterialized(
            f"{release.model} version {release.version} was trained by another version of the platform, whose "
            f"profile cannot be compared with ({error}); {again}"
        ) from error
    features = [name for name, column in kept.columns.items() if column.watched.role == "feature"]
    gone = [name for name in features if name not in inputs]
    if gone:
        raise NotMaterialized(
            f"{release.model} version {release.version} was trained on inputs that are not declared any more "
            f"({', '.join(gone)}), so no batch of them can be made; {again}"
        )
    return kept


@contextmanager
def _watched(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    events: Pinned,
    views: Mapping[str, Pinned],
    version: Loaded,
    settled_after: timedelta,
    as_of: str,
) -> Iterator[Session]:
    """A session that has what was asked, answered and came true on all days that are read, in order of time.

    settled_after: how old an event must be for its label to be looked at.
    """
    declared = catalog.tables[model.label.table]
    timezone, horizon = declared.source.timezone, watched_days(catalog, model, as_of)
    with gathered(stores.engine, catalog, model, events, views, horizon) as session:
        # Whatever becomes of its label, a request was asked.
        order = f"ORDER BY event_time, {names(declared.table.key)}"
        requests = session.rows(f"SELECT * FROM {EVENTS} {order}")
        joined = with_features(session, catalog, model, requests)
        watched = apply_on_demand(catalog.features, model.features, joined)
        session.register(WATCHED, watched)
        rows = watched.to_pandas()
        scored = answered(rows, score(version.model, version.inputs, rows), timezone)
        session.keep(f"{ALL}{RELATIONS['feature']}", asked(catalog, model, WATCHED, timezone))
        labels = came_true(WATCHED, "evaluate", horizon.as_of - settled_after, timezone)
        session.keep(f"{ALL}{RELATIONS['label']}", labels)
        session.register(f"{ALL}{RELATIONS['score']}", scored)
        yield session


def _look_at(session: Session, windows: Sequence[tuple[str, str]]) -> None:
    """Make the relations those of the windows' days."""
    for relation in RELATIONS.values():
        session.keep(relation, of_days(f"{ALL}{relation}", windows))
