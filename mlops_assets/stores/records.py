"""The index of what was written: which content each partition has, what it read, what was said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.commit import Commit, PartitionRecord
from mlops_assets.stores.database import lake_table, materialization, override, reading, refusal, verdict
from mlops_assets.stores.ledger import Draft, append, wait_for_others
from mlops_assets.stores.pinned import Content

# In the order of Verdict's fields.
_VERDICT = (
    verdict.c.check_name,
    verdict.c.passed,
    verdict.c.reason,
    verdict.c.blocking,
    verdict.c.error,
)

# Kinds of entries in the ledger: a table of the lake began; partitions of it were written, or refused.
TABLE, COMMIT = "table", "commit"

# So few partitions are looked up one by one; of more, all of a table are read.
FEW = 100

# Where a content is.
_PLACE = (materialization.c.table_name, materialization.c.partition, materialization.c.version)


class Records:
    """Answers questions about past writes. The commits in the tables are the truth; this follows them."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database
        self._known: dict[str, str] = {}

    def newest_version(self, table: str) -> int:
        """The newest table version that has been adopted; -1 for none."""
        newest = (
            sa.select(sa.func.coalesce(sa.func.max(one.c.version), -1)).where(one.c.table_name == table)
            for one in (materialization, refusal)
        )
        with self._database.connect() as connection:
            return max(int(connection.execute(query).scalar_one()) for query in newest)

    def begin(self, table: str, delta_id: str) -> None:
        """Forget what was recorded of another table that had this name, moved away since.

        What other tables say that they read of it stays: they did.
        """
        if self._known.get(table) == delta_id:
            return
        with self._database.begin() as connection:
            # Or who looked before another process began it would forget what that one has recorded since.
            wait_for_others(connection)
            known = connection.execute(
                sa.select(lake_table.c.delta_id).where(lake_table.c.table_name == table)
            ).scalar()
            if known != delta_id:
                _forget(connection, table)
                connection.execute(sa.insert(lake_table).values(table_name=table, delta_id=delta_id))
                append(connection, Draft(TABLE, table, {"delta_id": delta_id}))
        self._known[table] = delta_id

    def adopt(self, version: int, commit: Commit) -> None:
        """Take over what a commit says. Adopting a commit twice changes nothing."""
        try:
            self._adopt(version, commit)
        except sa.exc.IntegrityError:
            # Another process adopted it between our look and our insert; now it shows.
            self._adopt(version, commit)

    def _adopt(self, version: int, commit: Commit) -> None:
        with self._database.begin() as connection:
            there = _ids(connection, commit.table, version)
            missing = {key: one for key, one in commit.partitions.items() if key not in there}
            if missing:
                _insert(connection, version, commit, missing)
            if _refuse(connection, version, commit) or missing:
                append(connection, Draft(COMMIT, commit.table, {"version": version, **commit.to_dict()}))

    def contents(
        self, table: str, *, up_to: int | None = None, partitions: Sequence[str] | None = None
    ) -> list[Content]:
        """The newest content of each partition written (by table version ``up_to``), by partition."""
        m = materialization
        newest = (
            sa.select(m.c.partition, sa.func.max(m.c.version).label("version"))
            .where(
                m.c.table_name == table,
                sa.true() if up_to is None else m.c.version <= up_to,
                m.c.partition.in_(partitions)
                if partitions is not None and len(partitions) <= FEW
                else sa.true(),
            )
            .group_by(m.c.partition)
            .subquery()
        )
        query = (
            sa.select(m.c.partition, m.c.version, m.c.rows, m.c.fingerprint)
            .join(newest, sa.and_(m.c.partition == newest.c.partition, m.c.version == newest.c.version))
            .where(m.c.table_name == table)
            .order_by(m.c.partition)
        )
        wanted = None if partitions is None else frozenset(partitions)
        with self._database.connect() as connection:
            return [
                Content(table=table, **row._mapping)
                for row in connection.execute(query)
                if wanted is None or row.partition in wanted
            ]

    def held(self, table: str, fingerprints: Mapping[str, str]) -> dict[str, Content]:
        """Partition -> the newest of its contents that has its fingerprint; those that never had it are left out."""
        m = materialization
        query = (
            sa.select(m.c.partition, m.c.version, m.c.rows, m.c.fingerprint)
            .where(
                m.c.table_name == table,
                m.c.partition.in_(list(fingerprints)),
                m.c.fingerprint.in_(set(fingerprints.values())),
            )
            .order_by(m.c.version)
        )
        with self._database.connect() as connection:
            return {
                row.partition: Content(table=table, **row._mapping)
                for row in connection.execute(query)
                if row.fingerprint == fingerprints[row.partition]
            }

    def code_versions(self, table: str, *, up_to: int | None = None) -> dict[str, str]:
        """The code version that wrote the newest content of each partition (by table version ``up_to``)."""
        m = materialization
        query = (
            sa.select(m.c.partition, m.c.code_version)
            .where(m.c.table_name == table, sa.true() if up_to is None else m.c.version <= up_to)
            .order_by(m.c.version)
        )
        with self._database.connect() as connection:
            return {row.partition: row.code_version for row in connection.execute(query)}

    def written_at(self, table: str) -> dict[str, str]:
        """When the newest content of each partition was written, in UTC."""
        m = materialization
        query = sa.select(m.c.partition, m.c.written_at).where(m.c.table_name == table).order_by(m.c.version)
        with self._database.connect() as connection:
            return {row.partition: row.written_at for row in connection.execute(query)}

    def refusals(
        self, table: str, *, up_to: int | None = None, partitions: Sequence[str] | None = None
    ) -> list[tuple[str, Verdict]]:
        """The partitions that could not be made when it was last tried (by table version ``up_to``), and why."""
        later, made = refusal.alias("later"), materialization
        newer = (
            sa.exists().where(
                one.c.table_name == table,
                one.c.partition == refusal.c.partition,
                one.c.version > refusal.c.version,
                sa.true() if up_to is None else one.c.version <= up_to,
            )
            for one in (later, made)
        )
        query = (
            sa.select(refusal.c.partition, refusal.c.check_name, refusal.c.reason)
            .where(
                refusal.c.table_name == table,
                sa.true() if up_to is None else refusal.c.version <= up_to,
                *(sa.not_(one) for one in newer),
            )
            .order_by(refusal.c.partition, refusal.c.id)
        )
        wanted = None if partitions is None else frozenset(partitions)
        with self._database.connect() as connection:
            return [
                (row.partition, Verdict(row.check_name, False, row.reason, blocking=True))
                for row in connection.execute(query)
                if wanted is None or row.partition in wanted
            ]

    def failed(self, tables: Sequence[str]) -> list[tuple[str, str, Verdict]]:
        """The checks that failed for what is there, and what could not be made: table, partition and verdict."""
        now = _newest().alias("now")
        query = (
            sa.select(now.c.table_name, now.c.partition, *_VERDICT)
            .join_from(now, verdict, verdict.c.materialization_id == now.c.id)
            .where(now.c.table_name.in_(tables), sa.not_(verdict.c.passed))
            .order_by(now.c.table_name, now.c.partition, verdict.c.id)
        )
        with self._database.connect() as connection:
            found = [(row[0], row[1], Verdict(*row[2:])) for row in connection.execute(query)]
        refused = [(table, *one) for table in tables for one in self.refusals(table)]
        return sorted([*found, *refused], key=lambda one: one[:2])

    def outdated(self, table: str) -> set[str]:
        """The partitions whose newest content was made from something that holds other rows by now."""
        now = _newest()
        made, source = now.alias("made"), now.alias("source")
        query = (
            sa.select(made.c.partition)
            .distinct()
            .join_from(made, reading, reading.c.materialization_id == made.c.id)
            .join(
                source,
                sa.and_(
                    source.c.table_name == reading.c.table_name,
                    source.c.partition == reading.c.partition,
                    source.c.fingerprint != reading.c.fingerprint,
                ),
            )
            .where(made.c.table_name == table)
        )
        with self._database.connect() as connection:
            return set(connection.execute(query).scalars())

    def files_read(self, table: str) -> dict[str, str | None]:
        """The digest of the file that each partition's newest content came from; None where none had landed."""
        now = _newest().alias("now")
        query = (
            sa.select(now.c.partition, reading.c.fingerprint)
            .join_from(now, reading, reading.c.materialization_id == now.c.id, isouter=True)
            .where(now.c.table_name == table)
        )
        with self._database.connect() as connection:
            return {row.partition: row.fingerprint for row in connection.execute(query)}

    def reads(self, content: Content) -> list[Content]:
        """The exact contents a materialization read, in the order they were recorded.

        A source's file is not a materialization: it has version 0, no rows, and its digest.
        """
        return self.reads_of([content])[content]

    def reads_of(self, contents: Sequence[Content]) -> dict[Content, list[Content]]:
        """What each of these materializations read."""
        made, source = materialization, materialization.alias()
        query = (
            sa.select(
                *(made.c.table_name, made.c.partition, made.c.version),
                *(reading.c.table_name, reading.c.partition, reading.c.version),
                *(sa.func.coalesce(source.c.rows, 0), reading.c.fingerprint),
            )
            .join_from(made, reading, reading.c.materialization_id == made.c.id)
            .join(
                source,
                sa.and_(
                    source.c.table_name == reading.c.table_name,
                    source.c.partition == reading.c.partition,
                    source.c.version == reading.c.version,
                ),
                isouter=True,
            )
            .where(
                made.c.table_name.in_({one.table for one in contents}),
                made.c.partition.in_({one.partition for one in contents}),
                made.c.version.in_({one.version for one in contents}),
            )
            .order_by(reading.c.id)
        )
        wanted = {(one.table, one.partition, one.version): one for one in contents}
        found: dict[Content, list[Content]] = {one: [] for one in contents}
        with self._database.connect() as connection:
            for row in connection.execute(query):
                if tuple(row[:3]) in wanted:
                    found[wanted[tuple(row[:3])]].append(Content(*row[3:]))
        return found

    def made_from(self, made: Content, source: Content) -> bool:
        """Whether a materialization read exactly this content; equal rows written again count as the same."""
        read = {(one.table, one.partition, one.fingerprint) for one in self.reads(made)}
        return (source.table, source.partition, source.fingerprint) in read

    def verdicts(self, content: Content) -> list[Verdict]:
        """What the checks said of exactly this content, in the order they were recorded."""
        return self.verdicts_of([content])[content]

    def verdicts_of(self, contents: Sequence[Content]) -> dict[Content, list[Verdict]]:
        """What the checks said of exactly each of these contents, in the order they were recorded."""
        return self._said(contents)

    def overridden(self, contents: Sequence[Content]) -> dict[Content, set[str]]:
        """The checks of exactly each of these contents whose failure a person allowed."""
        query = (
            sa.select(*_PLACE, override.c.check_name)
            .join_from(
                materialization,
                override,
                sa.and_(
                    override.c.what == materialization.c.table_name,
                    override.c.partition == materialization.c.partition,
                    override.c.digest == materialization.c.fingerprint,
                ),
            )
            .where(*_among(contents))
        )
        wanted = {(one.table, one.partition, one.version): one for one in contents}
        found: dict[Content, set[str]] = {one: set() for one in contents}
        with self._database.connect() as connection:
            for *place, check in connection.execute(query):
                if tuple(place) in wanted:
                    found[wanted[tuple(place)]].add(check)
        return found

    def _said(
        self, contents: Sequence[Content], *which: sa.ColumnElement[bool]
    ) -> dict[Content, list[Verdict]]:
        query = (
            sa.select(*_PLACE, *_VERDICT)
            .join_from(verdict, materialization)
            .where(*_among(contents), *which)
            .order_by(verdict.c.id)
        )
        wanted = {(one.table, one.partition, one.version): one for one in contents}
        found: dict[Content, list[Verdict]] = {one: [] for one in contents}
        with self._database.connect() as connection:
            for row in connection.execute(query):
                place = tuple(row[: len(_PLACE)])
                if place in wanted:
                    found[wanted[place]].append(Verdict(*row[len(_PLACE) :]))
        return found

    def refused(self, contents: Sequence[Content]) -> list[tuple[Content, Verdict]]:
        """The blocking verdicts that failed for exactly these contents, and that nobody overrode."""
        failed = self._said(contents, sa.not_(verdict.c.passed), verdict.c.blocking)
        bad = [content for content, verdicts in failed.items() if verdicts]
        allowed = self.overridden(bad)
        return [(one, said) for one in bad for said in failed[one] if said.check not in allowed[one]]


