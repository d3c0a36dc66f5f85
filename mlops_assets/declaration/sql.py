"""SQL that stands in a file beside its declaration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
    # Imported here: only models have conditions.
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse_one(condition, read="duckdb")
    except sqlglot.errors.ParseError as error:
        found = error.errors[0]
        raise DeclarationError(
            f"found {condition!r}, expected a SQL condition: {found['description']} at column {found['col']}",
            field=field,
        ) from error
    return list(dict.fromkeys(column.name for column in parsed.find_all(exp.Column)))
