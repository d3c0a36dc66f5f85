"""The only door to MLflow's runs: dagster-mlflow inside, one MLflow run per asset and partition.

An MLflow run opened here stays RUNNING when its step succeeds, because the Dagster run may still
fail. It gets its final status from :func:`mlops_assets.graph.settling.settle`, when the
Dagster run has ended; so no failed or killed Dagster run leaves a FINISHED one.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg

from mlops_assets.resources.environment import mlflow_uri
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracked import TrackedRuns
from mlops_assets.stores.tracking import EndedAs, Shown, TrackedRun

if TYPE_CHECKING:
    from mlops_assets.stores.registry import MlflowStore

# What a released model needs to be loaded; named here since finding it out costs MLflow 14 s.
REQUIREMENTS = ("scikit-learn", "skops", "pandas", "numpy")


class TrackingResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """MLflow. uri: of the tracking store and registry; empty for what the environment says."""

    uri: str = ""
    stores: dg.ResourceDependency[Stores]

    @contextmanager
    def run(
        self, context: Any, *, experiment: str, name: str, tags: Mapping[str, str]
    ) -> Iterator[TrackedRun]:
        """An MLflow run of its own, active inside the block."""
        key = uuid4().hex
        self._tracked.opened(key, context.run.run_id)
        run_id = self._store.start(key, experiment, name, tags)
        door = _dagster_mlflow(context, experiment, name, run_id, self._uri)
        try:
            yield _Run(run_id, door)
        except BaseException:
            door.end_run(status="FAILED")
            self._tracked.closed(key)
            raise
        # Takes the run off MLflow's stack, so that leaving the process does not finish it.
        door.end_run(status="RUNNING")

    def add_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Add metrics to a run."""
        self._store.add_metrics(run_id, metrics)

    def add_page(self, run_id: str, name: str, page: str) -> None:
        """Show a page with a run."""
        self._store.add_page(run_id, name, page)

    def mirror(self, release: Release, *, champion: bool) -> tuple[str, str]:
        """Show a release in MLflow's registry."""
        return self._store.mirror(release, champion=champion)

    def shown(self, model: str) -> Shown:
        """What MLflow's registry shows."""
        return self._store.shown(model)

    def close(self, key: str, status: EndedAs) -> None:
        """Give the run noted under a key its final status."""
        self._store.close(key, status)
        self._tracked.closed(key)

    @property
    def _tracked(self) -> TrackedRuns:
        return self.stores.tracked_runs

    @cached_property
    def _uri(self) -> str:
        return self.uri or mlflow_uri()

    @cached_property
    def _store(self) -> "MlflowStore":
        # MLflow asks these when it is imported, so later is too late.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # Imported here: mlflow takes seconds, and the code location must load without it.
        from mlops_assets.stores.registry import MlflowStore

        return MlflowStore(self._uri, self.stores.places.home / "mlflow")


class _Run:
    """The active MLflow run, through dagster-mlflow."""

    def __init__(self, run_id: str, door: Any) -> None:
        self.run_id = run_id
        self._door = door

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._door.log_params(dict(params))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self._door.log_metrics(dict(metrics))

    def log_model(self, pipeline: Any, example: Any, *, trusted_types: list[str]) -> None:
        from mlops_assets.stores.registry import MODEL

        few = _few(example)
        signature = self._door.models.infer_signature(few, pipeline.predict_proba(few)[:, 1])
        self._door.sklearn.log_model(
            pipeline,
            name=MODEL,
            signature=signature,
            serialization_format="skops",
            skops_trusted_types=trusted_types,
            pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
            pyfunc_predict_fn="predict_proba",
        )


def _few(rows: Any) -> Any:
    """Rows with a value and a gap of each column that has them: a schema that is inferred from these is that of all.

    Inferring looks at every cell by itself, which took longer than the fit.
    """
    gaps = rows.isna()
    telling = [mask[column].to_numpy().argmax() for mask in (gaps, ~gaps) for column in rows.columns]
    return rows.iloc[sorted({0, *map(int, telling)})]


def _dagster_mlflow(context: Any, experiment: str, name: str, run_id: str, uri: str) -> Any:
    """dagster-mlflow's resource, attached to a run that is there already; it calls runs after their job."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        from dagster_mlflow.resources import MlFlow

        config = {"experiment_name": experiment, "mlflow_tracking_uri": uri, "mlflow_run_id": run_id}
        return MlFlow(
            SimpleNamespace(
                log=context.log,
                dagster_run=SimpleNamespace(job_name=name),
                run_id=context.run.run_id,
                resource_config=config,
            )
        )
