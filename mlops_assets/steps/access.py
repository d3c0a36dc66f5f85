"""Who asks, and may they? Where no policy was adopted, whoever uses the machine may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_assets.declaration.access import Policy, is_service
from mlops_assets.errors import AccessDenied, BadRequest
from mlops_assets.governance.access import Who, decide, known_as, locked_out, scope
from mlops_assets.governance.id_tokens import read_id_token
from mlops_assets.stores.policies import Adopted
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tokens import Token


@dataclass(frozen=True)
class Shown:
    """What somebody shows to say who they are. user: whom the machine takes them for."""

    token: str
    id_token: str
    user: str


def who_asks(stores: Stores, shown: Shown) -> Who:
    """Who asks. Raises AccessDenied when a policy is in force and nobody is known."""
    adopted = stores.policies.current()
    if adopted is None:
        # A token that is shown all the same must be a good one.
        return _identified(stores, shown, None) or Who(shown.user, "the machine's user")
    who = _identified(stores, shown, adopted.policy)
    if who is None:
        raise AccessDenied(
            f"policy {adopted.number} is in force, and nobody is known to ask; set MLOPS_TOKEN (`mlops access token "
            "NAME` makes one) or MLOPS_ID_TOKEN"
        )
    return replace(who, held=stores.grants.held(who.name, stores.ledger.now()))


def require(stores: Stores, who: Who, action: str, resource: str) -> None:
    """Raise AccessDenied when a policy is in force that does not let somebody do this."""
    adopted = stores.policies.current()
    answer = decide(adopted.policy, who, action, resource) if adopted else None
    if adopted and answer and not answer.allowed:
        raise AccessDenied(
            f"{answer.sentence} (policy {adopted.number})", who=who.name, action=action, resource=resource
        )


def require_own_name(stores: Stores, who: Who, by: str) -> None:
    """Raise AccessDenied when a policy is in force and somebody signs as another."""
    if stores.policies.current() and by.strip() != who.name:
        raise AccessDenied(
            f"found --by {by!r}, expected --by {who.name!r}, who asks by {who.how}: nobody signs as another",
            who=who.name,
        )


def adopt(stores: Stores, policy: Policy, *, by: str, reason: str) -> Adopted:
    """Put the first policy in force. Raises BadRequest when there is one, or nobody could work under this one."""
    current = stores.policies.current()
    if current is not None:
        raise BadRequest(
            f"policy {current.number} is in force, adopted by {current.by} at {current.at}; it is changed by a change "
            "request that two others approve"
        )
    if not by.strip() or not reason.strip():
        raise BadRequest(
            "adopting a policy needs the name of who does it and the reason; found one of them empty"
        )
    shut = locked_out(policy) or _unknowable(stores, policy)
    if shut is not None:
        raise BadRequest(shut)
    return stores.policies.adopt(
        policy, after=0, by=known_as(by.strip()).name, reason=reason.strip(), at=stores.ledger.now()
    )


def make_token(stores: Stores, who: Who, name: str, *, scopes: Sequence[str], days: int) -> tuple[Token, str]:
    """A new token of somebody, and its text, which is never seen again. Raises AccessDenied when who asks may not."""
    bearer, read = known_as(name).name, [scope(one) for one in scopes]
    if who.scopes:
        raise AccessDenied(
            f"{who.how} is for some things only, so it makes no tokens, which could be for more",
            who=who.name,
            action="token",
            resource=f"token:{bearer}",
        )
    require(stores, who, "token", f"token:{bearer}")
    return stores.tokens.make(bearer, scopes=read, days=days, by=who.name, at=stores.ledger.now())


def revoke_token(stores: Stores, who: Who, token_id: str, *, reason: str) -> Token:
    """Make a token good for nothing, at once. One's own anybody may; of others, whom the policy lets."""
    if not reason.strip():
        raise BadRequest("revoking a token needs the reason; found none")
    bearer = stores.tokens.get(token_id).name
    if bearer != who.name:
        require(stores, who, "revoke", f"token:{bearer}")
    return stores.tokens.revoke(token_id, by=who.name, reason=reason.strip(), at=stores.ledger.now())


def _identified(stores: Stores, shown: Shown, policy: Policy | None) -> Who | None:
    if shown.token and shown.id_token:
        raise AccessDenied("MLOPS_TOKEN and MLOPS_ID_TOKEN are both set; expected one, for one is who asks")
    at = stores.ledger.now()
    if shown.token:
        token = stores.tokens.shown(shown.token, at)
        return Who(token.name, f"token {token.id}", scopes=token.scopes)
    if shown.id_token and policy is not None:
        return read_id_token(shown.id_token, policy, at=at)
    return None


def _unknowable(stores: Stores, policy: Policy) -> str | None:
    """Why nobody of a policy could say who they are; None when somebody could."""
    at = stores.ledger.now()
    bearers = {token.name for token in stores.tokens.all() if token.state(at) == "good"}
    people = {name for name in policy.members if not is_service(name)}
    if policy.identity or bearers & people:
        return None
    return (
        "nobody of this policy could say who they are: it has no identity provider, and none of its people has a "
        "token; make one first with `mlops access token NAME`"
    )