def _among(contents: Sequence[Content]) -> list[sa.ColumnElement[bool]]:
    """Coarser than asked: of the tables, partitions and versions that any of them has."""
    return [
        materialization.c.table_name.in_({one.table for one in contents}),
        materialization.c.partition.in_({one.partition for one in contents}),
        materialization.c.version.in_({one.version for one in contents}),
    ]


def _newest() -> sa.CTE:
    """The newest materialization of every partition of every table."""
    m = materialization
    newest = (
        sa.select(m.c.table_name, m.c.partition, sa.func.max(m.c.version).label("version"))
        .group_by(m.c.table_name, m.c.partition)
        .cte()
    )
    same = (
        m.c.table_name == newest.c.table_name,
        m.c.partition == newest.c.partition,
        m.c.version == newest.c.version,
    )
    return sa.select(m).join(newest, sa.and_(*same)).cte()


def _forget(connection: sa.Connection, table: str) -> None:
    ids = sa.select(materialization.c.id).where(materialization.c.table_name == table)
    # That others read of it stays; its number may be another's soon.
    connection.execute(sa.update(reading).where(reading.c.source_id.in_(ids)).values(source_id=None))
    for of_materialization in (reading, verdict):
        connection.execute(
            sa.delete(of_materialization).where(of_materialization.c.materialization_id.in_(ids))
        )
    connection.execute(sa.delete(refusal).where(refusal.c.table_name == table))
    connection.execute(sa.delete(materialization).where(materialization.c.table_name == table))
    connection.execute(sa.delete(lake_table).where(lake_table.c.table_name == table))


