"""What people allowed although a gate or a blocking check said no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa

from mlops_assets.errors import BadRequest, ChangeRefused
from mlops_assets.stores.database import override as overrides
from mlops_assets.stores.ledger import Draft, add, append
from mlops_assets.stores.reigns import require_person


@dataclass(frozen=True)
class Subject:
    """What an override is of: one answer of one check about exactly one content.

    what: the table, or ``<model>/release``. digest: of the content; another content needs another override.
    """

    what: str
    partition: str
    digest: str
    check: str

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """What a change request asks to be allowed."""
        return cls(*(payload[field] for field in cls.__dataclass_fields__))


@dataclass(frozen=True)
class Override:
    """That a person allowed something. by: who. reason: why, in their words. at: a moment in UTC."""

    id: int
    subject: Subject
    by: str
    reason: str
    at: str


class Overrides:
    """Written once each, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def of(self, subject: Subject) -> Override | None:
        """The override of exactly this, if somebody gave it."""
        with self._database.connect() as connection:
            row = connection.execute(_select().where(*_is(subject))).first()
        return _override(row) if row else None

    def among(self, tables: Iterable[str]) -> list[Override]:
        """Every override of these tables, oldest first."""
        query = _select().where(overrides.c.what.in_(list(tables))).order_by(overrides.c.id)
        with self._database.connect() as connection:
            return [_override(row) for row in connection.execute(query)]

    def give(self, subject: Subject, *, by: str, reason: str, at: str) -> Override:
        """Allow it. Raises BadRequest when nobody is named, no reason is given, or it was allowed before."""
        if not by.strip() or not reason.strip():
            raise BadRequest(
                "an override needs the name of who allows it and the reason; found one of them empty"
            )
        require_person(by)
        try:
            with self._database.begin() as connection:
                append(connection, add_override(connection, subject, by=by, reason=reason, at=at))
        except sa.exc.IntegrityError as error:
            before = self.of(subject)
            if before is None:
                raise ChangeRefused(
                    f"{subject.what}, {subject.partition}: the policy in force asks others to agree to an override; "
                    "propose it"
                ) from error
            raise BadRequest(
                f"{subject.check} of {subject.what}, {subject.partition}, was overridden before, by {before.by} at "
                f"{before.at}: {before.reason}. What it allows is done when {subject.what} is materialized again"
            ) from error
        return self._given(subject)

    def _given(self, subject: Subject) -> Override:
        found = self.of(subject)
        assert found is not None
        return found


def add_override(connection: sa.Connection, subject: Subject, *, by: str, reason: str, at: str) -> Draft:
    """Add an override inside a transaction; what to append to the ledger."""
    values = {
        "what": subject.what,
        "partition": subject.partition,
        "digest": subject.digest,
        "check_name": subject.check,
        "by": by.strip(),
        "reason": reason.strip(),
        "at": at,
    }
    return add(connection, overrides, values, by=by.strip())


def _is(subject: Subject) -> list[sa.ColumnElement[bool]]:
    return [
        overrides.c.what == subject.what,
        overrides.c.partition == subject.partition,
        overrides.c.digest == subject.digest,
        overrides.c.check_name == subject.check,
    ]


def _select() -> sa.Select[tuple[object, ...]]:
    return sa.select(overrides)


def _override(row: sa.Row[tuple[object, ...]]) -> Override:
    subject = Subject(row.what, row.partition, row.digest, row.check_name)
    return Override(row.id, subject, row.by, row.reason, row.at)
