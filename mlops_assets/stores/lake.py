"""Delta tables under one root: a write is one atomic commit, a read is pinned to one version."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from mlops_assets.data.fingerprint import fingerprint, type_name
from mlops_assets.data.sql import PARTITION, text
from mlops_assets.errors import GateRefusal, NotMaterialized, SchemaChanged
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.commit import Commit, PartitionRecord, Provenance
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.records import Records
from mlops_assets.stores.spooled import Rows, Spooled

# Writers to other partitions of the same table do not conflict in meaning, only in the log.
COMMIT_ATTEMPTS = 20
# How Hive and Delta spell a partition without a value.
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
# Where tables are before they are; what a killed writer leaves there is never read.
ASIDE = ".aside"
# The commits hold the records, so they outlive the thirty days after which Delta drops old ones. Who opens a
# table reads those since its last checkpoint: of a hundred, as is the default, it takes longer than a day's rows.
CONFIGURATION = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "10"}
# A writer holds a group of rows until it is full, and delta-rs has many writers at once. Six million
# rows of twenty columns took 0.9 to 1.4 GB to write as it comes, 0.3 GB like this.
GROUPS = WriterProperties(max_row_group_size=131_072, compression="SNAPPY")
os.environ.setdefault("DELTARS_MAX_CONCURRENT_WRITERS", "1")


class Lake:
    """Every table of the platform, by name (``validated/flights``), under one root folder."""

    def __init__(self, root: Path, records: Records) -> None:
        self._root = root
        self._records = records

    def write(self, table: str, produced: Produced, provenance: Provenance) -> dict[str, Content]:
        """Replace the produced partitions in one commit; the content of each, by partition.

        Either every partition becomes visible, with its record, or none does. Partitions that were refused
        keep what they hold, and cannot be read until they are made. Raises when another type than the stored
        one is written to a column.
        """
        rows = _as_stored(produced.rows)
        parts = dict(_by_partition(rows, produced.partitions))
        records = {key: _record(part, key, produced) for key, part in parts.items()}
        commit = Commit(table, provenance, records, produced.refused)
        version = self._commit(table, rows, list(parts), commit)
        self._catch_up(table, self._open(table, version))
        return {
            key: Content(table, key, version, record.rows, record.fingerprint)
            for key, record in commit.partitions.items()
        }

    def pin(
        self, table: str, partitions: Sequence[str] | None = None, *, version: int | None = None
    ) -> Pinned:
        """The table at ``version`` (default: the newest), restricted to ``partitions``.

        Raises NotMaterialized when the table does not exist, GateRefusal when a blocking check
        failed for exactly what would be read, or a partition could not be made. Partitions never written
        are listed, not raised.
        """
        opened = self._open(table, version)
        self._catch_up(table, opened)
        contents = self._records.contents(table, up_to=opened.version(), partitions=partitions)
        _refuse(table, self._refused(table, opened.version(), partitions, contents))
        found = tuple(content.partition for content in contents)
        return Pinned(
            table=table,
            version=opened.version(),
            schema=_arrow_schema(opened),
            files=_files(self._root / table, opened, contents),
            contents=tuple(contents),
            absent=tuple(key for key in partitions or () if key not in set(found)),
        )

    def rows(self, pinned: Pinned) -> pa.Table:
        """All rows of a table's pinned partitions, without the partition's column: few, at once and as they lie.

        What queries ask is for the engine, which a look-up of one row would wait for longer than for the rows.
        """
        # Here: the code location loads this module.
        import pyarrow.parquet as pq

        names = [name for name in pinned.schema.names if name != PARTITION]
        parts = [pq.ParquetFile(file).read(names) for file in pinned.files]
        schema = pa.schema([pinned.schema.field(name) for name in names])
        return pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])

    def refused(self, table: str, partitions: Sequence[str]) -> dict[str, str]:
        """Those of the partitions that cannot be read, each with what ``pin`` would say of it."""
        opened = self._open(table)
        self._catch_up(table, opened)
        contents = self._records.contents(table, up_to=opened.version(), partitions=partitions)
        found: dict[str, list[str]] = {}
        for partition, verdict in self._refused(table, opened.version(), partitions, contents):
            found.setdefault(partition, []).append(f"{verdict.check}: {verdict.reason}")
        return {partition: "; ".join(said) for partition, said in found.items()}

    def _refused(
        self, table: str, version: int, partitions: Sequence[str] | None, contents: Sequence[Content]
    ) -> list[tuple[str, Verdict]]:
        """The blocking verdicts against what is there, and against what could not be made, by partition."""
        failed = [(content.partition, verdict) for content, verdict in self._records.refused(contents)]
        return failed + self._records.refusals(table, up_to=version, partitions=partitions)

    def _commit(self, table: str, rows: Rows, partitions: list[str], commit: Commit) -> int:
        """Write and return the table version of the commit."""
        quoted = ", ".join(text(partition) for partition in partitions)
        replaced = {"mode": "overwrite", "predicate": f"{PARTITION} IN ({quoted})"}
        for attempt in range(COMMIT_ATTEMPTS):
            before = self._newest_version(table)
            if before < 0:
                if self._create(table, rows, commit):
                    return 0
                continue
            self._refuse_retyped(table, rows.schema)
            try:
                write_deltalake(
                    self._uri(table),
                    _stream(rows),
                    partition_by=[PARTITION],
                    # Of what was only refused there is nothing to write but the record.
                    **(replaced if partitions else {"mode": "append"}),
                    schema_mode="merge",
                    commit_properties=_properties(commit),
                    writer_properties=GROUPS,
                )
            except CommitFailedError:
                if attempt == COMMIT_ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))  # noqa: S311 (jitter)
            else:
                return self._version_of(table, commit, after=before)
        raise AssertionError("the loop returns or raises")

    def _create(self, table: str, rows: Rows, commit: Commit) -> bool:
        """Write the first version of a table; False when another writer made it meanwhile.

        delta-rs lets two writers create one table and keeps the rows of both, so the table is made
        aside and moved to its place, which only one can do.
        """
        aside, place = self._root / ASIDE / uuid4().hex, self._root / table
        try:
            write_deltalake(
                aside.absolute().as_uri(),
                _stream(rows),
                partition_by=[PARTITION],
                mode="error",
                configuration=CONFIGURATION,
                commit_properties=_properties(commit),
                writer_properties=GROUPS,
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            return _moved(aside, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _refuse_retyped(self, table: str, written: pa.Schema) -> None:
        """Raise when a column has another type than in the stored table, before anything is written to it.

        Delta would cast silently where it can, and old and new partitions would mean different things.
        """
        stored = _arrow_schema(self._open(table))
        retyped = [
            f"{field.name}: stored as {stored.field(field.name).type}, written as {field.type}"
            for field in written
            if field.name in stored.names
            and type_name(stored.field(field.name).type) != type_name(field.type)
        ]
        if retyped:
            raise SchemaChanged(
                f"{table} has columns of another type ({'; '.join(retyped)}). Give the changed column a "
                f"new name, or move the folder {self._root / table} away and materialize the table again."
            )

    def _version_of(self, table: str, commit: Commit, *, after: int) -> int:
        """The version our commit got; other writers may have committed before and after it."""
        for version, found in self._commits(table, self._open(table), after=after):
            if found.provenance == commit.provenance and _of_same(found, commit):
                return version
        raise AssertionError(f"the commit just made to {table} is not in its log")

    def _catch_up(self, table: str, opened: DeltaTable) -> None:
        """Adopt commits whose writer died between the commit and the record of it."""
        self._records.begin(table, opened.metadata().id)
        # Oldest first, so that everything up to the newest adopted version is always adopted.
        for version, commit in self._commits(table, opened, after=self._records.newest_version(table)):
            self._records.adopt(version, commit)

    def _commits(self, table: str, opened: DeltaTable, *, after: int) -> Iterator[tuple[int, Commit]]:
        """Our commits above version ``after`` up to the opened one, oldest first."""
        if opened.version() <= after:
            return
        # history() goes on to the newest commit but numbers down from the opened version, so a
        # commit made in between shifts its numbers. Its oldest entry is where we asked it to end.
        entries = reversed(opened.history(opened.version() - after))
        for version, entry in zip(range(after + 1, opened.version() + 1), entries, strict=False):
            commit = Commit.from_metadata(table, entry)
            if commit is not None:
                yield version, commit

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        try:
            return DeltaTable(self._uri(table), version=version)
        except TableNotFoundError as error:
            raise NotMaterialized(f"nothing has been written to {table} yet; materialize it first") from error

    def _exists(self, table: str) -> bool:
        return bool(DeltaTable.is_deltatable(self._uri(table)))

    def _newest_version(self, table: str) -> int:
        """The newest version of the table; -1 for none."""
        return int(DeltaTable(self._uri(table)).version()) if self._exists(table) else -1

    def _uri(self, table: str) -> str:
        return (self._root / table).absolute().as_uri()


def _refuse(table: str, refused: Sequence[tuple[str, Verdict]]) -> None:
    if refused:
        lines = [
            f"  {table}, partition {partition}: {verdict.check}: {verdict.reason}"
            for partition, verdict in refused[:10]
        ]
        more = [f"  … and {len(refused) - 10} more"] if len(refused) > 10 else []
        raise GateRefusal(
            "blocking checks failed for the inputs; mend the data and materialize them again:\n"
            + "\n".join(lines + more)
        )


def _of_same(one: Commit, other: Commit) -> bool:
    """Whether two commits are about the same partitions."""
    return (one.partitions.keys(), one.refused.keys()) == (other.partitions.keys(), other.refused.keys())


def _properties(commit: Commit) -> CommitProperties:
    return CommitProperties(custom_metadata=commit.to_metadata())


def _moved(folder: Path, place: Path) -> bool:
    """Whether ``folder`` is at ``place`` now; False when a table stood there."""
    try:
        folder.rename(place)
    except OSError:
        if not DeltaTable.is_deltatable(place.absolute().as_uri()):
            raise
        return False
    return True


def _stream(rows: Rows) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())


def _record(part: Rows, partition: str, produced: Produced) -> PartitionRecord:
    return PartitionRecord(
        rows=part.num_rows,
        fingerprint=fingerprint(part, without=(PARTITION, *produced.volatile)),
        reads=produced.reads.get(partition, ()),
        verdicts=produced.verdicts.get(partition, ()),
    )


def _as_stored(rows: Rows) -> Rows:
    # Spooled rows are the result of our own queries, which yield them so.
    return rows if isinstance(rows, Spooled) else _with_partitions_together(_with_microseconds(rows))


def _with_microseconds(rows: pa.Table) -> pa.Table:
    """The same rows with moments in microseconds, as Delta stores them whatever it is given."""
    fields = [
        field.with_type(pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


def _with_partitions_together(rows: pa.Table) -> pa.Table:
    """The same rows with each partition's rows adjacent, otherwise in their order."""
    keys = rows.column(PARTITION).to_numpy()
    order = np.argsort(keys, kind="stable")
    return rows if np.array_equal(order, np.arange(len(order))) else rows.take(pa.array(order))


