"""May somebody do something, and what does a change need? Denied unless a rule of the policy allows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mlops_assets.declaration.access import (
    PATTERN,
    POLICY,
    POLICY_APPROVALS,
    Grant,
    Policy,
    Tier,
    is_service,
    one_spelling,
)
from mlops_assets.errors import BadRequest
from mlops_assets.governance.grants import Held

_PATTERN = re.compile(PATTERN)
# What begins so is an agreement to what another proposed.
APPROVE = "approve:"
PROPOSE = "propose:"
# For changes of which the policy says nothing.
STRICTEST = Tier(kind="*", approvals=2, delay_minutes=60, expires_days=1)


@dataclass(frozen=True)
class Scope:
    """What a token may be used for, of all that its bearer may do. action, resource: patterns."""

    action: str
    resource: str

    @property
    def spelled(self) -> str:
        return f"{self.action}@{self.resource}"


@dataclass(frozen=True)
class Who:
    """Somebody, as they were identified.

    name: in its one spelling. how: what said so, such as ``token 3f…``. provider, groups: of a provider of the policy.
    scopes: of a token; empty for all that the bearer may do. held: roles on a resource, for a time.
    """

    name: str
    how: str = ""
    provider: str = ""
    groups: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()
    held: tuple[Held, ...] = ()


NOBODY = Who("")


@dataclass(frozen=True)
class Access:
    """The answer. sentence: who, what, and why. rule: that decided; empty where none does, which denies too."""

    allowed: bool
    sentence: str
    rule: str = ""


def scope(text: str) -> Scope:
    """What a token is for, as ``ACTION@RESOURCE``, patterns both. Raises BadRequest for anything else.

    >>> scope("approve:*@model:churn")
    Scope(action='approve:*', resource='model:churn')
    """
    action, at, resource = text.partition("@")
    if not (at and _PATTERN.fullmatch(action) and _PATTERN.fullmatch(resource)):
        raise BadRequest(f"found {text!r}, expected ACTION@RESOURCE, as run@model:churn or approve:*@model:*")
    return Scope(action, resource)


def known_as(name: str, how: str = "") -> Who:
    """Somebody by name alone. Raises BadRequest for a name that could be taken for another."""
    try:
        return Who(one_spelling(name), how)
    except ValueError as error:
        raise BadRequest(str(error)) from error


def decide(policy: Policy, who: Who, action: str, resource: str) -> Access:
    """Whether somebody may do an action to a resource. A grant that denies wins over all that allow."""
    asked = f"{who.name} may {{}}{action} {resource}"
    no, yes = asked.format("not "), asked.format("")
    if is_service(who.name) and action.startswith(APPROVE):
        rule = "service accounts never approve"
        return Access(False, f"{no}: {rule}", rule)
    if who.scopes and not any(_fits(action, resource, one.action, one.resource) for one in who.scopes):
        rule = f"scope {', '.join(one.spelled for one in who.scopes)}"
        return Access(
            False, f"{no}: {who.how or 'the token'} is for {rule.removeprefix('scope ')} only", rule
        )
    for named, grant in _rules(policy, who):
        if _covers(grant, action, resource):
            rule = _said(named, grant)
            return Access(not grant.deny, f"{no if grant.deny else yes}: {rule} says so", rule)
    return Access(False, f"{no}: {_nothing(policy, who, action, resource)}")


def tier_of(policy: Policy, kind: str, resource: str) -> Tier:
    """What a change of a kind needs: the first tier that fits, the strictest where none does.

    A change of the policy needs two people whatever a tier says.
    """
    found = next((one for one in policy.tiers if _fits(kind, resource, one.kind, one.resource)), STRICTEST)
    if kind == POLICY:
        approvals = max(found.approvals, POLICY_APPROVALS)
        return found.model_copy(update={"approvals": approvals, "gate": False})
    return found


def roles_of(policy: Policy, who: Who) -> tuple[str, ...]:
    """The roles of somebody on all that the roles say, by name and by groups, in the order of the policy."""
    provider = policy.identity.get(who.provider)
    by_group = [role for group in who.groups for role in (provider.groups.get(group, ()) if provider else ())]
    named = {*policy.members.get(who.name, ()), *by_group}
    return tuple(role for role in policy.roles if role in named)


def locked_out(policy: Policy) -> str | None:
    """Why nobody could ever change this policy again; None when somebody could.

    Who has roles by groups is not known here, so a group that may approve is taken for enough people.
    """
    need = tier_of(policy, POLICY, POLICY).approvals
    members = [Who(name) for name in policy.members]
    groups = [
        Who(f"group {group}", provider=name, groups=(group,))
        for name, provider in policy.identity.items()
        if not provider.services
        for group in provider.groups
    ]
    approvers = {one.name for one in members if _changes(policy, one, APPROVE)}
    authors = {one.name for one in (*members, *groups) if _changes(policy, one, PROPOSE)}
    enough = any(_changes(policy, one, APPROVE) for one in groups)
    if any(enough or len(approvers - {author}) >= need for author in authors):
        return None
    return (
        f"nobody could change this policy again: expected somebody who may {PROPOSE}{POLICY} and {need} other people "
        f"who may {APPROVE}{POLICY}; found {_list(authors)} and {_list(approvers)}"
    )


def _changes(policy: Policy, who: Who, step: str) -> bool:
    return decide(policy, who, f"{step}{POLICY}", POLICY).allowed


def _rules(policy: Policy, who: Who) -> list[tuple[str, Grant]]:
    """The grants of somebody by the roles that give them, those that deny first, those for a time last."""
    own = [(f"role {role}", grant) for role in roles_of(policy, who) for grant in policy.roles[role]]
    for_a_time = [(one.named, grant) for one in who.held for grant in one.rules(policy)]
    return sorted([*own, *for_a_time], key=lambda one: not one[1].deny)


def _covers(grant: Grant, action: str, resource: str) -> bool:
    return any(_fits(action, resource, one, grant.resource) for one in grant.actions)


def _fits(action: str, resource: str, actions: str, resources: str) -> bool:
    return fnmatchcase(action, actions) and fnmatchcase(resource, resources)


def _said(named: str, grant: Grant) -> str:
    return f"{named}: {'deny ' if grant.deny else ''}{', '.join(grant.actions)} on {grant.resource}"


def _nothing(policy: Policy, who: Who, action: str, resource: str) -> str:
    """Why no rule allows it, and which roles would."""
    able = [
        role
        for role, grants in policy.roles.items()
        if any(_covers(one, action, resource) and not one.deny for one in grants)
    ]
    held = [*roles_of(policy, who), *(one.named for one in who.held)]
    return f"no rule of their roles ({_list(held)}) allows it; roles that do: {_list(able)}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
