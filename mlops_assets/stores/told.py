"""Whether the tables still hold what the ledger tells of them, all of it and nothing else."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from mlops_assets.governance.canonical import canonical, plain
from mlops_assets.governance.ledger import Entry, Finding, body_of
from mlops_assets.stores.commit import Commit
from mlops_assets.stores.database import SCHEMA, lake_table, materialization, reading, refusal, verdict
from mlops_assets.stores.database import ledger as entries
from mlops_assets.stores.guards import governed_columns, missing_guards
from mlops_assets.stores.ledger import GOVERNED, Ledger, select_entries, subject_of
from mlops_assets.stores.records import COMMIT, TABLE

# SQLite takes so many values in a statement, and this leaves room.
_AT_ONCE = 500
_READ_TOGETHER = 2_000


@contextmanager
def told(ledger: Ledger) -> Iterator[Told]:
    """The ledger and all that it tells of, as they are at one moment."""
    with ledger.snapshot() as connection:
        yield Told(connection)


class Told:
    """Compares the database, as a transaction sees it, with the entries that it is shown, in their order."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        # What was forgotten of a table of the lake when another took its name is not there, rightly.
        begun = (
            sa.select(entries.c.subject, sa.func.max(entries.c.number).label("number"))
            .where(entries.c.kind == TABLE)
            .group_by(entries.c.subject)
        )
        self._begun = {row.subject: row.number for row in connection.execute(begun)}
        self._rows: dict[str, set[tuple[Any, ...]]] = {name: set() for name in GOVERNED}
        self._written: dict[tuple[str, int], set[str]] = {}
        self._refused: set[tuple[str, int]] = set()
        self._tables: dict[str, Entry] = {}

    @property
    def count(self) -> int:
        """How many entries there are."""
        query = sa.select(sa.func.count()).select_from(entries)
        return int(self._connection.execute(query).scalar_one())

    def entries(self) -> Iterator[Sequence[Entry]]:
        """Every entry by number, so many at a time."""
        query = select_entries().order_by(entries.c.number).execution_options(yield_per=_READ_TOGETHER)
        for rows in self._connection.execute(query).partitions():
            yield [Entry(*row) for row in rows]

    def there(self, sealed: str) -> bool:
        """Whether an entry has this hash."""
        query = sa.select(entries.c.number).where(entries.c.hash == sealed).limit(1)
        return self._connection.execute(query).first() is not None

    def first_after(self, moment: str) -> int | None:
        """The number of the first entry that is later than a moment."""
        query = sa.select(sa.func.min(entries.c.number)).where(entries.c.at > moment)
        return self._connection.execute(query).scalar()

    def unguarded(self) -> Iterator[Finding]:
        """Tables that the database would let anybody change."""
        for table in SCHEMA.sorted_tables:
            missing = missing_guards(self._connection, table)
            if missing:
                said = f"{', '.join(missing)}: not there or not as made; `mlops ledger guard` puts them back"
                yield Finding(0, "unguarded", f"table {table.name}", said)

    def look(self, told: Sequence[Entry]) -> Iterator[Finding]:
        """What these entries say and the tables do not. They must be whole."""
        for name, table in GOVERNED.items():
            yield from _in_parts([one for one in told if one.kind == name], partial(self._look_at, table))
        commits = [one for one in told if one.kind == COMMIT and one.number > self._begun.get(one.subject, 0)]
        yield from _in_parts(commits, self._look_at_commits)
        self._tables |= {one.subject: one for one in told if one.kind == TABLE}

    def end(self) -> Iterator[Finding]:
        """What the tables hold and no entry said."""
        for name, table in GOVERNED.items():
            yield from self._unsaid(table, self._rows[name])
        yield from self._unsaid_commits()
        yield from self._unsaid_tables()
        yield from self._mislinked()

    def _look_at(self, table: sa.Table, told: Sequence[Entry]) -> Iterator[Finding]:
        key = [column.name for column in table.primary_key.columns]
        bodies = {one.number: body_of(one) for one in told}
        keys = {number: tuple(body.get(name) for name in key) for number, body in bodies.items()}
        query = sa.select(*governed_columns(table)).where(
            sa.tuple_(*table.primary_key.columns).in_(set(keys.values()))
        )
        rows = {
            tuple(row._mapping[name] for name in key): dict(row._mapping)
            for row in self._connection.execute(query)
        }
        for one in told:
            row = rows.get(keys[one.number])
            self._rows[table.name].add(keys[one.number])
            if row is None:
                yield Finding(one.number, "state dropped", one.named, f"the row of {table.name} is not there")
            elif canonical(plain(row)) != one.body:
                said = _differing(bodies[one.number], row)
                yield Finding(
                    one.number, "state edited", one.named, f"the row of {table.name} differs: {said}"
                )

    def _unsaid(self, table: sa.Table, said: set[tuple[Any, ...]]) -> Iterator[Finding]:
        key = list(table.primary_key.columns)
        for row in self._connection.execute(sa.select(*governed_columns(table)).order_by(*key)):
            if tuple(row._mapping[column.name] for column in key) not in said:
                subject = f"{table.name} {subject_of(table, row._asdict())}"
                yield Finding(0, "state added", subject, f"no entry tells of this row of {table.name}")

    def _look_at_commits(self, told: Sequence[Entry]) -> Iterator[Finding]:
        commits = {one: found for one in told if (found := _commit(one)) is not None}
        for one in told:
            if one not in commits:
                yield Finding(one.number, "edited", one.named, "what it says is no commit")
        places = {(commit.table, version) for version, commit in commits.values()}
        stored, refused = self._stored(places), self._stored_refusals(places)
        for one, (version, commit) in commits.items():
            place = (commit.table, version)
            expected = _expected(commit)
            blocked = {(partition, said.check, said.reason) for partition, said in commit.blocking}
            self._written[place] = set(expected)
            self._refused |= {place} if blocked else set()
            there = stored.get(place, {})
            for partition in sorted(expected.keys() - there.keys()):
                said = f"partition {partition} of table version {place[1]} is not among the materializations"
                yield Finding(one.number, "state dropped", one.named, said)
            for partition in sorted(expected.keys() & there.keys()):
                if expected[partition] != there[partition]:
                    said = f"partition {partition}: {_differing(expected[partition], there[partition])}"
                    yield Finding(one.number, "state edited", one.named, said)
            if blocked != refused.get(place, set()):
                said = f"what is recorded as refused of table version {place[1]} is not what was"
                yield Finding(one.number, "state edited", one.named, said)

    def _stored(self, places: set[tuple[str, int]]) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
        """What the tables hold of commits: table and version, then partition."""
        m = materialization
        among = sa.tuple_(m.c.table_name, m.c.version).in_(places)
        found: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
        by_id: dict[int, dict[str, Any]] = {}
        for row in self._connection.execute(sa.select(m).where(among)):
            by_id[row.id] = {
                **{
                    name: getattr(row, name)
                    for name in ("rows", "fingerprint", "code_version", "run_id", "written_at")
                },
                "reads": [],
                "verdicts": [],
            }
            found[row.table_name, row.version][row.partition] = by_id[row.id]
        for table, key, columns in (
            (reading, "reads", ("table_name", "partition", "version", "fingerprint")),
            (verdict, "verdicts", ("check_name", "passed", "reason", "blocking", "error")),
        ):
            query = (
                sa.select(table.c.materialization_id, *(table.c[name] for name in columns))
                .join_from(table, m)
                .where(among)
                .order_by(table.c.id)
            )
            for owner, *said in self._connection.execute(query):
                by_id[owner][key].append(said)
        return found

    def _stored_refusals(
        self, places: set[tuple[str, int]]
    ) -> dict[tuple[str, int], set[tuple[str, str, str]]]:
        query = sa.select(refusal).where(sa.tuple_(refusal.c.table_name, refusal.c.version).in_(places))
        found: dict[tuple[str, int], set[tuple[str, str, str]]] = defaultdict(set)
        for row in self._connection.execute(query):
            found[row.table_name, row.version].add((row.partition, row.check_name, row.reason))
        return found

    def _unsaid_commits(self) -> Iterator[Finding]:
        m, r = materialization, refusal
        query = sa.select(m.c.table_name, m.c.version, m.c.partition).order_by(m.c.table_name, m.c.version)
        rows = self._connection.execute(query.execution_options(yield_per=10_000))
        for place, group in groupby(rows, key=lambda row: (row.table_name, row.version)):
            for partition in sorted({row.partition for row in group} - self._written.get(place, set())):
                said = f"no entry tells of partition {partition} of table version {place[1]}"
                yield Finding(0, "state added", f"{COMMIT} {place[0]}", said)
        for table, version in self._connection.execute(sa.select(r.c.table_name, r.c.version).distinct()):
            if (table, version) not in self._refused:
                said = f"no entry tells of what was refused of table version {version}"
                yield Finding(0, "state added", f"{COMMIT} {table}", said)

    def _mislinked(self) -> Iterator[Finding]:
        """Readings that do not say of the materialization that was read, and of no other, that it wrote it."""
        m, r = materialization, reading
        wrote = sa.and_(
            m.c.table_name == r.c.table_name,
            m.c.partition == r.c.partition,
            m.c.version == r.c.version,
            m.c.fingerprint == r.c.fingerprint,
        )
        linked = (
            sa.select(r.c.table_name, r.c.partition, r.c.source_id)
            .join_from(r, m, sa.and_(m.c.id == r.c.source_id, wrote), isouter=True)
            .where(r.c.source_id.is_not(None), m.c.id.is_(None))
        )
        cut = (
            sa.select(r.c.table_name, r.c.partition, m.c.id)
            .join_from(r, m, wrote)
            .where(r.c.source_id.is_(None))
        )
        for query, said in (
            (linked, "is linked to materialization {}, which did not write it"),
            (cut, "is not linked to materialization {}, which wrote it"),
        ):
            for table, partition, number in self._connection.execute(query):
                told = f"a reading of partition {partition} {said.format(number)}"
                yield Finding(0, "state edited", f"{COMMIT} {table}", told)

    def _unsaid_tables(self) -> Iterator[Finding]:
        there = {row.table_name: row.delta_id for row in self._connection.execute(sa.select(lake_table))}
        for table, delta_id in sorted(there.items()):
            if table not in self._tables:
                yield Finding(0, "state added", f"{TABLE} {table}", "no entry tells that it began")
            elif body_of(self._tables[table]).get("delta_id") != delta_id:
                said = f"it is recorded as {delta_id}, and began as another"
                yield Finding(self._tables[table].number, "state edited", f"{TABLE} {table}", said)
        for table in sorted(self._tables.keys() - there.keys()):
            said = "that it began is not recorded"
            yield Finding(self._tables[table].number, "state dropped", f"{TABLE} {table}", said)


