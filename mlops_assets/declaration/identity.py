"""What a declaration means, as a hash: equal in every process, blind to words that only people read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Set
from datetime import date, time, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.binding import NotUnderstood, parsed
from mlops_assets.declaration.sql import SqlText
from mlops_assets.errors import DeclarationError

# Fields of declarations: changing these changes nothing that is computed.
FOR_PEOPLE = frozenset({"description", "owner", "licence", "tags"})
# Where in the text DuckDB found a part of a query.
_PLACES = frozenset({"query_location", "query_location_length"})


def meaning(*parts: Any) -> str:
    """A hash (16 hex digits) of declarations and plain values, without what is only for people.

    SQL counts as DuckDB parses it, so that comments, whitespace and the case of keywords are nothing.
    Raises TypeError for a value that is not plain, such as a function: it has no spelling of its own.

    >>> meaning({"a": 1, "b": (2, 3)}) == meaning({"b": [2, 3], "a": 1})
    True
    """
    body = json.dumps([_plain(part) for part in parts], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def source_code(*modules: str) -> str:
    """A hash of the text of modules, read without importing them."""
    digest = hashlib.sha256()
    for module in modules:
        found = find_spec(module)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"there is no module {module}")
        digest.update(Path(found.origin).read_bytes())
    return digest.hexdigest()[:16]


@cache
def sql_meaning(sql: str, kind: SqlText) -> str:
    """A hash of the tree that DuckDB makes of SQL, without the places in the text. Raises DeclarationError.

    Names and literals stay as they are spelled, so no two meanings have one tree.
    """
    try:
        return meaning(_without_places(parsed(f"{kind.before}{sql}")))
    except NotUnderstood as problem:
        raise DeclarationError(f"the SQL {sql!r} cannot be read: {problem}") from problem


def _without_places(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_places(inner) for key, inner in tree.items() if key not in _PLACES}
    if isinstance(tree, list):
        return [_without_places(inner) for inner in tree]
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, Declaration):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Set):
        return sorted(_plain(one) for one in value)
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    return value.isoformat() if isinstance(value, date | time) else value


def _fields(declared: Declaration) -> dict[str, Any]:
    found = {}
    for field, info in type(declared).model_fields.items():
        value = getattr(declared, field)
        kind = next((one for one in info.metadata if isinstance(one, SqlText)), None)
        if field not in FOR_PEOPLE:
            found[field] = _plain(value) if kind is None else sql_meaning(value, kind)
    return found
