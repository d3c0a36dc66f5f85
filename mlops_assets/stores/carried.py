"""What carrying a change request out writes, by its kind."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from mlops_assets.declaration.access import Policy
from mlops_assets.errors import BadRequest
from mlops_assets.governance.changes import Vote
from mlops_assets.stores.changes import Recorded
from mlops_assets.stores.grants import add_grant
from mlops_assets.stores.ledger import Draft
from mlops_assets.stores.overrides import Subject, add_override
from mlops_assets.stores.policies import add_policy
from mlops_assets.stores.reigns import add_reign


def carry_out(connection: sa.Connection, recorded: Recorded, at: str, run_id: str) -> Draft:
    """Do what a request says inside a transaction; what to append to the ledger.

    Raises BadRequest for a kind that nothing carries out, and ReleaseConflict when something else came first.
    """
    said = recorded.request.proposal
    if said.kind not in KINDS:
        raise BadRequest(f"found a request of kind {said.kind!r}, expected one of {', '.join(KINDS)}")
    return KINDS[said.kind](connection, recorded, at, run_id)


def _reign(connection: sa.Connection, recorded: Recorded, at: str, run_id: str) -> Draft:
    said = recorded.request.proposal
    return add_reign(
        connection,
        said.payload["model"],
        said.payload["version"],
        after=said.payload["after"],
        by=said.by,
        reason=_agreed(recorded),
        at=at,
        run_id=run_id,
    )


def _override(connection: sa.Connection, recorded: Recorded, at: str, run_id: str) -> Draft:
    said = recorded.request.proposal
    return add_override(connection, Subject.of(said.payload), by=said.by, reason=_agreed(recorded), at=at)


def _policy(connection: sa.Connection, recorded: Recorded, at: str, run_id: str) -> Draft:
    said = recorded.request.proposal
    return add_policy(
        connection,
        Policy.model_validate(said.payload["policy"]),
        after=said.payload["after"],
        by=said.by,
        reason=_agreed(recorded),
        at=at,
        request=recorded.request.number,
    )


def _grant(connection: sa.Connection, recorded: Recorded, at: str, run_id: str) -> Draft:
    said = recorded.request.proposal
    return add_grant(
        connection,
        recorded.request.number,
        name=said.by,
        role=said.payload["role"],
        resource=said.resource,
        days=said.payload["days"],
        reason=_agreed(recorded),
        at=at,
    )


def _agreed(recorded: Recorded) -> str:
    """Why it was done, and who agreed to it."""
    said, number = recorded.request.proposal.reason, recorded.request.number
    return f"{said}; request {number}, {approvers(recorded.votes)}"


def approvers(votes: tuple[Vote, ...]) -> str:
    """Who approved, in words."""
    names = [vote.by for vote in votes if vote.answer == "approve"]
    return f"agreed by {', '.join(names)}" if names else "agreed by nobody, as the policy allows"


KINDS: dict[str, Callable[[sa.Connection, Recorded, str, str], Draft]] = {
    "promote": _reign,
    "rollback": _reign,
    "override": _override,
    "policy": _policy,
    "grant": _grant,
}
