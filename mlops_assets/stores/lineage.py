"""What came from what, partition by partition: backward to the files, forward to everything they touched.

Answered from the records of table commits, so what Dagster forgets changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.database import materialization, reading, verdict
from mlops_assets.stores.pinned import Content


class Materialized(NamedTuple):
    """A partition of a table as it was written once: what, by which code, in which run, when (UTC)."""

    id: int
    table: str
    partition: str
    version: int
    rows: int
    fingerprint: str
    code_version: str
    run_id: str
    written_at: str


class End(NamedTuple):
    """What was read and is no materialization: a file of a source, by its digest, or what was forgotten since.

    by: the materialization that read it. version: of the table; zero for a file, whose name is that of the table.
    """

    by: int
    table: str
    partition: str
    version: int
    fingerprint: str


class Checked(NamedTuple):
    """What a check said of partitions of a table that a trace reaches: how many, the first and the last."""

    table: str
    check: str
    passed: bool
    blocking: bool
    partitions: int
    first: str
    last: str


class Within(NamedTuple):
    """How much of a table a trace reaches: partitions, the first and the last, versions of code, runs."""

    table: str
    partitions: int
    first: str
    last: str
    code_versions: int
    runs: int


class Recorded(NamedTuple):
    """A materialization with what it read, in that order, and what its checks said."""

    made: Materialized
    reads: list[End]
    said: list[Verdict]


@dataclass(frozen=True)
class Trace:
    """A part of the graph. start: where it begins. materialized: by id. reads: who read whom. ends: where it ends."""

    start: tuple[int, ...]
    materialized: Mapping[int, Materialized]
    reads: Sequence[tuple[int, int]]
    ends: Sequence[End]


class Lineage:
    """Traces through the records."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def find(self, contents: Iterable[Content]) -> list[int]:
        """The materializations of exactly these contents; of one that was forgotten there is none."""
        m = materialization
        places = [(one.table, one.partition, one.version, one.fingerprint) for one in contents]
        of_place = sa.tuple_(m.c.table_name, m.c.partition, m.c.version, m.c.fingerprint)
        return self._ids(sa.select(m.c.id).where(of_place.in_(places)).order_by(m.c.id))

    def written(self, table: str, partition: str) -> list[int]:
        """Every materialization of a partition, oldest first."""
        m = materialization
        query = sa.select(m.c.id).where(m.c.table_name == table, m.c.partition == partition)
        return self._ids(query.order_by(m.c.version))

    def materialized(self, ids: Sequence[int]) -> list[Materialized]:
        """These materializations, oldest first."""
        query = _nodes().where(materialization.c.id.in_(ids)).order_by(materialization.c.version)
        with self._database.connect() as connection:
            return [Materialized(*row) for row in connection.execute(query)]

    def everything(self, *, at_once: int = 1_000) -> Iterator[Recorded]:
        """Every materialization in the order of the records, so many read together."""
        last = 0
        with self._database.connect() as connection:
            while rows := connection.execute(
                _nodes().where(materialization.c.id > last).order_by(materialization.c.id).limit(at_once)
            ).all():
                found = {row[0]: Recorded(Materialized(*row), [], []) for row in rows}
                first, last = rows[0][0], rows[-1][0]
                for end in connection.execute(_ends().where(_of(reading).between(first, last))):
                    found[end[0]].reads.append(End(*end))
                for owner, *said in connection.execute(_verdicts().where(_of(verdict).between(first, last))):
                    found[owner].said.append(Verdict(*said))
                yield from found.values()

    def readers(self, name: str) -> list[int]:
        """The materializations that read a file of a source, whatever it held."""
        query = sa.select(reading.c.materialization_id).where(reading.c.table_name == name).distinct()
        return self._ids(query.order_by(reading.c.materialization_id))

    def file_names(self) -> list[str]:
        """Every file of a source that was ever read."""
        query = sa.select(reading.c.table_name).where(reading.c.source_id.is_(None)).distinct()
        with self._database.connect() as connection:
            return sorted(row[0] for row in connection.execute(query))

    def backward(self, start: Sequence[int]) -> Reached:
        """All that these were made from."""
        up = _start(start)
        step = sa.select(reading.c.source_id).join(up, reading.c.materialization_id == up.c.id)
        return Reached(self._database, start, up.union(step.where(reading.c.source_id.is_not(None))))

    def forward(self, start: Sequence[int]) -> Reached:
        """All that was made from these."""
        down = _start(start)
        step = sa.select(reading.c.materialization_id).join(down, reading.c.source_id == down.c.id)
        return Reached(self._database, start, down.union(step))

    def _ids(self, query: sa.Select[Any]) -> list[int]:
        with self._database.connect() as connection:
            return [int(row[0]) for row in connection.execute(query)]


