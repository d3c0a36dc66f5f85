"""Whether what MLflow shows and what the artifact store holds is still what was released."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_assets.errors import ArtifactMismatch, NotMaterialized
from mlops_assets.steps.reigns import require_whole
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Shown, Tracking


def differences(stores: Stores, tracking: Tracking, model: str) -> list[str]:
    """Everything that was changed behind the release record, each as a sentence; nothing when all is as recorded.

    Versions that are only not shown yet are no difference.
    """
    versions, shown = stores.releases.versions(model), tracking.shown(model)
    return [*_files(stores, versions), *_alias(stores, model, shown), *_versions(versions, shown)]


def _files(stores: Stores, versions: list[Release]) -> Iterator[str]:
    for release in versions:
        try:
            require_whole(stores, release)
        except (ArtifactMismatch, NotMaterialized) as error:
            yield f"version {release.version}: {error}"


def _alias(stores: Stores, model: str, shown: Shown) -> Iterator[str]:
    reign = stores.reigns.current(model)
    if reign is None or not reign.shown:
        return
    champion = stores.releases.version(model, reign.version)
    expected = champion.mlflow_version if champion else None
    if shown.champion != expected:
        found = f"MLflow's version {shown.champion}" if shown.champion else "no version"
        yield (
            f"MLflow's champion alias is on {found}, and version {reign.version} reigns, which is MLflow's "
            f"version {expected}; who moved it is not known to MLflow"
        )


def _versions(versions: list[Release], shown: Shown) -> Iterator[str]:
    ours = {one.mlflow_version: one for one in versions if one.mlflow_version is not None}
    for number, release in ours.items():
        if number not in shown.digests:
            yield f"MLflow's version {number}, which shows version {release.version}, was deleted"
        elif release.mlflow_digest and shown.digests[number] != release.mlflow_digest:
            yield f"the files of MLflow's version {number}, which shows version {release.version}, were changed"
    # Made, and not noted yet: whoever notes it finds it by what it says.
    awaited = {str(one.version) for one in versions if one.mlflow_version is None}
    for number in shown.digests:
        if number not in ours and shown.shows.get(number) not in awaited:
            yield f"MLflow's version {number} was made by no release: nothing was decided about it"
