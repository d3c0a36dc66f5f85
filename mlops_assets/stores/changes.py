"""Change requests: proposed, voted on and carried out, each step written down once and told in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mlops_assets.errors import BadRequest, ChangeRefused
from mlops_assets.governance.access import Who
from mlops_assets.governance.changes import (
    Answer,
    Application,
    Proposal,
    Request,
    Standing,
    Vote,
    why_not_vote,
)
from mlops_assets.stores.database import application as applications
from mlops_assets.stores.database import change_request as requests
from mlops_assets.stores.database import vote as votes
from mlops_assets.stores.ledger import Draft, add, append, moment, wait_for_others


@dataclass(frozen=True)
class Recorded:
    """All that is recorded of a request. votes: oldest first. application: None while it was not carried out."""

    request: Request
    votes: tuple[Vote, ...]
    application: Application | None


# Where a request stands at a moment.
Stands = Callable[[Recorded, str], Standing]
# What carrying it out at a moment, in a run, adds inside a transaction.
CarryOut = Callable[[sa.Connection, Recorded, str, str], Draft]


class Changes:
    """Written once each, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def of(self, number: int) -> Recorded:
        """A request by its number. Raises BadRequest when there is none."""
        with self._database.connect() as connection:
            return _of(connection, number)

    def all(self, resource: str | None = None) -> list[Recorded]:
        """Every request, or those about a resource, oldest first."""
        query = sa.select(requests.c.id).order_by(requests.c.id)
        if resource is not None:
            query = query.where(requests.c.resource == resource)
        with self._database.connect() as connection:
            return [_of(connection, number) for number in connection.execute(query).scalars()]

    def propose(self, proposal: Callable[[str], Proposal]) -> Request:
        """Write a proposal down. proposal: what it is, of the moment at which it is made."""
        with self._database.begin() as connection:
            wait_for_others(connection)
            told = add_request(connection, proposal(moment(connection)))
            append(connection, told)
        return self.of(int(told.subject)).request

    def vote(
        self, number: int, answer: Answer, *, who: Who, digest: str, reason: str, stands: Stands
    ) -> Vote:
        """Write down what somebody says of a request. digest: of what they saw.

        Raises ChangeRefused, and writes nothing, when they may not say it, or the request no longer waits.
        """
        with self._database.begin() as connection:
            wait_for_others(connection)
            recorded, now = _of(connection, number), moment(connection)
            standing = stands(recorded, now)
            if not standing.waits:
                raise ChangeRefused(f"request {number} is {standing.stage}: {standing.sentence}")
            why_not = why_not_vote(recorded.request, recorded.votes, who.name, answer, digest)
            if why_not is not None:
                raise ChangeRefused(f"request {number}: {why_not}")
            said = Vote(
                who.name, answer, digest, reason.strip(), now, who.how, who.provider, tuple(who.groups)
            )
            values = {**vars(said), "groups": list(who.groups), "request_id": number}
            append(connection, add(connection, votes, values, by=said.by))
        return said

    def apply(self, number: int, *, by: str, run_id: str, stands: Stands, carry_out: CarryOut) -> Application:
        """Carry a request out, once, if it is open at this moment; what it does is done in the same transaction.

        Raises ChangeRefused, and does nothing, when it is not open.
        """
        with self._database.begin() as connection:
            wait_for_others(connection)
            recorded, now = _of(connection, number), moment(connection)
            standing = stands(recorded, now)
            if standing.stage != "open" or not recorded.request.whole:
                said = standing.sentence if recorded.request.whole else "it is not what was proposed"
                raise ChangeRefused(f"request {number} cannot be applied, it is {standing.stage}: {said}")
            values = {"request_id": number, "digest": recorded.request.digest, "by": by, "at": now}
            told = add(connection, applications, {**values, "run_id": run_id}, by=by)
            append(connection, told, carry_out(connection, recorded, now, run_id))
        return Application(by, now)


def add_request(connection: sa.Connection, proposal: Proposal) -> Draft:
    """Add a proposal inside a transaction; what to append to the ledger, whose subject is its number."""
    values = {**vars(proposal), "payload": dict(proposal.payload), "digest": proposal.digest}
    return add(connection, requests, values, by=proposal.by)


def _of(connection: sa.Connection, number: int) -> Recorded:
    row = connection.execute(sa.select(requests).where(requests.c.id == number)).first()
    if row is None:
        newest = connection.execute(sa.select(sa.func.max(requests.c.id))).scalar()
        known = f"the newest is {newest}" if newest else "none was ever made"
        raise BadRequest(f"there is no change request {number}; {known}")
    said = Proposal(**{field: getattr(row, field) for field in Proposal.__dataclass_fields__})
    about_votes = sa.select(*(votes.c[field] for field in Vote.__dataclass_fields__))
    about_votes = about_votes.where(votes.c.request_id == number).order_by(votes.c.at, votes.c.by)
    done = sa.select(applications.c.by, applications.c.at).where(applications.c.request_id == number)
    applied = connection.execute(done).first()
    return Recorded(
        Request(row.id, said, row.digest),
        tuple(_vote(one) for one in connection.execute(about_votes)),
        Application(**applied._mapping) if applied else None,
    )


def _vote(row: sa.Row[Any]) -> Vote:
    return Vote(**{**row._asdict(), "groups": tuple(row.groups)})
