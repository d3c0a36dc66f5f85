"""SQL that stands in a file beside its declaration, and the types it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_assets.errors import DeclarationError, nearest

# DuckDB's name for each declared type.
SQL_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}


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
