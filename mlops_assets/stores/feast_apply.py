"""The registry brought to what is declared, and what that changes in it."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from feast import FeatureService, FeatureStore, FeatureView
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.feature_view_projection import FeatureViewProjection
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig

from mlops_assets.declaration.features import FeatureRepository
from mlops_assets.stores.feast_objects import FeastObject, feast_objects

SETTINGS = "feature_store.yaml"
# What a person reads for Feast's classes.
KINDS = {
    "Entity": "entity",
    "FeatureView": "feature view",
    "OnDemandFeatureView": "on-demand transform",
    "DeclaredTransform": "on-demand transform",
    "FeatureService": "feature service",
}


@dataclass(frozen=True)
class Applied:
    """What an apply changed: kind and name of each object. unchanged: how many are as they were."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def feature_store(folder: Path, told: Mapping[str, str]) -> FeatureStore:
    """Feast's store of a repository. told: environment variables its settings name, as the platform means them."""
    settings = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
    config = RepoConfig(**_filled(settings, told), repo_path=folder)
    # Once more: the constructor keeps the attribute to itself.
    config.repo_path = folder
    return FeatureStore(config=config)


def apply_repository(store: FeatureStore, repository: FeatureRepository) -> Applied:
    """Make the registry say what is declared, no more and no less; nothing is written where it does already."""
    declared = {_called(one): one for one in feast_objects(repository).values()}
    known = {_called(one): one for one in _registered(store)}
    changed = [name for name, one in declared.items() if name in known and not _same(known[name], one)]
    added, removed = _beyond(declared, known), _beyond(known, declared)
    if added or changed or removed:
        with warnings.catch_warnings():
            # Feast calls on-demand views experimental each time.
            warnings.simplefilter("ignore", RuntimeWarning)
            store.apply(
                list(declared.values()),
                objects_to_delete=[known[name] for name in removed],
                partial=False,
            )
    unchanged = len(declared) - len(added) - len(changed)
    return Applied(added, tuple(changed), removed, unchanged)


def _filled(value: Any, told: Mapping[str, str]) -> Any:
    """Settings with their variables filled in: as told, else from the environment, else as they are written."""
    if isinstance(value, dict):
        return {key: _filled(inner, told) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, told) for inner in value]
    if not isinstance(value, str):
        return value
    for variable, meant in told.items():
        value = value.replace(f"${{{variable}}}", meant)
    return os.path.expandvars(value)


def _registered(store: FeatureStore) -> Iterable[FeastObject]:
    registry, project = store.registry, store.project
    yield from (one for one in registry.list_entities(project) if one.name != DUMMY_ENTITY_NAME)
    yield from registry.list_feature_views(project)
    yield from registry.list_on_demand_feature_views(project)
    yield from registry.list_feature_services(project)


def _called(one: FeastObject) -> str:
    return f"{KINDS[type(one).__name__]} {one.name}"


def _beyond(names: Iterable[str], others: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _same(known: FeastObject, declared: FeastObject) -> bool:
    """Whether the registry says what is declared; what Feast itself wrote into it since is no part of that."""
    known, declared = _its_own(known), _its_own(declared)
    if isinstance(known, FeatureView):
        known.materialization_intervals = []
    if isinstance(known, OnDemandFeatureView):
        # One that Feast makes up where there is none.
        known.entity_columns = []
    same: bool = known == declared and (known.tags, known.owner) == (declared.tags, declared.owner)
    return same


def _its_own(one: FeastObject) -> FeastObject:
    """A copy without the tables of the views it takes from: of these each view tells itself."""
    one = copy.deepcopy(one)
    taken: Iterable[FeatureViewProjection] = ()
    if isinstance(one, FeatureService):
        taken = one.feature_view_projections
    if isinstance(one, OnDemandFeatureView):
        taken = one.source_feature_view_projections.values()
    for projection in taken:
        projection.batch_source = None
    return one