def _ids(connection: sa.Connection, table: str, version: int) -> dict[str, int]:
    """The materializations of one table version, by partition."""
    m = materialization
    query = sa.select(m.c.partition, m.c.id).where(m.c.table_name == table, m.c.version == version)
    return {row.partition: row.id for row in connection.execute(query)}


def _insert(
    connection: sa.Connection, version: int, commit: Commit, records: Mapping[str, PartitionRecord]
) -> None:
    """A statement for each kind of row, however many partitions: a range commit has hundreds."""
    rows = [_materialization(commit, version, key, record) for key, record in records.items()]
    connection.execute(sa.insert(materialization), rows)
    ids = _ids(connection, commit.table, version)
    readings = [_reading(ids[key], read) for key, record in records.items() for read in record.reads]
    if readings:
        connection.execute(sa.insert(reading), readings)
    _link(connection, commit.table, version, list(ids.values()))
    verdicts = [_verdict(ids[key], one) for key, record in records.items() for one in record.verdicts]
    if verdicts:
        connection.execute(sa.insert(verdict), verdicts)


def _link(connection: sa.Connection, table: str, version: int, ids: list[int]) -> None:
    """Say of readings which materialization wrote what was read: of new ones, and of those that waited for these."""
    # Or two processes that adopt what was read and what read it at once would see nothing of each other.
    wait_for_others(connection)
    source = (
        sa.select(materialization.c.id)
        .where(
            materialization.c.table_name == reading.c.table_name,
            materialization.c.partition == reading.c.partition,
            materialization.c.version == reading.c.version,
            # A table that began anew numbers its versions anew.
            materialization.c.fingerprint == reading.c.fingerprint,
        )
        .scalar_subquery()
    )
    new = reading.c.materialization_id.in_(ids)
    waited = sa.and_(reading.c.table_name == table, reading.c.version == version)
    for which in (new, waited):
        connection.execute(
            sa.update(reading).where(which, reading.c.source_id.is_(None)).values(source_id=source)
        )


