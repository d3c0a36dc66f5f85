"""SQL that stands in a file beside its declaration, and the types it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mlops_assets.errors import DeclarationError, nearest


@dataclass(frozen=True)
class SqlText:
    """Marks a field that holds SQL. before: what makes a statement of it."""

    before: str = ""


QUERY, CONDITION = SqlText(), SqlText(before="SELECT ")
Query = Annotated[str, QUERY]
Condition = Annotated[str, CONDITION]

# DuckDB's name for each declared type.
SQL_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}
_INTEGERS = r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BIGNUM"
# What DuckDB may call a value that becomes the declared type without losing anything to speak of.
_TAKEN = {
    "string": r"VARCHAR|ENUM\(.*\)",
    "integer": _INTEGERS,
    "number": rf"{_INTEGERS}|FLOAT|DOUBLE|DECIMAL\(.*\)",
    "boolean": "BOOLEAN",
    "timestamp": r"DATE|TIMESTAMP(_S|_MS|_NS)?|TIMESTAMP(_NS)? WITH TIME ZONE",
}
# Texts and quoted names as wholes; what stands between statements; anything else, character by character.
_TOKEN = re.compile(
    r"""[eE]'(?:\\.|''|[^'\\])*' | '(?:''|[^'])*' | "(?:""|[^"])*" | \$(?P<mark>\w*)\$.*?\$(?P=mark)\$
    | (?P<between>--[^\n]* | /\*.*?\*/ | [\s;]) | .""",
    re.DOTALL | re.VERBOSE,
)
_UNTYPED = '"NULL"'
EXPECTED_TYPES = {
    "string": "VARCHAR",
    "integer": "an integer type such as BIGINT",
    "number": "a numeric type such as DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP, TIMESTAMPTZ or DATE",
}


def takes(declared: str, found: str) -> bool:
    """Whether a value of DuckDB's type ``found`` is one of the declared type. A bare NULL is of every type.

    >>> takes("integer", "HUGEINT"), takes("integer", "DOUBLE"), takes("number", "DECIMAL(18,3)")
    (True, False, True)
    """
    return found == _UNTYPED or re.fullmatch(_TAKEN[declared], found) is not None


def bracketed(sql: str) -> str:
    """One statement or condition as part of another, on the same lines, whether it ends in comments or ``;``.

    >>> bracketed("SELECT 1; -- done")
    '(SELECT 1\\n)'
    """
    return f"({unended(sql)}\n)"


def unended(sql: str) -> str:
    """One statement or condition without the ``;`` and comments that end it.

    >>> unended("SELECT ';--'; -- done")
    "SELECT ';--'"
    """
    ends = [token.end() for token in _TOKEN.finditer(sql) if token["between"] is None]
    return sql[: max(ends, default=0)]


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
