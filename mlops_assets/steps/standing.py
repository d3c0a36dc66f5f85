"""Where change requests stand by the policy in force, and what that policy asks of a change."""

from __future__ import annotations

from typing import Protocol

from mlops_assets.declaration.access import Policy, Tier
from mlops_assets.errors import BadRequest
from mlops_assets.governance.access import decide, tier_of
from mlops_assets.governance.changes import Proposal, Standing, standing
from mlops_assets.governance.grants import why_not_held
from mlops_assets.stores.changes import Changes, Recorded
from mlops_assets.stores.grants import Grants
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.overrides import Overrides, Subject
from mlops_assets.stores.policies import Policies
from mlops_assets.stores.reigns import Reigns
from mlops_assets.stores.releases import Release
from mlops_assets.stores.rollouts import Rollout, Rollouts

# Kinds of which a version reigns when they are carried out.
REIGNS = ("promote", "rollback")
# The kind by which somebody holds a role that reads, on one resource for a time.
GRANT = "grant"


class Standings(Protocol):
    """What of the stores says where requests stand."""

    @property
    def changes(self) -> Changes: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def overrides(self) -> Overrides: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def reigns(self) -> Reigns: ...
    @property
    def rollouts(self) -> Rollouts: ...


def asked_for(stores: Standings, kind: str, resource: str) -> Tier | None:
    """What a change needs by the policy in force; None where nothing has to be asked, for want of one or by a gate."""
    adopted = stores.policies.current()
    tier = tier_of(adopted.policy, kind, resource) if adopted is not None else None
    return None if tier is None or tier.gate else tier


def where(stores: Standings, recorded: Recorded, now: str) -> Standing:
    """Where a request stands at a moment, by the policy in force."""
    return _where(stores, _policy(stores), recorded, now)


def listed(stores: Standings, resource: str | None = None) -> list[tuple[Recorded, Standing]]:
    """Every request, or those about a resource, with where it stands now; oldest first."""
    found = stores.changes.all(resource)
    if not found:
        return []
    policy, now = _policy(stores), stores.ledger.now()
    return [(one, _where(stores, policy, one, now)) for one in found]


def waiting(stores: Standings, resource: str | None = None) -> list[tuple[Recorded, Standing]]:
    """Those that can still be applied, now or later."""
    return [(one, stands) for one, stands in listed(stores, resource) if stands.waits]


def about(stores: Standings, release: Release) -> list[tuple[Recorded, Standing]]:
    """The requests that a version reigns, oldest first."""
    return [
        (one, stands)
        for one, stands in listed(stores, f"model:{release.model}")
        if one.request.proposal.kind in REIGNS and one.request.proposal.payload["version"] == release.version
    ]


def waits_for(stores: Standings, release: Release) -> str | None:
    """What a version waits for before it reigns; None when it waits for nothing."""
    tried = stores.rollouts.current(release.model)
    said = [waits_for_people(stores, release)]
    if tried is not None and tried.version == release.version:
        said.append(tried_as(tried))
    return "; ".join(one for one in said if one) or None


def waits_for_people(stores: Standings, release: Release) -> str | None:
    """The requests that a version waits for before it reigns; None when it waits for none."""
    said = [
        f"request {one.request.number}: {stands.sentence}"
        for one, stands in about(stores, release)
        if stands.waits
    ]
    return "; ".join(said) or None


def tried_as(rollout: Rollout) -> str:
    """How a version is tried, in words."""
    how = f"a canary of {rollout.share:.0%} of the requests" if rollout.kind == "canary" else "a shadow"
    seconds = f" and {rollout.limits.seconds:g} s" if rollout.limits.seconds else ""
    needed = f"{rollout.limits.at_least:,} of its own{seconds}"
    then = "reigns" if rollout.limits.then == "promote" else "has passed"
    return f"rollout {rollout.number}: it is {how}, and {then} after {needed} unless it is surely worse"


def held_already(stores: Standings, name: str, role: str, resource: str) -> str | None:
    """That somebody holds a role on a resource now; None when they do not."""
    for one in stores.grants.held(name, stores.ledger.now()):
        if (one.role, one.resource) == (role, resource):
            return f"{name} holds {one.named}"
    return None


def _where(stores: Standings, policy: Policy, recorded: Recorded, now: str) -> Standing:
    said = recorded.request.proposal
    return standing(
        recorded.request,
        recorded.votes,
        recorded.application,
        now,
        tier=tier_of(policy, said.kind, said.resource),
        may_approve=lambda who: decide(policy, who, f"approve:{said.kind}", said.resource).allowed,
        overtaken=_overtaken(stores, said),
    )


def _policy(stores: Standings) -> Policy:
    adopted = stores.policies.current()
    if adopted is None:
        raise BadRequest("no policy is in force, so there are no change requests; `mlops access adopt FILE`")
    return adopted.policy


def _overtaken(stores: Standings, said: Proposal) -> str | None:
    """Why a request can no longer be carried out, whoever agrees; None when it can."""
    if said.kind in REIGNS:
        current = stores.reigns.current(said.payload["model"])
        if (current.number if current else 0) == said.payload["after"]:
            return None
        since = f"version {current.version} reigns since {current.since}" if current else "none reigns"
        return f"{since}, which is another than when it was proposed; evaluate and release again"
    if said.kind == "policy":
        adopted = stores.policies.current()
        same = adopted is not None and adopted.number == said.payload["after"]
        return None if same else "another policy was adopted since; propose it again"
    if said.kind == GRANT:
        role, days = said.payload["role"], said.payload["days"]
        why_not = why_not_held(_policy(stores), role, said.resource, days)
        return why_not or held_already(stores, said.by, role, said.resource)
    given = stores.overrides.of(Subject.of(said.payload))
    return None if given is None else f"{given.by} allowed it at {given.at}"
