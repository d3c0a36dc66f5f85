"""DuckDB over pinned table versions: bounded memory, UTC, spills to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeAlias

import duckdb
import pyarrow as pa

from mlops_assets.data.sql import name, text
from mlops_assets.stores.files import SourceFile
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.spooled import BATCH, Rows, spooled

# What a query may name as a relation.
Relation: TypeAlias = Pinned | pa.Table | SourceFile


class Queries(Protocol):
    """What computes a query, in DuckDB's dialect, over pinned tables."""

    def rows(self, sql: str, relations: Mapping[str, Pinned]) -> pa.Table:
        """The result of the query, as Arrow, moments in UTC."""


class Session:
    """One DuckDB connection with its relations registered.

    folder: what it writes, gone when it ends. threads: how many may work at once.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, threads: int) -> None:
        self.threads = threads
        self._connection = connection
        self._folder = folder

    def rows(self, sql: str) -> pa.Table:
        """The result of a query, as Arrow."""
        return self._connection.sql(sql).to_arrow_table()

    def spooled(self, sql: str) -> Rows:
        """The result of a query, in bounded memory however many rows it has; it outlives this session."""
        reader = self.batches(sql, BATCH)
        return spooled(reader.schema, reader, self._folder)

    def batches(self, sql: str, rows: int) -> pa.RecordBatchReader:
        """The result of a query, at most so many rows at a time; the next query of this session ends it.

        What stops the query is an error of DuckDB, also where it comes while rows are read.
        """
        reader = self._connection.sql(sql).to_arrow_reader(rows)
        return pa.RecordBatchReader.from_batches(reader.schema, _as_errors_of_duckdb(reader))

    def register(self, relation: str, rows: pa.Table) -> None:
        """Give rows a name for later queries of this session."""
        self._connection.register(relation, rows)

    def keep(self, relation: str, sql: str) -> None:
        """Compute a query once and give it a name for later queries of this session; the last of a name counts."""
        # In a file: DuckDB cannot put aside all of a temporary table, and a wide one exceeds its limit. Nobody
        # reads it after a crash, so nothing waits for the disk.
        file, kept = text(str(self._folder / "kept.duckdb")), f"kept.{name(relation)}"
        self._connection.execute(f"ATTACH IF NOT EXISTS {file} AS kept (RECOVERY_MODE no_wal_writes)")
        self._connection.execute(f"CREATE OR REPLACE TABLE {kept} AS {sql}")
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name(relation)} AS SELECT * FROM {kept}")

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Windows add their rows one after the other, not in trees: slower, and the same but for rounding."""
        self._connection.execute("SET debug_window_mode = 'separate'")
        try:
            yield
        finally:
            self._connection.execute("SET debug_window_mode = 'window'")

    def export(self, queries: Mapping[str, str], database: Path) -> None:
        """Write the results of queries as the tables of a new DuckDB file, each under its name."""
        self._connection.execute(f"ATTACH {text(str(database))} AS exported")
        for relation, sql in queries.items():
            self._connection.execute(f"CREATE TABLE exported.{name(relation)} AS {sql}")
        self._connection.execute("DETACH exported")


def _as_errors_of_duckdb(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches. Arrow knows what DuckDB says while it streams, memory that is too small say, as OSError."""
    try:
        yield from reader
    except OSError as error:
        raise duckdb.OperationalError(str(error)) from error


@dataclass(frozen=True)
class Engine:
    """How queries run. memory_limit: DuckDB's own spelling; what exceeds it spills to ``spill``."""

    spill: Path
    memory_limit: str = "1GB"
    threads: int = 2

    @contextmanager
    def session(self, relations: Mapping[str, Relation]) -> Iterator[Session]:
        """A connection in which every relation can be named; closed on exit."""
        self.spill.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.spill) as folder, closing(self._connection(folder)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for relation, content in relations.items():
                _register(connection, relation, content)
            yield Session(connection, Path(folder), self.threads)

    def rows(self, sql: str, relations: Mapping[str, Relation]) -> pa.Table:
        """The result of one query over ``relations``."""
        with self.session(relations) as session:
            return session.rows(sql)

    def _connection(self, folder: str) -> duckdb.DuckDBPyConnection:
        settings = {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": folder,
            "preserve_insertion_order": True,
        }
        return duckdb.connect(config=settings)  # type: ignore[arg-type]


def _register(connection: duckdb.DuckDBPyConnection, relation: str, content: Relation) -> None:
    if isinstance(content, pa.Table):
        connection.register(relation, content)
    elif isinstance(content, SourceFile):
        connection.execute(f"CREATE TEMP VIEW {name(relation)} AS {content.relation()}")
    elif not content.files:
        connection.register(relation, content.schema.empty_table())
    else:
        files = ", ".join(text(file) for file in content.files)
        scan = (
            f"read_parquet([{files}], hive_partitioning = true, union_by_name = true, "
            f"hive_types = {{partition: VARCHAR}})"
        )
        columns = _columns(connection, content, scan)
        connection.execute(f"CREATE TEMP VIEW {name(relation)} AS SELECT {columns} FROM {scan}")


def _columns(connection: duckdb.DuckDBPyConnection, content: Pinned, scan: str) -> str:
    """Every column of the table; one that was added after these files were written is null."""
    written = set(connection.sql(f"SELECT * FROM {scan}").columns)
    schema = connection.from_arrow(content.schema.empty_table())
    return ", ".join(
        name(column) if column in written else f"CAST(NULL AS {kind}) AS {name(column)}"
        for column, kind in zip(schema.columns, schema.types, strict=True)
    )