class Reached:
    """What a trace reaches. Each question is one query, and only ``graph`` brings all of it here."""

    def __init__(self, database: sa.Engine, start: Sequence[int], reached: sa.CTE) -> None:
        self._database, self._start, self._reached = database, tuple(start), reached
        # Looked up one by one. Joined, SQLite would rather go through every file that anything ever read.
        self._ids = sa.select(reached.c.id)

    def tables(self) -> list[Within]:
        """How much of each table, by name."""
        m = materialization
        query = (
            sa.select(
                m.c.table_name,
                sa.func.count(m.c.partition.distinct()),
                *(sa.func.min(m.c.partition), sa.func.max(m.c.partition)),
                *(sa.func.count(m.c.code_version.distinct()), sa.func.count(m.c.run_id.distinct())),
            )
            .where(m.c.id.in_(self._ids))
            .group_by(m.c.table_name)
        )
        with self._database.connect() as connection:
            return sorted(Within(*row) for row in connection.execute(query))

    def files(self) -> list[tuple[str, str]]:
        """The files of sources that were read, each once for each content: name and SHA-256."""
        query = (
            sa.select(reading.c.table_name, reading.c.fingerprint)
            .where(
                reading.c.materialization_id.in_(self._ids),
                *(reading.c.source_id.is_(None), reading.c.version == 0),
            )
            .distinct()
        )
        with self._database.connect() as connection:
            return sorted((row[0], row[1]) for row in connection.execute(query))

    def checks(self) -> list[Checked]:
        """What every check said of what is reached, by table and name."""
        m = materialization
        said = (m.c.table_name, verdict.c.check_name, verdict.c.passed, verdict.c.blocking)
        query = (
            sa.select(*said, sa.func.count(), sa.func.min(m.c.partition), sa.func.max(m.c.partition))
            .join_from(verdict, m, verdict.c.materialization_id == m.c.id)
            .where(verdict.c.materialization_id.in_(self._ids))
            .group_by(*said)
        )
        with self._database.connect() as connection:
            return sorted(Checked(*row) for row in connection.execute(query))

    def among(self, ids: Iterable[int]) -> set[int]:
        """Those of some materializations that are reached."""
        query = sa.select(self._reached.c.id).where(self._reached.c.id.in_(list(ids)))
        with self._database.connect() as connection:
            return {int(row[0]) for row in connection.execute(query)}

    def graph(self) -> Trace:
        """Every materialization that is reached, and who read whom."""
        nodes = _nodes().where(materialization.c.id.in_(self._ids))
        read = sa.select(reading.c.materialization_id, reading.c.source_id).where(
            reading.c.materialization_id.in_(self._ids)
        )
        ends = read.where(reading.c.source_id.is_(None)).with_only_columns(
            *(reading.c.materialization_id, reading.c.table_name, reading.c.partition),
            *(reading.c.version, reading.c.fingerprint),
        )
        with self._database.connect() as connection:
            found = {row[0]: Materialized(*row) for row in connection.execute(nodes)}
            edges = connection.execute(read.where(reading.c.source_id.is_not(None)))
            # Forward, what else its members read is not part of it.
            within = [(row[0], row[1]) for row in edges if row[1] in found]
            return Trace(self._start, found, within, [End(*row) for row in connection.execute(ends)])


def _nodes() -> sa.Select[Any]:
    m = materialization
    columns = [
        m.c.table_name.label("table") if name == "table" else m.c[name] for name in Materialized._fields
    ]
    return sa.select(*columns)


def _of(table: sa.Table) -> sa.Column[int]:
    return table.c.materialization_id


def _ends() -> sa.Select[Any]:
    r = reading.c
    return sa.select(_of(reading), r.table_name, r.partition, r.version, r.fingerprint).order_by(r.id)


def _verdicts() -> sa.Select[Any]:
    v = verdict.c
    return sa.select(_of(verdict), v.check_name, v.passed, v.reason, v.blocking, v.error).order_by(v.id)


def _start(start: Sequence[int]) -> sa.CTE:
    query = sa.select(materialization.c.id).where(materialization.c.id.in_(start))
    return query.cte("reached", recursive=True)
