"""The ledger: what was recorded, in order, sealed, in the same transaction as what it tells of.

Appending waits for whoever appends, until that transaction ends: it is the last thing a transaction does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mlops_assets.governance import merkle
from mlops_assets.governance.canonical import canonical, plain
from mlops_assets.governance.ledger import ANCHOR, Entry
from mlops_assets.stores.database import SCHEMA
from mlops_assets.stores.database import ledger as entries
from mlops_assets.stores.guards import governed_columns, restore_guards

# Who says so where neither a person nor a gate does.
PLATFORM = "platform"
# Of many records, the hash that stands for all.
BATCH = "batch"
# Triggers that were put back.
GUARD = "guard"
# The tables whose rows it tells of, which are kinds of entries too.
GOVERNED = {table.name: table for table in SCHEMA.sorted_tables if "subject" in table.info}
_APPENDING = 0x6C6564676572
_READ_TOGETHER = 2_000


@dataclass(frozen=True)
class Draft:
    """What is to be appended. kind: what it is, as ``release``. body: plain values that say all of it."""

    kind: str
    subject: str
    body: Mapping[str, Any]
    by: str = PLATFORM


class Ledger:
    """Read, and added to. Nothing else: the database refuses to change or delete an entry."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def now(self) -> str:
        """The moment by which requests, votes and tokens are judged."""
        with self._database.connect() as connection:
            return moment(connection)

    def head(self) -> Entry | None:
        """The newest entry."""
        with self._database.connect() as connection:
            return _head(connection)

    def entry(self, number: int) -> Entry | None:
        """The entry of a number."""
        with self._database.connect() as connection:
            return _first(connection, select_entries().where(entries.c.number == number))

    def newest(
        self, limit: int, *, kind: str | None = None, subject: str | None = None, before: int | None = None
    ) -> list[Entry]:
        """The newest entries of a kind, about a subject, below a number; newest first."""
        query = select_entries().order_by(entries.c.number.desc()).limit(limit)
        for column, asked in ((entries.c.kind, kind), (entries.c.subject, subject)):
            if asked is not None:
                query = query.where(column == asked)
        if before is not None:
            query = query.where(entries.c.number < before)
        with self._database.connect() as connection:
            return [Entry(*row) for row in connection.execute(query)]

    def about(self, subject: str) -> list[Entry]:
        """Every entry about a row of the platform's tables, or a batch, newest first."""
        of = (entries.c.kind.in_((*GOVERNED, BATCH)), entries.c.subject == subject)
        with self._database.connect() as connection:
            query = select_entries().where(*of).order_by(entries.c.number.desc())
            return [Entry(*row) for row in connection.execute(query)]

    def of(self, kind: str, subject: str, *, up_to: int) -> list[Entry]:
        """Every entry of a kind about a subject up to a number, oldest first."""
        query = select_entries().where(
            entries.c.kind == kind, entries.c.subject == subject, entries.c.number <= up_to
        )
        with self._database.connect() as connection:
            return [Entry(*row) for row in connection.execute(query.order_by(entries.c.number))]

    def all(self, *, up_to: int) -> Iterator[Entry]:
        """Every entry up to a number, oldest first, read as it is asked for."""
        query = select_entries().where(entries.c.number <= up_to).order_by(entries.c.number)
        with self._database.connect() as connection:
            for row in connection.execute(query.execution_options(yield_per=_READ_TOGETHER)):
                yield Entry(*row)

    def has_news(self, since: int) -> bool:
        """Whether anything but anchors was appended after a number."""
        query = sa.select(entries.c.number).where(entries.c.number > since, entries.c.kind != ANCHOR).limit(1)
        with self._database.connect() as connection:
            return connection.execute(query).first() is not None

    def append(self, *drafts: Draft) -> list[Entry]:
        """Append what is recorded nowhere else, in a transaction of its own."""
        with self._database.begin() as connection:
            return append(connection, *drafts)

    def guard(self, *, by: str, reason: str) -> list[str]:
        """Put back the triggers that are missing, and append who did and why; which. Nothing when none is missing."""
        with self._database.begin() as connection:
            wait_for_others(connection)
            put_back = [name for table in SCHEMA.sorted_tables for name in restore_guards(connection, table)]
            if put_back:
                append(connection, Draft(GUARD, "database", {"put_back": put_back, "reason": reason}, by))
            return put_back

    def seal(self, kind: str, subject: str, records: Sequence[bytes]) -> Entry:
        """Append one entry for many records, which are kept elsewhere in this order: their Merkle root.

        That a record was among them is shown by ``merkle.proof`` and checked by ``merkle.proves``.
        """
        body = {"records": kind, "count": len(records), "root": merkle.root(records).hex()}
        (entry,) = self.append(Draft(BATCH, subject, body))
        return entry

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A transaction that sees the whole database as it is at one moment, and changes nothing."""
        with self._database.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection


def append(connection: sa.Connection, *drafts: Draft) -> list[Entry]:
    """Append to the ledger as the last thing that a transaction does."""
    wait_for_others(connection)
    last, made = _head(connection), []
    at = clock()
    for draft in drafts:
        body = canonical(plain(draft.body))
        last = Entry.after(last, kind=draft.kind, subject=draft.subject, body=body, by=draft.by, at=at)
        made.append(last)
    if made:
        rows = [{name: getattr(one, name) for name in Entry.__slots__} for one in made]
        connection.execute(sa.insert(entries), rows)
    return made


def clock() -> str:
    """Now, as every moment of the ledger is spelled."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def moment(connection: sa.Connection) -> str:
    """Now, and not before what was recorded last, so that a clock that is set back opens nothing and revives nothing.

    Who goes on to write has waited for others.
    """
    last = _head(connection)
    return clock() if last is None else max(clock(), last.at)


def add(
    connection: sa.Connection, table: sa.Table, values: Mapping[str, Any], *, by: str = PLATFORM
) -> Draft:
    """Add a row to a table that the ledger tells of; what is to be appended about it when all is written."""
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None
    same = (column == value for column, value in zip(table.primary_key.columns, key, strict=True))
    # As the database has it, which is what it will be compared with.
    row = connection.execute(sa.select(*governed_columns(table)).where(*same)).one()
    told = dict(row._mapping)
    return Draft(table.name, subject_of(table, told), told, by)


def subject_of(table: sa.Table, row: Mapping[str, Any]) -> str:
    """What the ledger calls a row."""
    return str(table.info["subject"].format(**row))


def wait_for_others(connection: sa.Connection) -> None:
    """Until this transaction ends, nobody else appends; what was appended is seen by whatever it reads from now on."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_APPENDING)))
        return
    driver = connection.connection.dbapi_connection
    # Who wrote something holds SQLite's one lock already.
    if driver is not None and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _head(connection: sa.Connection) -> Entry | None:
    return _first(connection, select_entries().order_by(entries.c.number.desc()).limit(1))


def _first(connection: sa.Connection, query: sa.Select[Any]) -> Entry | None:
    row = connection.execute(query).first()
    return Entry(*row) if row else None


def select_entries() -> sa.Select[Any]:
    """A query whose rows are the arguments of an entry."""
    return sa.select(*(entries.c[name] for name in Entry.__slots__))
