"""From source files to raw partitions."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from mlops_assets.data.ingestion import (
    EVENT_DAY,
    SOURCE_RELATION,
    ambiguous_column,
    expected_columns,
    landed_rows,
    raw_rows,
    unreadable,
    verdicts,
)
from mlops_assets.data.sql import PARTITION, WHOLE
from mlops_assets.declaration.source import LandedFile, PackageFile, Source, Table
from mlops_assets.errors import QueryFailed, SourceUnreadable
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.files import SourceFile
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced, together
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.unreadable import why_unreadable


def ingest(stores: Stores, source: Source, table: Table, partitions: Sequence[str]) -> Produced:
    """The raw rows of these partitions, and from which file they came.

    A file that has not landed makes an empty partition whose ``arrival`` check says so. One that cannot be
    read, or that the declared SQL does not fit, refuses its partitions: they keep what they hold, and their
    ``schema`` check says why. Raises SourceUnreadable when there is no telling where the file is.
    """
    if isinstance(table.reads, LandedFile) and table.reads.is_daily:
        return together(
            [_landed_day(stores, source, table, table.reads, day) for day in partitions], stores.engine.spill
        )
    file = _only_file(stores, table)
    if file is None:
        return together([_nothing(table, day, table.reads.named) for day in partitions], stores.engine.spill)
    try:
        rows = _raw(stores, table, file, raw_rows(table, source, days=partitions))
    except SourceUnreadable as error:
        return _refused(table, partitions, error)
    return _produced(rows, partitions, verdicts(table, rows.column_names), file)


def file_columns(stores: Stores, table: Table, partition: str) -> list[str]:
    """The columns of the file that a raw partition is read from; none when it has not landed."""
    if isinstance(table.reads, LandedFile) and table.reads.is_daily:
        file = stores.files.landed_file(table.reads, partition)
    else:
        file = _only_file(stores, table)
    if file is None:
        return []
    names: list[str] = _select(stores, table, file, f"SELECT * FROM {SOURCE_RELATION} LIMIT 0").column_names
    return names


def raw_columns(raw: Produced) -> list[str]:
    """The columns that the SQL of a source gave, in order."""
    return [column for column in raw.rows.column_names if column not in (PARTITION, EVENT_DAY)]


def restated(stores: Stores, table: Table) -> set[str]:
    """The recorded raw partitions whose file holds something else by now, has landed since, or could not be read.

    A file that is gone changes nothing: what it held was read.
    """
    recorded = stores.records.files_read(f"raw/{table.name}")
    now = _digests_now(stores, table, list(recorded))
    refused = {partition for partition, _ in stores.records.refusals(f"raw/{table.name}")}
    return refused | {
        partition for partition, digest in now.items() if digest not in (None, recorded[partition])
    }


def _digests_now(stores: Stores, table: Table, partitions: Sequence[str]) -> dict[str, str | None]:
    reads = table.reads
    if isinstance(reads, LandedFile) and reads.is_daily:
        return {day: digest_now(stores, reads, day) for day in partitions}
    return dict.fromkeys(partitions, _digest(_only_file(stores, table)) if partitions else None)


def digest_now(stores: Stores, reads: LandedFile, day: str | None) -> str | None:
    """Of the file (of a day, where it is daily); None where none has landed.

    One that cannot be read is another than any that was, and is told when it is read.
    """
    try:
        return _digest(stores.files.landed_file(reads, day))
    except (OSError, SourceUnreadable):
        return ""


def _digest(file: SourceFile | None) -> str | None:
    return None if file is None else file.sha256[:32]


def _only_file(stores: Stores, table: Table) -> SourceFile | None:
    if isinstance(table.reads, PackageFile):
        return stores.files.package_file(table.reads)
    return stores.files.landed_file(table.reads)


def _landed_day(stores: Stores, source: Source, table: Table, reads: LandedFile, day: str) -> Produced:
    try:
        file = stores.files.landed_file(reads, day)
        if file is None:
            return _nothing(table, day, f"landing:{reads.landing.replace('{day}', day)}")
        rows = _raw(stores, table, file, landed_rows(table, source, day=day))
    except SourceUnreadable as error:
        return _refused(table, [day], error)
    return _produced(rows, [day], verdicts(table, rows.column_names), file)


def _nothing(table: Table, partition: str, missing_file: str) -> Produced:
    said = verdicts(table, expected_columns(table), missing_file=missing_file)
    return Produced(_no_rows(table), [partition], verdicts={partition: said})


def _refused(table: Table, partitions: Sequence[str], why: SourceUnreadable) -> Produced:
    return Produced(_no_rows(table), [], refused=dict.fromkeys(partitions, unreadable(str(why))))


def _no_rows(table: Table) -> pa.Table:
    return pa.table({column: pa.array([], pa.string()) for column in expected_columns(table)})


def _raw(stores: Stores, table: Table, file: SourceFile, sql: str) -> pa.Table:
    """The raw rows that ``sql`` yields.

    Raises SourceUnreadable when they have columns that cannot be told apart, or none that is declared: the
    first line of the file does not name columns then.
    """
    yielded = _select(stores, table, file, f"SELECT * FROM ({table.select}) LIMIT 0").column_names
    problem = ambiguous_column(table, yielded)
    if problem is None and table.columns.keys().isdisjoint(yielded):
        problem = f"found the columns {', '.join(yielded)}; expected {', '.join(table.columns)}"
    if problem:
        raise _unreadable(table, file, problem)
    return _select(stores, table, file, sql)


def _select(stores: Stores, table: Table, file: SourceFile, sql: str) -> pa.Table:
    """What ``sql`` yields over a file. Raises SourceUnreadable, QueryFailed when it is the memory that is too small."""
    try:
        return stores.engine.rows(sql, {SOURCE_RELATION: file})
    except SourceUnreadable as error:
        raise _unreadable(table, file, str(error)) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryFailed(f"{file.named}, read for table {table.name!r}: {error}") from error
    except duckdb.Error as error:
        raise _unreadable(table, file, why_unreadable(stores.engine, file, error)) from error


def _unreadable(table: Table, file: SourceFile, why: str) -> SourceUnreadable:
    return SourceUnreadable(f"{file.named}, read for table {table.name!r}: {why}")


def _produced(
    rows: pa.Table, partitions: Sequence[str], said: tuple[Verdict, ...], file: SourceFile
) -> Produced:
    read = (Content(file.named, WHOLE, version=0, rows=0, fingerprint=_digest(file) or ""),)
    return Produced(
        rows,
        partitions,
        reads=dict.fromkeys(partitions, read),
        verdicts=dict.fromkeys(partitions, said),
    )
