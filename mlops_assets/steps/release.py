"""The act that follows a decision: write it down, and show the release where people look for it."""

from __future__ import annotations

import json
from dataclasses import replace

from mlops_assets.declaration.model import Model
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Reign, decide
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.evaluation import evidence_digest, recorded_evidence
from mlops_assets.steps.mirror import show
from mlops_assets.steps.training import one_row, require_made_from, trained_record
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Candidate, Judged, Release, Releases
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def release_if_allowed(
    stores: Stores,
    tracking: Tracking,
    model: Model,
    trained: Pinned,
    report: Pinned,
    *,
    at: str,
    run_id: str,
) -> Judged:
    """Ask the gate about a trained model and its evaluation; release it, and show it, if it says so.

    Raises GateRefusal when the evaluation is of another model than the one that is there now, and
    ReleaseConflict when another version is released meanwhile.
    """
    require_made_from(stores, report, trained)
    record, evidence = trained_record(stores, trained), recorded_evidence(stores, report)
    candidate = Candidate(
        model=model.name,
        as_of=record.as_of,
        model_digest=record.model_digest,
        artifact_digest=record.artifact_digest,
        evidence=evidence_digest(evidence),
        mlflow_run_id=record.mlflow_run_id,
        feature_hash=record.feature_hash,
        view_versions=json.loads(record.view_versions),
    )
    judged = judge(stores.releases, model, candidate, evidence, at=at, run_id=run_id)
    if judged.release is not None:
        show(stores.releases, tracking, judged.release)
    return judged


def judge(
    releases: Releases, model: Model, candidate: Candidate, evidence: Evidence, *, at: str, run_id: str
) -> Judged:
    """Decide on this candidate, once, and record the verdict with the version it makes."""
    known = releases.judged(candidate)
    if known is not None:
        return known
    champion = releases.champion(model.name)
    rival = champion if champion is not None and not _is(champion, candidate) else None
    reigning = Reign(rival.version, rival.as_of) if rival else None
    decision = decide(evidence, model.gates, reigning=reigning)
    version = champion.version if champion else None
    return releases.record(candidate, evidence, decision, champion=version, at=at, run_id=run_id)


def produced(judged: Judged, as_of: str, verdicts: tuple[Verdict, ...], *inputs: Pinned) -> Produced:
    """The verdict as the one row of its partition."""
    values = {
        "as_of": as_of,
        "verdict": judged.decision.verdict,
        "version": judged.release.version if judged.release else 0,
        "reasons": [f"{reason.gate}: {reason.sentence}" for reason in judged.decision.reasons],
    }
    return replace(one_row(values, as_of, *inputs), verdicts={as_of: verdicts})


def _is(release: Release, candidate: Candidate) -> bool:
    return (release.as_of, release.model_digest) == (candidate.as_of, candidate.model_digest)
