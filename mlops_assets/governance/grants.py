"""A role that somebody holds on one resource for a time: which may be held so, and what it lets them do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mlops_assets.declaration.access import PATTERN_OF_ONE, READING, Grant, Policy

LONGEST_DAYS = 30


@dataclass(frozen=True)
class Held:
    """A role on one resource. number: of the change request that it came by. expires: a moment in UTC."""

    number: int
    role: str
    resource: str
    expires: str

    @property
    def named(self) -> str:
        """What it is called where it decides."""
        return f"role {self.role} on {self.resource} until {self.expires} (grant {self.number})"

    def rules(self, policy: Policy) -> Iterator[Grant]:
        """What it lets its holder do by a policy: of what the role may do, what reads, on this resource only."""
        for grant in policy.roles.get(self.role, ()):
            reads = tuple(one for one in grant.actions if one in READING)
            if reads and not grant.deny and fnmatchcase(self.resource, grant.resource):
                yield Grant(resource=self.resource, actions=reads)


def why_not_held(policy: Policy, role: str, resource: str, days: int) -> str | None:
    """Why a role cannot be held on a resource for so many days, whoever agrees; None when it can."""
    if not 1 <= days <= LONGEST_DAYS:
        return f"found {days} days, expected 1 to {LONGEST_DAYS}; ask again when it expires"
    if not PATTERN_OF_ONE.fullmatch(resource):
        return f"found the resource {resource!r}, expected one by its name, as model:NAME"
    readers = [name for name, grants in policy.roles.items() if _only_reads(grants)]
    if role not in readers:
        known = ", ".join(readers) or "none"
        return f"{role!r} is no role of the policy that only reads ({', '.join(READING)}); those are: {known}"
    if not any(fnmatchcase(resource, grant.resource) for grant in policy.roles[role]):
        return f"role {role} says nothing of {resource}"
    return None


def _only_reads(grants: tuple[Grant, ...]) -> bool:
    return bool(grants) and all(not one.deny and set(one.actions) <= set(READING) for one in grants)
