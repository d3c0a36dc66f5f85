"""What DuckDB, which will run it, makes of declared SQL before there is any row."""

from __future__ import annotations

import atexit
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlops_assets.declaration.sql import SQL_TYPES

if TYPE_CHECKING:
    import duckdb

# table -> column -> declared type
Relations = Mapping[str, Mapping[str, str]]
_Frozen = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


class NotUnderstood(Exception):
    """DuckDB cannot make sense of a query, in its own words. kind: what it calls this kind of error."""

    def __init__(self, reason: str, *, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind


@lru_cache
def parsed(query: str) -> Sequence[Mapping[str, Any]]:
    """The statements of a query as trees; only SELECT is understood. Raises NotUnderstood."""
    with _engine().cursor() as cursor:
        (said,) = cursor.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    tree: dict[str, Any] = json.loads(said[0])
    if tree["error"]:
        raise NotUnderstood(tree["error_message"], kind=tree["error_type"])
    statements: list[Mapping[str, Any]] = tree["statements"]
    return statements


def spelled(statements: Sequence[Mapping[str, Any]]) -> str:
    """The query of which ``parsed`` told these trees, or trees that were made of them, as DuckDB spells it."""
    tree = json.dumps({"error": False, "statements": statements})
    with _engine().cursor() as cursor:
        ((said,),) = cursor.execute("SELECT json_deserialize_sql(?)", [tree]).fetchall()
    return str(said)


def bound(query: str, relations: Relations) -> Mapping[str, str]:
    """The columns a query yields over empty ``relations``, each with DuckDB's type. Raises NotUnderstood.

    Nothing else is in reach: no file, no other table.
    """
    return dict(_bound(query, _frozen(relations)))


def yielded(query: str, relations: Relations) -> Sequence[str]:
    """The columns a query yields over empty ``relations``, as it calls them: one name may come twice.

    Raises NotUnderstood.
    """
    return [column for column, _ in _bound(query, _frozen(relations))]


def _frozen(relations: Relations) -> _Frozen:
    return tuple((table, tuple(columns.items())) for table, columns in relations.items())


# Every stage of a model asks the same of its label.
@lru_cache
def _bound(query: str, relations: _Frozen) -> Sequence[tuple[str, str]]:
    import duckdb

    with _engine().cursor() as cursor:
        for table, columns in relations:
            said = ", ".join(f'"{column}" {SQL_TYPES[kind]}' for column, kind in columns)
            cursor.execute(f'CREATE TEMP TABLE "{table}" ({said})')
        try:
            found = cursor.execute(f"DESCRIBE {query}").fetchall()
        except duckdb.Error as error:
            raise NotUnderstood(reason(error, query), kind=type(error).__name__) from error
    return [(column, kind) for column, kind, *_ in found]


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a regular expression, in the words of RE2, which DuckDB uses; None when it is right.

    >>> pattern_problem("[A-Z]{2}"), pattern_problem("[A-Z")
    (None, 'missing ]: [A-Z')
    """
    quoted = pattern.replace("'", "''")
    try:
        bound(f"SELECT regexp_full_match('', '{quoted}')", {})
    except NotUnderstood as problem:
        return str(problem)
    return None


def reason(error: Exception, query: str) -> str:
    """DuckDB's sentence in one line, without the query it quotes."""
    sentence, *quoted = str(error).split("\n\nLINE ")
    sentence = " ".join(sentence.split("Error: ", 1)[-1].split())
    line = re.match(r"\d+", quoted[0]) if quoted and "\n" in query else None
    return f"{sentence} (line {line[0]} of the SQL)" if line else sentence


@lru_cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One for all questions; each asks in a cursor, whose temporary tables nobody else sees."""
    # Imported here: a person at the command line does not wait for it.
    import duckdb

    # DuckDB complains, at great length, of a connection that outlives its library.
    atexit.register(_engine.cache_clear)
    return duckdb.connect(
        config={"threads": 1, "enable_external_access": False, "python_enable_replacements": False}
    )
