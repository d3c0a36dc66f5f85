"""What a person may say about releases: this version reigns again; this one is released all the same."""

from __future__ import annotations

from mlops_assets.errors import BadRequest
from mlops_assets.governance.gates import GATE
from mlops_assets.steps.contract import kept_contract
from mlops_assets.steps.mirror import show
from mlops_assets.stores.overrides import Subject
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.reigns import Reign, require_person
from mlops_assets.stores.releases import Candidate, Release
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def roll_back(
    stores: Stores, tracking: Tracking, model: str, version: int | None, *, by: str, reason: str, at: str
) -> Reign:
    """Let an earlier version reign again; by default the last other one that did.

    Raises BadRequest when there is no such version, it reigns already, or nobody or no reason is named;
    ArtifactMismatch when its files are not the ones that were released, and ReleaseConflict when another reign began
    meanwhile.
    """
    if not by.strip() or not reason.strip():
        raise BadRequest(
            "a rollback needs the name of who asks for it and the reason; found one of them empty"
        )
    require_person(by)
    current = stores.reigns.current(model)
    if current is None:
        raise BadRequest(f"{model} has no released version to roll back from")
    wanted = _before(stores, current) if version is None else version
    release = stores.releases.version(model, wanted)
    if release is None:
        known = ", ".join(str(one.version) for one in stores.releases.versions(model))
        raise BadRequest(f"{model} has no version {wanted}; released ones: {known}")
    if release.version == current.version:
        raise BadRequest(f"{model} version {wanted} reigns already, since {current.since}")
    require_whole(stores, release)
    begun = stores.reigns.begin(
        model, release.version, after=current.number, by=by.strip(), reason=reason.strip(), at=at, run_id=""
    )
    show(stores, tracking, release)
    return begun


def require_whole(stores: Stores, release: Release) -> None:
    """Raise ArtifactMismatch unless the files and the contract of a version are the ones that were released."""
    stores.artifacts.load(release.artifact_digest)
    kept_contract(stores, release.contract)


def gate_of(candidate: Candidate) -> Subject:
    """What a person overrides who wants this candidate released on exactly this evidence."""
    digest = f"{candidate.model_digest} on {candidate.evidence}"
    return Subject(f"{candidate.model}/release", candidate.as_of, digest, GATE)


def refused_by(stores: Stores, content: Content, check: str) -> Subject:
    """What a person overrides who wants exactly this content built upon although a blocking check failed for it.

    Raises BadRequest when no blocking check of that name failed for it.
    """
    failed = {verdict.check for _, verdict in stores.records.refused([content])}
    if check not in failed:
        found = ", ".join(sorted(failed)) or "none"
        raise BadRequest(
            f"{content.table}, partition {content.partition}: found no failed blocking check {check!r} to override; "
            f"those that failed and were not overridden: {found}"
        )
    return Subject(content.table, content.partition, content.fingerprint, check)


def _before(stores: Stores, current: Reign) -> int:
    others = [one for one in stores.reigns.history(current.model) if one.version != current.version]
    if not others:
        raise BadRequest(
            f"only version {current.version} of {current.model} ever reigned: there is none before it"
        )
    return others[-1].version
