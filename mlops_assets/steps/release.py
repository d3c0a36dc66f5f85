"""The act that follows a decision: write it down, and show the release where people look for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.contract import breaches
from mlops_assets.governance.evaluation_gates import in_time
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision, Reigning, decide
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.contract import contract_of, keep_contract, kept_contract
from mlops_assets.steps.evaluation import evidence_digest, recorded_evidence
from mlops_assets.steps.inputs import all_below, unproven, unrecorded
from mlops_assets.steps.mirror import show
from mlops_assets.steps.proven import made_from, of_model
from mlops_assets.steps.reigns import gate_of
from mlops_assets.steps.rollout import limits_of
from mlops_assets.steps.standing import asked_for
from mlops_assets.steps.training import one_row, require_made_from, require_newest, trained_record
from mlops_assets.stores.overrides import Override
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.presence import is_answered
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.reigns import GATE, ROLLOUT
from mlops_assets.stores.releases import Against, Candidate, Instead, Judged, Release, asked_first
from mlops_assets.stores.rollouts import tried_first
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def release_if_allowed(
    stores: Stores,
    tracking: Tracking,
    catalog: Catalog,
    model: Model,
    trained: Pinned,
    report: Pinned,
    *,
    at: str,
    run_id: str,
) -> Judged:
    """Ask the gate about a trained model and its evaluation; release it, and show it, if it says so.

    Raises GateRefusal when the evaluation is of another model than the one that is there now,
    ArtifactMismatch when the model's files are not the ones that were evaluated, and ReleaseConflict
    when another version is released meanwhile.
    """
    candidate, evidence = proposed(stores, catalog, model, trained, report)
    stores.artifacts.load(candidate.artifact_digest)
    wrong = _unproven(stores, catalog, model, trained)
    judged = judge(stores, model, candidate, evidence, inputs=wrong, at=at, run_id=run_id)
    if judged.release is not None:
        show(stores, tracking, judged.release)
    return judged


def previewed(stores: Stores, catalog: Catalog, model: Model, trained: Pinned, report: Pinned) -> Decision:
    """What was decided about a model, or would be now; nothing is recorded, and no look is spent."""
    evidence, asked, known = _decided(stores, catalog, model, trained, report)
    return known.decision if known is not None else asked.decision(evidence, model)


def recorded(stores: Stores, catalog: Catalog, model: Model, trained: Pinned, report: Pinned) -> Judged:
    """What was decided about exactly this model on exactly this evaluation. Raises NotMaterialized when nothing was."""
    evidence, _, known = _decided(stores, catalog, model, trained, report)
    if known is None:
        raise NotMaterialized(
            f"nothing was decided about {model.name} as of {evidence.as_of}; materialize its release"
        )
    return known


def proposed(
    stores: Stores, catalog: Catalog, model: Model, trained: Pinned, report: Pinned
) -> tuple[Candidate, Evidence]:
    """What asks to be released, and the evidence for it.

    Raises GateRefusal when they do not belong together, or were written anew since they were pinned.
    """
    require_newest(stores, trained, report)
    taught = stores.lake.pin(f"{model.name}/training_set", [one.partition for one in trained.contents])
    require_made_from(stores, trained, taught)
    require_made_from(stores, report, taught, trained)
    record, evidence = trained_record(stores, trained), recorded_evidence(stores, report)
    contract = contract_of(stores, catalog, model, record, evidence, trained)
    candidate = Candidate(
        model=model.name,
        as_of=record.as_of,
        model_digest=record.model_digest,
        artifact_digest=record.artifact_digest,
        evidence=evidence_digest(evidence),
        mlflow_run_id=record.mlflow_run_id,
        feature_hash=record.feature_hash,
        view_versions=json.loads(record.view_versions),
        contract=keep_contract(stores, contract),
        made_from=(*trained.contents, *report.contents),
    )
    return candidate, evidence


def judge(
    stores: Stores,
    model: Model,
    candidate: Candidate,
    evidence: Evidence,
    *,
    inputs: list[str],
    at: str,
    run_id: str,
) -> Judged:
    """Decide on this candidate, once by the same gates and objections, and record the verdict and its version.

    Where the policy in force asks people to agree, a version waits for them (steps/changes.py). Elsewhere it is a
    canary first, where that is declared, a service answers, and it can answer with both.
    """
    asked = _asked(stores, model, candidate, evidence, inputs)
    known = stores.releases.judged(candidate, asked.by)
    if known is not None:
        return known
    decision = asked.decision(evidence, model)
    return stores.releases.record(
        candidate,
        evidence,
        decision,
        against=asked.against,
        by=asked.by,
        at=at,
        run_id=run_id,
        instead=_first(stores, model, candidate),
    )


def _first(stores: Stores, model: Model, candidate: Candidate) -> Instead | None:
    """What comes before a version reigns; None where nothing does."""
    asks, canary = asked_for(stores, "promote", f"model:{model.name}"), model.serving.canary
    if asks is not None:
        return asked_first(asks)
    if canary is None or not is_answered(stores.places.home, model.name):
        return None
    champion = stores.releases.champion(model.name)
    if champion is None or not _takes_the_same(stores, champion, candidate):
        return None
    return tried_first(canary.share, limits_of(canary))


def _takes_the_same(stores: Stores, champion: Release, candidate: Candidate) -> bool:
    """Whether a service that answers with the one can answer with the other: the same edition, of the same features."""
    before, after = (kept_contract(stores, one.contract) for one in (champion, candidate))
    return (
        before.edition == after.edition
        and champion.feature_hash == candidate.feature_hash
        and champion.view_versions == candidate.view_versions
    )


@dataclass(frozen=True)
class _Asked:
    """What a decision is taken on beside the evidence. by: the override, or the gates and objections, as a hash."""

    against: Against
    reigning: Reigning | None
    inputs: list[str]
    broken: list[str]
    taken_back: list[str]
    override: Override | None
    by: Override | str

    def decision(self, evidence: Evidence, model: Model) -> Decision:
        decided = decide(
            evidence,
            model.gates,
            reigning=self.reigning,
            inputs=self.inputs,
            contract=self.broken,
            rollback=self.taken_back,
            p95_ms=model.contract.objectives.p95_ms,
        )
        if self.override is None:
            return decided
        return decided.overridden(self.override.by, self.override.reason)


def _asked(
    stores: Stores, model: Model, candidate: Candidate, evidence: Evidence, inputs: list[str]
) -> _Asked:
    releases, override = stores.releases, stores.overrides.of(gate_of(candidate))
    against, champion = releases.against(model.name), releases.champion(model.name)
    rival = champion if champion is not None and not _is(champion, candidate) else None
    broken, taken_back = _broken(stores, rival, candidate), _taken_back(stores, candidate)
    promised = model.contract.objectives
    # The time is no part of what evidence is named by; whether it is kept decides all the same.
    timely = in_time(evidence, p95_ms=promised.p95_ms)
    by = override or meaning(model.gates, promised, inputs, broken, taken_back, timely)
    reigning = _reigning(rival, against, releases.taken(candidate, against))
    return _Asked(against, reigning, inputs, broken, taken_back, override, by)


def _decided(
    stores: Stores, catalog: Catalog, model: Model, trained: Pinned, report: Pinned
) -> tuple[Evidence, _Asked, Judged | None]:
    """The evidence for a model, what a decision is taken on now, and the one that was taken on it."""
    candidate, evidence = proposed(stores, catalog, model, trained, report)
    asked = _asked(stores, model, candidate, evidence, _unproven(stores, catalog, model, trained))
    return evidence, asked, stores.releases.judged(candidate, asked.by)


def _unproven(stores: Stores, catalog: Catalog, model: Model, trained: Pinned) -> list[str]:
    below = all_below(stores.records, trained.contents)
    return [
        *unrecorded(below, made_from(model)),
        *unproven(stores.records, below, of_model(catalog, model)),
    ]


def produced(judged: Judged, as_of: str, verdicts: tuple[Verdict, ...], *inputs: Pinned) -> Produced:
    """The verdict as the one row of its partition."""
    values = {
        "as_of": as_of,
        "verdict": judged.decision.verdict,
        "version": judged.release.version if judged.release else 0,
        "reasons": [f"{reason.gate}: {reason.sentence}" for reason in judged.decision.reasons],
    }
    return replace(one_row(values, as_of, *inputs), verdicts={as_of: verdicts})


def _broken(stores: Stores, rival: Release | None, candidate: Candidate) -> list[str]:
    """What it breaks of the contract of the version that reigns."""
    if rival is None:
        return []
    return breaches(kept_contract(stores, rival.contract), kept_contract(stores, candidate.contract))


def _taken_back(stores: Stores, candidate: Candidate) -> list[str]:
    """Who ended the reign of a candidate that was released before. What a person took back no gate brings back."""
    own = {one.version for one in stores.releases.versions(candidate.model) if _is(one, candidate)}
    reigns = stores.reigns.history(candidate.model)
    ended = [after for before, after in pairwise(reigns) if before.version in own]
    if not ended or ended[-1].by in (GATE, ROLLOUT) or reigns[-1].version in own:
        return []
    (number,), by = own, ended[-1]
    return [
        f"{by.by} ended the reign of version {number} at {by.since}: {by.reason}; "
        f"`mlops rollback {candidate.model} --to {number}` lets it reign again"
    ]


def _reigning(rival: Release | None, against: Against, taken: float) -> Reigning | None:
    return None if rival is None else Reigning(rival.version, rival.as_of, against.looks, taken)


def _is(release: Release, candidate: Candidate) -> bool:
    return (release.as_of, release.model_digest) == (candidate.as_of, candidate.model_digest)
