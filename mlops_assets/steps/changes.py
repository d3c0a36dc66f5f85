"""Change requests are made, voted on and carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_assets.declaration.access import Policy
from mlops_assets.errors import BadRequest, ChangeRefused
from mlops_assets.governance.access import Who, locked_out
from mlops_assets.governance.canonical import digest
from mlops_assets.governance.changes import (
    SHOWN,
    Answer,
    Application,
    Proposal,
    Request,
    Vote,
)
from mlops_assets.steps.mirror import show
from mlops_assets.steps.reigns import require_whole
from mlops_assets.steps.standing import REIGNS, asked_for, waiting, where
from mlops_assets.stores.carried import KINDS, carry_out
from mlops_assets.stores.overrides import Override, Subject
from mlops_assets.stores.policies import spelled
from mlops_assets.stores.releases import Release, promised
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking


def propose(
    stores: Stores, kind: str, resource: str, payload: Mapping[str, Any], *, by: str, reason: str
) -> Request:
    """Ask for a change. Raises BadRequest when nothing has to be asked, or there is no reason."""
    if not reason.strip():
        raise BadRequest("a change request needs the reason for it; found none")
    tier = asked_for(stores, kind, resource)
    if tier is None or kind not in KINDS:
        raise BadRequest(
            f"{kind} of {resource} needs no change request: no policy is in force, or it lets a gate decide"
            if kind in KINDS
            else f"found the kind {kind!r}, expected one of {', '.join(KINDS)}"
        )
    return stores.changes.propose(
        lambda at: Proposal.under(tier, kind, resource, payload, by=by, reason=reason.strip(), at=at)
    )


def vote(stores: Stores, number: int, answer: Answer, *, who: Who, seen: str | None, reason: str) -> Vote:
    """Say something of a request. seen: the beginning of the digest of what was looked at; None for what is there.

    Raises ChangeRefused when it may not be said, and BadRequest when no reason is given.
    """
    if not reason.strip():
        raise BadRequest(f"to {answer} needs the reason; found none")
    digest_there = stores.changes.of(number).request.digest
    whole = digest_there if seen is None or (len(seen) >= SHOWN and digest_there.startswith(seen)) else seen
    return stores.changes.vote(
        number,
        answer,
        who=who,
        digest=whole,
        reason=reason,
        stands=lambda recorded, now: where(stores, recorded, now),
    )


def apply(stores: Stores, tracking: Tracking, number: int, *, by: str, run_id: str) -> Application:
    """Carry out a request that is open. Raises ChangeRefused, and does nothing, when it is not.

    Raises ArtifactMismatch when the files of a version that is to reign are not the ones that were agreed to.
    """
    said = stores.changes.of(number).request.proposal
    release = _agreed(stores, said) if said.kind in REIGNS else None
    if said.kind == "policy":
        require_governable(Policy.model_validate(said.payload["policy"]))
    done = stores.changes.apply(
        number,
        by=by,
        run_id=run_id,
        stands=lambda recorded, now: where(stores, recorded, now),
        carry_out=carry_out,
    )
    if release is not None:
        show(stores, tracking, release)
    return done


def apply_open(
    stores: Stores, tracking: Tracking, resource: str, *, by: str, run_id: str
) -> list[Application]:
    """Carry out every request about a resource that is open by now, oldest first."""
    open_now = [one.request.number for one, stands in waiting(stores, resource) if stands.stage == "open"]
    done = []
    for number in open_now:
        # What was carried out before may have overtaken it.
        if where(stores, stores.changes.of(number), stores.ledger.now()).stage == "open":
            done.append(apply(stores, tracking, number, by=by, run_id=run_id))
    return done


def ask_to_roll_back(
    stores: Stores, model: str, version: int | None, *, by: str, reason: str
) -> Request | None:
    """Ask that a version reigns which never did; None when it needs nobody: it reigned before, or no policy says so."""
    reigned = {one.version for one in stores.reigns.history(model)}
    if version is None or version in reigned:
        return None
    # Where a gate may decide about rollbacks and not about releases, this is a release like any other.
    for kind in ("rollback", "promote"):
        if asked_for(stores, kind, f"model:{model}") is not None:
            payload = reign_payload(stores, model, version)
            return propose(stores, kind, f"model:{model}", payload, by=by, reason=reason)
    return None


def allow_or_ask(
    stores: Stores, subject: Subject, resource: str, *, by: str, reason: str, at: str
) -> Override | Request:
    """Allow something, where the policy asks nobody else; else what was agreed to, or the request that was made.

    Raises BadRequest when nobody is named, no reason is given, or it was allowed before without anybody being asked.
    """
    if asked_for(stores, "override", resource) is None:
        return stores.overrides.give(subject, by=by, reason=reason, at=at)
    given = stores.overrides.of(subject)
    return given or propose(stores, "override", resource, {**vars(subject)}, by=by, reason=reason)


def reign_payload(stores: Stores, model: str, version: int) -> dict[str, Any]:
    """What is asked for who wants a version to reign after the one that does. Raises BadRequest when there is none."""
    release, current = stores.releases.version(model, version), stores.reigns.current(model)
    if release is None:
        raise BadRequest(f"{model} has no version {version}")
    if current is not None and current.version == version:
        raise BadRequest(f"{model} version {version} reigns already, since {current.since}")
    require_whole(stores, release)
    return promised(release, after=current.number if current else 0)


def policy_payload(stores: Stores, policy: Policy) -> dict[str, Any]:
    """What is asked for who wants another policy. Raises BadRequest when nobody could change it again."""
    require_governable(policy)
    current = stores.policies.current()
    body = policy.model_dump(mode="json")
    return {"policy": body, "digest": digest(spelled(policy)), "after": current.number if current else 0}


def require_governable(policy: Policy) -> None:
    """Raise BadRequest when nobody could change a policy again."""
    shut = locked_out(policy)
    if shut is not None:
        raise BadRequest(shut)


def _agreed(stores: Stores, said: Proposal) -> Release:
    """The version that was agreed to, whole. Raises ChangeRefused when it is another."""
    release = stores.releases.version(said.payload["model"], said.payload["version"])
    if release is None or promised(release, after=said.payload["after"]) != dict(said.payload):
        raise ChangeRefused("the version that was agreed to is not the one that is there")
    require_whole(stores, release)
    return release
