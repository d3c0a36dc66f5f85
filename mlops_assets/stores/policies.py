"""The policies of access that were adopted, in order; the newest is in force."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from mlops_assets.declaration.access import Policy
from mlops_assets.errors import LedgerBroken, ReleaseConflict
from mlops_assets.governance.canonical import canonical, digest
from mlops_assets.stores.database import policy as policies
from mlops_assets.stores.ledger import Draft, add, append, wait_for_others


@dataclass(frozen=True)
class Adopted:
    """A policy that is, or was, in force.

    number: one for the first. digest: of its text. by, reason: who adopted it and why. at: a moment in UTC. request:
    the change request that it came by; None for the first.
    """

    number: int
    policy: Policy
    digest: str
    by: str
    reason: str
    at: str
    request: int | None


class Policies:
    """Added to, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def current(self) -> Adopted | None:
        """The one in force; None where none was ever adopted."""
        with self._database.connect() as connection:
            return newest_policy(connection)

    def history(self) -> list[Adopted]:
        """All of them, oldest first."""
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(policies).order_by(policies.c.number))
            return [_adopted(row) for row in rows]

    def adopt(
        self, policy: Policy, *, after: int, by: str, reason: str, at: str, request: int | None = None
    ) -> Adopted:
        """Put a policy in force. after: the number of the one it follows, zero for none.

        Raises ReleaseConflict, and changes nothing, when another was adopted meanwhile.
        """
        with self._database.begin() as connection:
            append(
                connection,
                add_policy(connection, policy, after=after, by=by, reason=reason, at=at, request=request),
            )
        current = self.current()
        assert current is not None
        return current


def spelled(policy: Policy) -> str:
    """A policy in its one spelling, of which the digest is."""
    return canonical(policy.model_dump(mode="json"))


def newest_policy(connection: sa.Connection) -> Adopted | None:
    """The policy in force, as seen inside a transaction."""
    query = sa.select(policies).order_by(policies.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return _adopted(row) if row else None


def add_policy(
    connection: sa.Connection,
    policy: Policy,
    *,
    after: int,
    by: str,
    reason: str,
    at: str,
    request: int | None,
) -> Draft:
    """Put a policy in force inside a transaction; what to append to the ledger."""
    wait_for_others(connection)
    last = newest_policy(connection)
    if (last.number if last else 0) != after:
        raise ReleaseConflict(
            f"another policy was adopted meanwhile, number {last.number if last else 0} by {last.by if last else ''}; "
            "look at it and propose the change again"
        )
    body = spelled(policy)
    values = {
        "number": after + 1,
        "digest": digest(body),
        "body": body,
        "by": by,
        "reason": reason,
        # A clock that was set back does not date a policy before the one it follows.
        "at": max(at, last.at) if last else at,
        "request_id": request,
    }
    return add(connection, policies, values, by=by)


def _adopted(row: sa.Row[tuple[object, ...]]) -> Adopted:
    if digest(row.body) != row.digest:
        raise LedgerBroken(
            f"policy {row.number} is not what was adopted: its digest is another. `mlops ledger verify` says more; "
            "nothing is allowed until it is as it was"
        )
    policy = Policy.model_validate(json.loads(row.body))
    return Adopted(row.number, policy, row.digest, row.by, row.reason, row.at, row.request_id)
