"""What SQLite needs so that processes may open a new file together."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

BUSY_TIMEOUT_SECONDS = 30.0


def use_wal(connection: Any) -> None:
    """Put the file of a DB-API connection into WAL mode; it stays so.

    SQLite waits for locks everywhere but here: 31 of 1800 concurrent first openings failed at once.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