def _in_parts(
    told: Sequence[Entry], look: Callable[[Sequence[Entry]], Iterator[Finding]]
) -> Iterator[Finding]:
    for at in range(0, len(told), _AT_ONCE):
        yield from look(told[at : at + _AT_ONCE])


def _commit(entry: Entry) -> tuple[int, Commit] | None:
    """The table version and the commit that an entry tells of; None when it tells of none."""
    body = body_of(entry)
    try:
        return int(body["version"]), Commit.from_dict(entry.subject, body)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def _expected(commit: Commit) -> dict[str, dict[str, Any]]:
    """What the tables should hold of a commit, by partition."""
    return {
        partition: {
            "rows": record.rows,
            "fingerprint": record.fingerprint,
            **vars(commit.provenance),
            "reads": [[read.table, read.partition, read.version, read.fingerprint] for read in record.reads],
            "verdicts": [
                [one.check, one.passed, one.reason, one.blocking, one.error] for one in record.verdicts
            ],
        }
        for partition, record in commit.partitions.items()
    }


def _differing(told: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Which fields differ, and how."""
    shown = []
    for name in sorted(told.keys() | there.keys()):
        before, now = (canonical(plain(one.get(name))) for one in (told, there))
        if before != now:
            shown.append(f"{name} is {_short(now)}, the ledger says {_short(before)}")
    return "; ".join(shown)


def _short(said: str) -> str:
    return said if len(said) <= 80 else f"{json.dumps(said[:76])[1:-1]} …"
