"""A SQL condition over the rows of one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mlops_assets.declaration.binding import NotUnderstood, bound, parsed
from mlops_assets.declaration.repeatable import EXPECTED, unrepeatable
from mlops_assets.declaration.sql import bracketed
from mlops_assets.errors import DeclarationError


def columns_used(condition: str, *, field: Sequence[str | int] = ()) -> list[str]:
    """The columns a SQL condition (DuckDB's dialect) names, in order, each once.

    >>> columns_used("arrival_delay >= 15 AND dest <> 'JFK'")
    ['arrival_delay', 'dest']
    """
    names = (part["column_names"][-1] for part in _parts(_tree(condition, field), "COLUMN_REF"))
    return list(dict.fromkeys(names))


def require_repeatable(condition: str, columns: Collection[str], *, field: Sequence[str | int] = ()) -> None:
    """Refuse what is not the same of the same row each time. Raises DeclarationError."""
    found = unrepeatable(_tree(condition, field), columns)
    if found is not None:
        raise DeclarationError(f"found {found} in {condition!r}, {EXPECTED}", field=field)


def require_condition(
    condition: str, table: str, columns: Mapping[str, str], *, field: Sequence[str | int] = ()
) -> None:
    """Refuse what is not true, false or unknown of each row by itself. columns: each with its declared type.

    Raises DeclarationError.
    """
    require_repeatable(condition, columns, field=field)
    if any(_parts(_tree(condition, field), "SUBQUERY")):
        raise _no_condition(condition, f"of one row of {table!r}: it holds a query of its own", field)
    try:
        # In WHERE, where neither an aggregate nor a window may stand.
        query = f'SELECT {bracketed(condition)} AS holds FROM "{table}" WHERE {bracketed(condition)}'
        kind = bound(query, {table: columns})["holds"]
    except NotUnderstood as problem:
        told = str(problem).replace("WHERE clause", "it")
        raise _no_condition(condition, f"of one row of {table!r}: {told}", field) from problem
    if kind != "BOOLEAN":
        raise _no_condition(condition, f"that is true or false: its type is {kind}", field)


def _tree(condition: str, field: Sequence[str | int]) -> Mapping[str, Any]:
    """The condition as DuckDB reads it, standing alone: what only makes sense between brackets is not one."""
    try:
        statements = parsed(f"SELECT {condition}")
    except NotUnderstood as problem:
        raise _no_condition(condition, f"in SQL: {problem}", field) from problem
    if len(statements) != 1:
        raise _no_condition(condition, "in SQL and nothing besides", field)
    return statements[0]


def _parts(tree: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Every part of that class, outermost first."""
    if isinstance(tree, dict):
        if tree.get("class") == kind:
            yield tree
        for inner in tree.values():
            yield from _parts(inner, kind)
    elif isinstance(tree, list):
        for inner in tree:
            yield from _parts(inner, kind)


def _no_condition(condition: str, expected: str, field: Sequence[str | int]) -> DeclarationError:
    return DeclarationError(f"found {condition!r}, expected a condition {expected}", field=field)
