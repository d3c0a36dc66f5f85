"""Feast's compute engine: ``feast materialize`` brings views online as the platform's own command does.

Named in ``feature_store.yaml`` by its class path. Feast's own engine writes rows one batch after another, and
knows neither which version of a view computed them nor what became known late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureView
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.steps.online import put_online
from mlops_assets.stores.feast_offline import places_of
from mlops_assets.stores.stores import Stores


class AsKnownAtEngineConfig(FeastConfigBaseModel):
    """Nothing can be chosen."""

    type: Literal["mlops_assets.steps.feast_engine.AsKnownAtEngine"]


class AsKnownAtEngine(ComputeEngine):
    """A view goes online as known at the end of the range that Feast asks for.

    Where the range begins says nothing: what is online already says itself what changed since.
    """

    def update(
        self,
        project: str,
        views_to_delete: Sequence[FeatureView],
        views_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Nothing is kept for an engine."""

    def teardown_infra(self, project: str, fvs: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Nothing is kept for an engine."""

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        config, view, end = self.repo_config, task.feature_view.name, task.end_time
        features = read_feature_repository(Path(config.repo_path or "."))
        until = end if end.tzinfo else end.replace(tzinfo=UTC)
        # Feast's clock is read before ours, and what a caller computes may be a moment ahead.
        put_online(Stores.open(places_of(config)), features, view, until=min(until, datetime.now(UTC)))
        return LocalMaterializationJob(f"{view} {until.isoformat()}", MaterializationJobStatus.SUCCEEDED)