def _by_partition(rows: Rows, partitions: Sequence[str]) -> Iterator[tuple[str, Rows]]:
    """Each partition's rows; those of one are adjacent in ``rows``, which hold no other partitions."""
    nameless = {"", HIVE_NULL} & set(partitions)
    if nameless:
        raise ValueError(f"a partition cannot be named {nameless.pop()!r}: it would be read as null")
    found = _places(rows.column(PARTITION))
    strangers = found.keys() - set(partitions)
    if strangers:
        raise ValueError(f"rows for {sorted(strangers)[:3]}, expected only {list(partitions)[:3]} …")
    for partition in partitions:
        place = found.get(partition, range(0))
        yield partition, rows.slice(place.start, len(place))


def _places(keys: pa.ChunkedArray) -> dict[str, range]:
    """Where the rows of each partition are. Raises ValueError when those of one are not adjacent."""
    # Here: importing it takes 0.2 s, and the code location loads this module.
    import pyarrow.compute as pc

    found: dict[str, range] = {}
    first = 0
    for chunk in keys.chunks:
        runs = pc.run_end_encode(chunk)
        begins = first
        for key, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            before = found.get(key, range(begins, begins))
            if before.stop != begins:
                raise ValueError(f"the rows of partition {key!r} are not adjacent")
            found[key] = range(before.start, first + end)
            begins = first + end
        first += len(chunk)
    return found


def _arrow_schema(opened: DeltaTable) -> pa.Schema:
    return pa.schema(opened.schema().to_arrow())


def _files(folder: Path, opened: DeltaTable, contents: Sequence[Content]) -> tuple[str, ...]:
    written = [content.partition for content in contents if content.rows]
    if not written:
        return ()
    # delta-rs percent-encodes the folder of the table, but leaves the names below as they are.
    root = opened.table_uri.removeprefix("file://").rstrip("/") + "/"
    uris = opened.file_uris(file_pruning_predicate=[(PARTITION, "in", written)])
    return tuple(sorted(str(folder / uri.removeprefix(root)) for uri in uris))
