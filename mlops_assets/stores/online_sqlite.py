"""Online rows in one SQLite file: a table for each group, a change is one transaction."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.data.sql import name
from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.online import HEADER
from mlops_assets.stores.sqlite import use_wal

# A change waits for the one before it, which may be a whole view. Readers wait for nobody.
WAIT_SECONDS = 600.0


class SqliteGroups:
    """Groups in the file at ``path``, made when it is first used. Threads may share it."""

    is_near = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of_thread = threading.local()

    def read(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[str | None]]:
        """See Groups."""
        return [self._read(group, keys) for group, keys in asked]

    def change(
        self,
        group: str,
        header: str,
        rows: Iterable[tuple[str, str]],
        *,
        seen: str | None,
        gone: Collection[str] = (),
        whole: bool = False,
    ) -> bool:
        """See Groups."""
        table = name(group)
        with self._transaction() as connection:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
            )
            found = connection.execute(f"SELECT value FROM {table} WHERE key = ?", (HEADER,)).fetchone()
            if (found and found[0]) != seen:
                return False
            if whole:
                connection.execute(f"DELETE FROM {table}")
            connection.executemany(f"DELETE FROM {table} WHERE key = ?", ((key,) for key in gone))
            upsert = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"
            connection.executemany(upsert, rows)
            connection.execute(upsert, (HEADER, header))
        return True

    def drop(self, group: str) -> None:
        """See Groups."""
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {name(group)}")

    def _read(self, group: str, keys: Sequence[str]) -> list[str | None]:
        """One statement, so that every key is read at the same moment."""
        sql = f"SELECT key, value FROM {name(group)} WHERE key IN (SELECT value FROM json_each(?))"
        try:
            found = dict(self._connection().execute(sql, (json.dumps(keys),)))
        except sqlite3.OperationalError as error:
            if not str(error).startswith("no such table"):
                raise
            found = {}
        return [found.get(key) for key in keys]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """A connection of this thread's own."""
        opened: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if opened is None:
            opened = self._of_thread.connection = _opened(self._path)
        return opened


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
        use_wal(connection)
    except (OSError, sqlite3.Error) as error:
        raise BadEnvironment(f"the online store {path} cannot be opened: {error}") from error
    # A commit outlives a killed process. After a power cut the last ones may be missing, and are made again.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
