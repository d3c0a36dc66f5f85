"""SQL that stands in a file beside its declaration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_assets.errors import DeclarationError, nearest


def sql_text(declared: str, folder: Path, *, field: Sequence[str | int] = ()) -> str:
    """The SQL itself: what is declared, or what the named ``.sql`` file in ``folder`` says."""
    if not declared.strip().endswith(".sql"):
        return declared
    path = folder / declared.strip()
    if not path.is_file():
        beside = [found.name for found in sorted(folder.glob("*.sql"))]
        raise DeclarationError(
            f"there is no file {declared!r} in {folder}. {nearest(declared, beside)}", field=field
        )
    return path.read_text(encoding="utf-8")


def columns_used(condition: str, *, field: Sequence[str | int] = ()) -> list[str]:
    """The columns a SQL condition (DuckDB's dialect) names, in order, each once.

    >>> columns_used("arrival_delay >= 15 AND dest <> 'JFK'")
    ['arrival_delay', 'dest']
    """
    parsed = _parsed(f"SELECT ({condition})")
    if parsed["error"]:
        message = f"found {condition!r}, expected a SQL condition: {parsed['error_message']}"
        raise DeclarationError(message, field=field)
    return list(dict.fromkeys(_columns_below(parsed)))


@lru_cache
def _parsed(statement: str) -> dict[str, Any]:
    """What DuckDB, which will run it, makes of a statement."""
    # Imported here: only declarations with conditions need it. Opening a connection would cost more than parsing.
    import duckdb

    with duckdb.default_connection().cursor() as connection:
        (said,) = connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()
    parsed: dict[str, Any] = json.loads(said[0])
    return parsed


def _columns_below(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if part.get("class") == "COLUMN_REF":
            yield part["column_names"][-1]
        for inner in part.values():
            yield from _columns_below(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _columns_below(inner)
