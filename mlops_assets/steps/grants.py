"""Roles that read, held on one resource for a time: asked for, and withdrawn."""

from __future__ import annotations

from mlops_assets.errors import BadRequest
from mlops_assets.governance.access import Who
from mlops_assets.governance.changes import Request
from mlops_assets.governance.grants import why_not_held
from mlops_assets.steps.access import require
from mlops_assets.steps.changes import propose
from mlops_assets.steps.standing import GRANT, held_already
from mlops_assets.stores.grants import RoleGrant
from mlops_assets.stores.stores import Stores


def ask_for_role(stores: Stores, who: Who, role: str, resource: str, *, days: int, reason: str) -> Request:
    """Ask to hold a role on a resource: a change request, which waits for what its tier says, or for nothing.

    Raises AccessDenied when who asks may not, and BadRequest when the role does more than read, the resource is none
    that it reads, or who asks holds it already.
    """
    adopted = stores.policies.current()
    if adopted is None:
        raise BadRequest(
            "no policy is in force, so there are no roles: whoever uses this machine may do everything"
        )
    require(stores, who, f"propose:{GRANT}", resource)
    why_not = why_not_held(adopted.policy, role, resource, days) or held_already(
        stores, who.name, role, resource
    )
    if why_not is not None:
        raise BadRequest(why_not)
    return propose(stores, GRANT, resource, {"role": role, "days": days}, by=who.name, reason=reason)


def withdraw_grant(stores: Stores, who: Who, number: int, *, reason: str) -> RoleGrant:
    """End what somebody holds, at once. One's own anybody may; that of others, whom the policy lets."""
    if not reason.strip():
        raise BadRequest("withdrawing a grant needs the reason; found none")
    given = stores.grants.get(number)
    if given.name != who.name:
        require(stores, who, "ungrant", given.resource)
    return stores.grants.withdraw(number, by=who.name, reason=reason.strip())
