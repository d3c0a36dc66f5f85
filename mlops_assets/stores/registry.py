"""MLflow: where runs and released versions are shown. The release record is the truth, this mirrors it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlops_assets.errors import NotMaterialized
from mlops_assets.stores.releases import Release
from mlops_assets.stores.tracking import EndedAs, Shown

with warnings.catch_warnings():
    # MLflow warns of its own chat types when it first needs this; nobody here can act on that.
    warnings.simplefilter("ignore", UserWarning)
    import mlflow.artifacts
    import mlflow.pyfunc

CHAMPION = "champion"
# The tag by which a release is found again in MLflow, so that mirroring twice changes nothing.
VERSION_TAG = "mlops/version"
# The tag by which a run is found that was noted, but whose id was never told.
KEY_TAG = "mlops/key"
# The name under which a run holds its model.
MODEL = "model"


class MlflowStore:
    """One MLflow tracking store and registry. uri: SQLite or PostgreSQL, or a server; never files."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._artifacts = artifacts

    def start(self, key: str, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """A new run in state RUNNING, to be closed by its key; its id."""
        told = {**tags, KEY_TAG: key}
        run = self._client.create_run(self._experiment(experiment), run_name=name, tags=told)
        return str(run.info.run_id)

    def add_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Add metrics to a run, in whatever state it is."""
        for name, value in metrics.items():
            self._client.log_metric(run_id, name, value)

    def add_page(self, run_id: str, name: str, page: str) -> None:
        """Keep a page among a run's artifacts, replacing an earlier one of that name."""
        self._client.log_text(run_id, page, name)

    def close(self, key: str, status: EndedAs) -> None:
        """Give the run of that key its final status, if there is one."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        for run in self._client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'"):
            self._client.set_terminated(run.info.run_id, status)

    def mirror(self, release: Release, *, champion: bool) -> tuple[str, str]:
        """The MLflow version that shows a release, made if it is missing, and the digest of its files."""
        self._ensure_registered(release.model)
        version = self._mirrored(release) or self._create(release)
        if champion:
            self._client.set_registered_model_alias(release.model, CHAMPION, version.version)
        return str(version.version), self._digest(version)

    def shown(self, model: str) -> Shown:
        """The champion alias and every version of a model, as they are now."""
        versions = self._versions(model)
        return Shown(
            champion=self.champion(model),
            digests={str(one.version): self._digest(one) for one in versions},
            shows={str(one.version): one.tags[VERSION_TAG] for one in versions if VERSION_TAG in one.tags},
        )

    def champion(self, model: str) -> str | None:
        """The version that carries the champion alias, or None."""
        try:
            return str(self._client.get_model_version_by_alias(model, CHAMPION).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name, (self._artifacts / name).as_uri()))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)

    def _ensure_registered(self, model: str) -> None:
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _mirrored(self, release: Release) -> ModelVersion | None:
        for version in self._versions(release.model):
            ours = version.run_id == release.mlflow_run_id
            if ours and version.tags.get(VERSION_TAG) == str(release.version):
                return version
        return None

    def _versions(self, model: str) -> list[ModelVersion]:
        return list(self._client.search_model_versions(f"name = '{model}'"))

    def _digest(self, version: ModelVersion) -> str:
        """SHA-256 over the names and bytes of a version's files; empty when they are gone."""
        with TemporaryDirectory() as folder:
            try:
                uri = self._client.get_model_version_download_uri(version.name, version.version)
                found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
            except (MlflowException, OSError):
                return ""
            names = sorted(path for path in found.rglob("*") if path.is_file())
            listed = {str(path.relative_to(found)): sha256(path.read_bytes()).hexdigest() for path in names}
        return sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()

    def _create(self, release: Release) -> ModelVersion:
        tags = {
            VERSION_TAG: str(release.version),
            "mlops/as_of": release.as_of,
            "mlops/model_digest": release.model_digest,
            "mlops/artifact_digest": release.artifact_digest,
            "mlops/contract": release.contract,
            "mlops/feature_hash": release.feature_hash,
            **{f"mlops/features/{view}": version for view, version in release.view_versions.items()},
            "dagster/run_id": release.run_id,
        }
        logged = self._logged_model(release)
        return self._client.create_model_version(
            release.model,
            logged.artifact_location,
            run_id=release.mlflow_run_id,
            model_id=logged.model_id,
            tags=tags,
        )

    def _logged_model(self, release: Release) -> LoggedModel:
        """The model that the release's run logged; MLflow keeps it apart from the run's own artifacts."""
        experiment = self._client.get_run(release.mlflow_run_id).info.experiment_id
        found = self._client.search_logged_models(
            [experiment], filter_string=f"source_run_id = '{release.mlflow_run_id}'"
        )
        if not found:
            raise NotMaterialized(
                f"MLflow run {release.mlflow_run_id} holds no model to show as {release.model}"
            )
        return found[0]
