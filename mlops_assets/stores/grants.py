"""Roles that people hold on one resource for a time: given by a change request, withdrawn, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from mlops_assets.errors import BadRequest
from mlops_assets.governance.changes import spelled
from mlops_assets.governance.grants import Held
from mlops_assets.stores.database import role_grant as grants
from mlops_assets.stores.database import role_withdrawal as withdrawals
from mlops_assets.stores.ledger import Draft, add, append, moment, wait_for_others


@dataclass(frozen=True)
class RoleGrant:
    """That somebody holds a role. number: of its change request. at, expires: moments in UTC.

    withdrawn: by whom, when and why; empty while it was not.
    """

    number: int
    name: str
    role: str
    resource: str
    reason: str
    at: str
    expires: str
    withdrawn: str = ""

    def state(self, at: str) -> str:
        """``held``, ``expired`` or ``withdrawn``, at a moment."""
        return "withdrawn" if self.withdrawn else "held" if at < self.expires else "expired"

    @property
    def held(self) -> Held:
        """What it lets its holder do."""
        return Held(self.number, self.role, self.resource, self.expires)


class Grants:
    """Written once each, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def all(self) -> list[RoleGrant]:
        """Every one, oldest first."""
        return self._found(_select())

    def about(self, resource: str) -> list[RoleGrant]:
        """Those on a resource, oldest first."""
        return self._found(_select().where(grants.c.resource == resource))

    def held(self, name: str, at: str) -> tuple[Held, ...]:
        """What somebody holds at a moment, oldest first."""
        found = self._found(_select().where(grants.c.name == name))
        return tuple(one.held for one in found if one.state(at) == "held")

    def get(self, number: int) -> RoleGrant:
        """The one of a change request. Raises BadRequest when there is none."""
        found = self._found(_select().where(grants.c.request_id == number))
        if not found:
            raise BadRequest(f"there is no grant {number}; `mlops access grants` lists them")
        return found[0]

    def withdraw(self, number: int, *, by: str, reason: str) -> RoleGrant:
        """End one, at once. Raises BadRequest when there is none, or it was withdrawn before."""
        before = self.get(number)
        try:
            with self._database.begin() as connection:
                wait_for_others(connection)
                values = {"request_id": number, "by": by, "reason": reason, "at": moment(connection)}
                append(connection, add(connection, withdrawals, values, by=by))
        except sa.exc.IntegrityError as error:
            withdrawn = self.get(number).withdrawn
            if not withdrawn:
                raise
            raise BadRequest(f"grant {number} of {before.name} was withdrawn before: {withdrawn}") from error
        return self.get(number)

    def _found(self, query: sa.Select[tuple[object, ...]]) -> list[RoleGrant]:
        with self._database.connect() as connection:
            return [_grant(row) for row in connection.execute(query)]


def add_grant(
    connection: sa.Connection,
    number: int,
    *,
    name: str,
    role: str,
    resource: str,
    days: int,
    reason: str,
    at: str,
) -> Draft:
    """Let somebody hold a role from now on, inside a transaction; what to append to the ledger."""
    values = {
        "request_id": number,
        "name": name,
        "role": role,
        "resource": resource,
        "reason": reason,
        "at": at,
        "expires": spelled(datetime.fromisoformat(at) + timedelta(days=days)),
    }
    return add(connection, grants, values, by=name)


def _select() -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(
            grants,
            withdrawals.c.by.label("withdrawn_by"),
            withdrawals.c.at.label("withdrawn_at"),
            withdrawals.c.reason.label("withdrawn_why"),
        )
        .join_from(grants, withdrawals, grants.c.request_id == withdrawals.c.request_id, isouter=True)
        .order_by(grants.c.request_id)
    )


def _grant(row: sa.Row[tuple[object, ...]]) -> RoleGrant:
    withdrawn = (
        f"by {row.withdrawn_by} at {row.withdrawn_at}: {row.withdrawn_why}" if row.withdrawn_by else ""
    )
    said = (row.name, row.role, row.resource, row.reason, row.at, row.expires)
    return RoleGrant(row.request_id, *said, withdrawn)
