"""Shows releases where people look for them. The record is the truth; this repeats it until it is seen."""

from __future__ import annotations

from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def show(stores: Stores, tracking: Tracking, release: Release) -> None:
    """Mirror a release to the registry; safe to repeat after a crash between the record and the mirror."""
    reign = stores.reigns.current(release.model)
    reigns = reign is not None and reign.version == release.version
    number, digest = tracking.mirror(release, champion=reigns)
    if release.mlflow_version is None:
        stores.releases.set_mirrored(release, number, digest)
    if reign is not None and reigns:
        stores.reigns.set_shown(reign)


def not_shown(stores: Stores) -> list[Release]:
    """Versions that are not shown yet, oldest first, and those that reign by now without being shown so."""
    missing = stores.releases.not_mirrored()
    reigning = [stores.releases.version(one.model, one.version) for one in stores.reigns.not_shown()]
    return missing + [one for one in reigning if one is not None and one not in missing]
