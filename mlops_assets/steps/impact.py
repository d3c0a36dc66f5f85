"""What a change of declarations touches: what is declared now, beside what made what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, feature_hash, view_versions
from mlops_assets.steps.open_requests import OpenRequest, open_about
from mlops_assets.stores.records import Records
from mlops_assets.stores.releases import Release, Releases
from mlops_assets.stores.stores import Stores

# What a service delivers, and by which keys it joins, may change while all below it stays as it is.
SERVICE, DELIVERED = "service", ("columns or keys",)


@dataclass(frozen=True)
class Recomputed:
    """A table that other code made than would make it now.

    changed: the parts of its version that differ. partitions: those made by other code; of: how many there are.
    """

    table: str
    changed: tuple[str, ...]
    partitions: tuple[str, ...]
    of: int


@dataclass(frozen=True)
class TouchedRelease:
    """A version of a model that was trained on features of another meaning. changed: view -> parts that differ."""

    version: int
    as_of: str
    reigns: bool
    changed: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class TouchedModel:
    """A model below which something changed. views: those of its service that did."""

    model: str
    service: str
    views: tuple[str, ...]
    releases: tuple[TouchedRelease, ...]


@dataclass(frozen=True)
class Impact:
    """What would be computed again, which models rest on it, and which change requests wait for any of that."""

    tables: tuple[Recomputed, ...]
    models: tuple[TouchedModel, ...]
    requests: tuple[OpenRequest, ...]

    @property
    def is_nothing(self) -> bool:
        return not (self.tables or self.models or self.requests)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "tables": [vars(one) for one in self.tables],
            "models": [
                {**vars(one), "releases": [vars(release) for release in one.releases]} for one in self.models
            ],
            "requests": [vars(one) for one in self.requests],
        }


def impact(
    catalog: Catalog,
    models: Iterable[Model],
    tables: Iterable[str],
    current: Callable[[str], str | None],
    stores: Stores,
) -> Impact:
    """What the declarations as they are touch. tables: those to look at. current: what would make a table now.

    A model is touched when a view of its service was made by other code, or when its champion was trained
    on features that are declared otherwise by now. Tables that were never made are not touched. A change request is
    touched when it is about any of these, or asks that a version reigns that was trained on other features.
    """
    again = [found for table in tables if (found := _recomputed(table, current(table), stores.records))]
    changed = {one.table.removeprefix("features/") for one in again if one.table.startswith("features/")}
    outdated = [(model, tuple(_outdated(catalog, model, stores.releases))) for model in models]
    beside = [_touched(catalog, model, changed, old) for model, old in outdated]
    touched = tuple(one for one in beside if one is not None)
    resources = [f"table:{one.table}" for one in again] + [f"model:{one.model}" for one in touched]
    versions = [(model.name, one.version) for model, old in outdated for one in old]
    return Impact(tuple(again), touched, open_about(stores, resources, versions))


def _recomputed(table: str, current: str | None, records: Records) -> Recomputed | None:
    made = records.code_versions(table)
    other = {partition: code for partition, code in made.items() if code != current}
    if not other:
        return None
    now = Version.read(current or "")
    parts = {part for code in set(other.values()) for part in now.changes(Version.read(code))}
    return Recomputed(table, tuple(sorted(parts)), tuple(sorted(other)), len(made))


def _touched(
    catalog: Catalog, model: Model, changed: set[str], outdated: tuple[TouchedRelease, ...]
) -> TouchedModel | None:
    views = [view for view in catalog.features.views_of(model.features) if view in changed]
    if not views and not any(release.reigns for release in outdated):
        return None
    return TouchedModel(model.name, model.features, tuple(views), outdated)


def _outdated(catalog: Catalog, model: Model, releases: Releases) -> Iterator[TouchedRelease]:
    """The versions, oldest first, that were trained on features of another meaning than declared now."""
    delivered, now = feature_hash(catalog, model.features), view_versions(catalog, model.features)
    champion = releases.champion(model.name)
    for release in releases.versions(model.name):
        if release.feature_hash != delivered:
            reigns = release == champion
            yield TouchedRelease(release.version, release.as_of, reigns, dict(_differing(release, now)))


def _differing(release: Release, now: Mapping[str, Version]) -> Iterator[tuple[str, tuple[str, ...]]]:
    then = {view: Version.read(spelled) for view, spelled in release.view_versions.items()}
    differing = {view: now.get(view, _NONE).changes(then.get(view, _NONE)) for view in sorted({*now, *then})}
    found = {view: parts for view, parts in differing.items() if parts}
    yield from (found or {SERVICE: DELIVERED}).items()


_NONE = Version({})
