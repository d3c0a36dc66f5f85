"""Dagster's event log for one machine: one SQLite file, one transaction for each event.

Dagster's own SQLite logs make an engine and a connection for every statement and commit up to three times
for each event, 10-20 ms in all, which a range run over ninety days pays two thousand times. This one keeps
Dagster's schema and queries, so only how they reach the file is said here. In ``dagster.yaml``::

    event_log_storage:
      module: mlops_assets.resources.event_log
      class: EmbeddedEventLog
      config: {}
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance, EventLogEntry, Field, StringSource
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    ConsolidatedSqliteEventLogStorage,
)
from dagster._core.storage.sql import get_alembic_config, stamp_alembic_rev
from dagster._serdes import ConfigurableClassData
from dagster._utils.concurrency import ConcurrencyClaimStatus

from mlops_assets.stores.sqlite import BUSY_TIMEOUT_SECONDS, use_wal

EventHandler = Callable[[EventLogEntry, str], Any]


class EmbeddedEventLog(ConsolidatedSqliteEventLogStorage):
    """The events of all runs in ``<base_dir>/events.db``, written by several processes at once.

    Without a ``base_dir`` the file lies in the instance's own folder, a temporary one where DAGSTER_HOME
    is not set, and is opened when the instance takes the log over.

    An event and its index rows (asset, tags, check execution) are there together or not at all. Writers take
    turns, so ids appear in their order and are never used twice: an id is a cursor over every run.

    The file is in WAL mode with ``synchronous=NORMAL``. A killed process loses nothing that was stored; when
    the power fails the file stays whole, but the events of the last moments may be missing. What must
    survive that (gate records, releases) is in the platform's own ledger, not here.
    """

    def __init__(self, base_dir: str = "", inst_data: ConfigurableClassData | None = None) -> None:
        # By process: SQLite connections must not cross a fork, and closing an inherited one is no better,
        # so a child keeps its parent's engine, untouched, beside its own.
        self._engines: dict[int, sa.Engine] = {}
        self._opened = threading.local()
        self._seen: set[str] = set()
        self._watcher = SqlPollingEventWatcher(self)
        self._base_dir, self._inst_data = "", inst_data
        if base_dir:
            self._open(base_dir)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The folder of the file may be told."""
        return {"base_dir": Field(StringSource, is_required=False)}

    def register_instance(self, instance: DagsterInstance) -> None:
        """Belong to an instance, and lie in its folder unless another one was told."""
        if not self._base_dir:
            self._open(instance.root_directory)
        super().register_instance(instance)

    def _open(self, base_dir: str) -> None:
        os.makedirs(base_dir, exist_ok=True)
        super().__init__(base_dir, self._inst_data)
        self._init_db()  # which Dagster calls only where there is no file yet

    def _init_db(self) -> None:
        with closing(sqlite3.connect(self.get_db_path(), timeout=BUSY_TIMEOUT_SECONDS)) as connection:
            use_wal(connection)
        # Every opener asks, and the first answers, under the lock: nobody sees half of the tables.
        if self.has_table("alembic_version"):
            return
        with self._writing() as connection:
            if not self.has_table("alembic_version"):
                _create_tables(connection)
                stamp_alembic_rev(get_alembic_config(consolidated_sqlite_event_log.__file__), connection)
                self.reindex_events()
                self.reindex_assets()

    @property
    def _engine(self) -> sa.Engine:
        process = os.getpid()
        return self._engines.get(process) or self._engines.setdefault(process, _engine(self.get_db_path()))

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        """This thread's open transaction, or a new one.

        Joining is what makes one transaction of Dagster's many: each of its methods opens its own.
        """
        opened: dict[Any, sa.Connection] = vars(self._opened)
        process = os.getpid()
        if process in opened:
            yield opened[process]
            return
        with self._engine.begin() as connection:
            opened[process] = connection
            try:
                yield connection
            finally:
                del opened[process]

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that is the only writer from its first statement on, not from its first write."""
        with self._connect() as connection:
            if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def get_db_path(self) -> str:
        """Where the file is; absolute, since a process may change its directory between two connections."""
        return os.path.join(os.path.abspath(self._base_dir), "events.db")

    def run_connection(self, run_id: str | None) -> AbstractContextManager[sa.Connection]:
        """All runs share the file."""
        return self._connect()

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event and everything that is derived from it."""
        with self._writing():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all of the events or none."""
        with self._writing():
            super().store_event_batch(events)

    def delete_events(self, run_id: str) -> None:
        """Forget a run's events, and free the slots it held."""
        with self._writing():
            super().delete_events(run_id)

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a slot of a pool, in one piece: else two that both read "one is free" would both get it."""
        with self._writing():
            return super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)

    def has_table(self, table_name: str) -> bool:
        """Whether the table is there, which each event asks several times; tables are never dropped."""
        return self._once_seen(table_name, lambda connection: sa.inspect(connection).has_table(table_name))

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        inherited = super()._has_asset_key_col_on_connection
        return self._once_seen(
            f"asset_keys.{column_name}", lambda connection: inherited(connection, column_name)
        )

    def _once_seen(self, name: str, is_there: Callable[[sa.Connection], bool]) -> bool:
        if name not in self._seen:
            with self._connect() as connection:
                if not is_there(connection):
                    return False
            self._seen.add(name)
        return True

    def watch(self, run_id: str, cursor: str | None, callback: EventHandler) -> None:
        """Call back for each new event of a run. By polling: the file's own watcher does not see the WAL."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandler) -> None:
        """Stop calling back."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Stop the watchers and close this process's connections."""
        self._watcher.close()
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()


def _engine(path: str) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path),
        # Not SingletonThreadPool: beyond its size it closes connections that other threads are using.
        poolclass=sa.QueuePool,
        max_overflow=-1,
        # IMMEDIATE: a transaction that has read and then writes fails at once, whatever the timeout, when
        # another process wrote in between; one that asks for the write lock at its start waits for it.
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": "IMMEDIATE"},
    )
    sa.event.listen(engine, "connect", _fsync_less)
    return engine


def _fsync_less(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


def _create_tables(connection: sa.Connection) -> None:
    # Dagster's table without AUTOINCREMENT gives the ids of a deleted run to the next one, behind the back
    # of every sensor that has a cursor.
    event_logs = SqlEventLogStorageTable.to_metadata(sa.MetaData())
    event_logs.dialect_options["sqlite"]["autoincrement"] = True
    event_logs.create(connection, checkfirst=True)
    SqlEventLogStorageMetadata.create_all(connection)
