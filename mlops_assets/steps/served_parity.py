"""Were the features that were served those that were known? Rows as served, beside the join at their moments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from mlops_assets.data.on_demand import STORED
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, feature_hash
from mlops_assets.errors import MlopsError, NotMaterialized
from mlops_assets.governance.served_prediction import ServedPrediction
from mlops_assets.monitoring.parity import compared
from mlops_assets.monitoring.service import Example, ServedParity
from mlops_assets.steps.served import Delivery, answered
from mlops_assets.steps.training_set import joined_views
from mlops_assets.stores.as_known import features_as_known
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.view_versions import of_version

# Rows of a day that are compared, and what is shown of a feature that differs.
ROWS, EXAMPLES = 2_000, 3
AT = "_at"
Values = dict[str, Any]


def compare_served(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    said: Sequence[ServedPrediction],
    releases: Mapping[int, Release],
) -> tuple[ServedParity, tuple[Content, ...]]:
    """What was served beside what was known offline, of as many rows of a day; and what that was read from.

    Known is what the lake has by now for the moment of the request, of the version of each view that was asked. So a
    feature that went online late differs, as one does whose rows were restated since.
    """
    # By their hashes: as many of each hour, and the same whenever it is asked.
    chosen = sorted(said, key=lambda one: one.id)[:ROWS]
    rows: list[ServedPrediction] = []
    online: list[Values] = []
    offline: list[Values] = []
    why_not: list[str] = []
    read: tuple[Content, ...] = ()
    key = _asked_of
    for (version, views), inside in groupby(sorted(chosen, key=key), key=key):
        of_views = list(inside)
        try:
            _require_same(catalog, model, releases.get(version), version)
            pinned = _computed(stores, catalog, model, json.loads(views), of_views)
            known = _known(stores, catalog, model, pinned, of_views)
        except MlopsError as error:
            why_not.append(f"{len(of_views)} rows of version {version}: {error}")
            continue
        rows += of_views
        online += [json.loads(one.features) for one in of_views]
        offline += known
        read += tuple(content for one in pinned.values() for content in one.contents)
    columns = [one.column for one in catalog.features.served(model.features)] if rows else []
    found = tuple(compared(column, online, offline) for column in columns)
    examples = tuple(
        example for one in found if one.differing for example in _examples(one.feature, rows, online, offline)
    )
    return ServedParity(len(rows), found, examples, tuple(why_not)), read


def _asked_of(one: ServedPrediction) -> tuple[int, str]:
    return one.version, one.views


def _require_same(catalog: Catalog, model: Model, release: Release | None, version: int) -> None:
    if release is None:
        raise NotMaterialized(f"version {version} of {model.name} is not recorded")
    if release.feature_hash != feature_hash(catalog, model.features):
        raise NotMaterialized("its features mean something else than those that are declared now")


def _computed(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    versions: Mapping[str, str],
    rows: Sequence[ServedPrediction],
) -> dict[str, Pinned]:
    """What the version that was asked has computed of each view: of the days whose values may have lived then."""
    found = {}
    for view in catalog.features.views_of(model.features):
        if view not in versions:
            raise NotMaterialized(f"it is not recorded which version of {view} was asked")
        computed = of_version(
            stores.records, stores.lake.pin(f"features/{view}"), Version.read(versions[view])
        )
        if not computed.contents:
            raise NotMaterialized(f"features/{view} has no row of the version that was asked")
        found[view] = _alive(catalog, catalog.features.views[view], computed, rows)
    return found


def _alive(catalog: Catalog, view: FeatureView, computed: Pinned, rows: Sequence[ServedPrediction]) -> Pinned:
    """Of a view's days those that can answer any of the rows; all of one that has no days."""
    calendar = catalog.view_calendar(view)
    if calendar is None:
        return computed
    zone, moments = ZoneInfo(calendar.timezone), [datetime.fromisoformat(one.predicted_at) for one in rows]
    first, last = (f"{at.astimezone(zone).date()}" for at in (min(moments) - view.ttl, max(moments)))
    return computed.only(one.partition for one in computed.contents if first <= one.partition <= last)


def _known(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    pinned: Mapping[str, Pinned],
    rows: Sequence[ServedPrediction],
) -> list[Values]:
    features, service = catalog.features, model.features
    types = {one.name: one.type for one in features.request_columns(service)}
    sent = [json.loads(one.request) for one in rows]
    requests = [{name: _typed(one[name], kind) for name, kind in types.items()} for one in sent]
    asked = pa.Table.from_pylist(requests, pa.schema([(name, STORED[kind]) for name, kind in types.items()]))
    moments = pa.array([datetime.fromisoformat(one.predicted_at) for one in rows], STORED["timestamp"])
    joined = features.joined(service)
    views = joined_views(catalog, model)
    relations = {views[name].relation: pinned[one.view] for name, one in joined.items()}
    with stores.engine.session(relations) as session:
        known = features_as_known(session, asked.append_column(AT, moments), AT, list(views.values()))
    columns = [column for one in joined.values() for column in one.columns.values()]
    told = answered(Delivery.of(features, service), requests, known.select(columns).to_pylist())
    return [{name: _spelled(value) for name, value in row.items()} for row in told]


def _examples(
    feature: str, rows: Sequence[ServedPrediction], online: Sequence[Values], offline: Sequence[Values]
) -> Iterator[Example]:
    shown = 0
    for said, here, there in zip(rows, online, offline, strict=True):
        if shown < EXAMPLES and compared(feature, [here], [there]).differing:
            shown += 1
            yield Example(feature, said.request_id, said.row, here[feature], there[feature])


def _typed(value: Any, kind: str) -> Any:
    """A value of JSON as its column has it."""
    return datetime.fromisoformat(value) if kind == "timestamp" and value is not None else value


def _spelled(value: Any) -> Any:
    """A value as the service wrote it down."""
    return value.isoformat() if isinstance(value, datetime) else value