def _refuse(connection: sa.Connection, version: int, commit: Commit) -> bool:
    """Record what a commit could not make, unless that is there; whether it was not."""
    of_commit = (refusal.c.table_name == commit.table, refusal.c.version == version)
    there = set(connection.execute(sa.select(refusal.c.partition).where(*of_commit)).scalars())
    rows = [
        {
            "table_name": commit.table,
            "version": version,
            "partition": partition,
            "check_name": one.check,
            "reason": one.reason,
        }
        for partition, one in commit.blocking
        if partition not in there
    ]
    if rows:
        connection.execute(sa.insert(refusal), rows)
    return bool(rows)


def _materialization(commit: Commit, version: int, partition: str, record: PartitionRecord) -> dict[str, Any]:
    return {
        **vars(commit.provenance),
        "table_name": commit.table,
        "version": version,
        "partition": partition,
        "rows": record.rows,
        "fingerprint": record.fingerprint,
    }


def _reading(owner: int, read: Content) -> dict[str, Any]:
    return {
        "materialization_id": owner,
        "table_name": read.table,
        "partition": read.partition,
        "version": read.version,
        "fingerprint": read.fingerprint,
    }


def _verdict(owner: int, one: Verdict) -> dict[str, Any]:
    return {
        "materialization_id": owner,
        "check_name": one.check,
        "passed": one.passed,
        "blocking": one.blocking,
        "error": one.error,
        "reason": one.reason,
    }
