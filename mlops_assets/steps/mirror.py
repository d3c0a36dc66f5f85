"""Shows releases where people look for them. The record is the truth; this repeats it until it is seen."""

from __future__ import annotations

from mlops_assets.stores.releases import Release, Releases
from mlops_assets.stores.tracking import Tracking


def show(releases: Releases, tracking: Tracking, release: Release) -> None:
    """Mirror a release to the registry; safe to repeat after a crash between the record and the mirror."""
    champion = releases.champion(release.model)
    reigns = champion is not None and champion.version == release.version
    releases.set_mirrored(release, tracking.mirror(release, champion=reigns))
