"""Does the SQL of a feature view fit what it reads and what it promises?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from mlops_assets.declaration.binding import NotUnderstood, Relations, bound, parsed, yielded
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.repeatable import EXPECTED, unrepeatable
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME
from mlops_assets.declaration.sql import EXPECTED_TYPES, bracketed, takes
from mlops_assets.errors import DeclarationError, nearest

_MISSING_TABLE = re.compile(r'Table with name "?(\w+)"? does not exist')


def require_fitting_sql(view: FeatureView, keys: Mapping[str, str], tables: Relations) -> None:
    """Refuse SQL that does not run on ``tables``, or yields other columns or types than the view declares.

    keys: the view's join keys, each with its type. tables: those in ``reads``, each with its columns and their types.
    Raises DeclarationError.
    """
    found = _yielded(view, tables)
    _require_repeatable(view, tables)
    _keep_promises(view, keys, found)
    _keep_types(view, keys, found)
    for table in view.reads:
        if _runs_without(table, view, tables):
            raise DeclarationError(
                f"{view.called} declares that it reads {table!r}, and its SQL does not; leave it out of 'reads'",
                field=("views", view.name, "reads", table),
            )


def _yielded(view: FeatureView, tables: Relations) -> Mapping[str, str]:
    field = ("views", view.name, "sql")
    try:
        if not parsed(view.sql):
            raise NotUnderstood("it is empty, expected a SELECT")
        if len(parsed(view.sql)) != 1:
            raise NotUnderstood("it is not one SELECT")
        found, names = bound(_as_it_runs(view), tables), yielded(view.sql, tables)
    except NotUnderstood as problem:
        missing = _MISSING_TABLE.search(str(problem))
        told = (
            f"reads {missing[1]!r}, which is not in 'reads'. {nearest(missing[1], tables)}"
            if missing
            else f"does not fit: {problem}"
        )
        raise DeclarationError(f"the SQL of {view.called} {told}", field=field) from problem
    _require_distinct(view, names)
    return found


def _require_distinct(view: FeatureView, names: Iterable[str]) -> None:
    """DuckDB gives the second of two columns of one name another, by which nobody meant it."""
    seen = Counter(column.casefold() for column in names)
    twice = next((column for column, times in seen.items() if times > 1), None)
    if twice is not None:
        raise DeclarationError(
            f"the SQL of {view.called}: column {twice!r} is yielded twice; yield each column once",
            field=("views", view.name, "sql"),
        )


def _require_repeatable(view: FeatureView, tables: Relations) -> None:
    known = {column for columns in tables.values() for column in columns}
    found = unrepeatable(parsed(view.sql), known)
    if found is not None:
        raise DeclarationError(
            f"the SQL of {view.called}: found {found}, {EXPECTED}", field=("views", view.name, "sql")
        )


def _keep_promises(view: FeatureView, keys: Iterable[str], found: Iterable[str]) -> None:
    promised = [*keys, EVENT_TIME, AVAILABLE_AT, *view.features]
    for column in promised:
        if column not in found:
            part = ("features", column) if column in view.features else ("sql",)
            others = [name for name in found if name not in promised]
            raise DeclarationError(
                f"the SQL of {view.called} does not yield {column!r}. {nearest(column, others or found)}",
                field=("views", view.name, *part),
            )
    for column in found:
        if column not in promised:
            raise DeclarationError(
                f"the SQL of {view.called} yields {column!r}, which is not declared; "
                "declare it in 'features', or leave it out of the SQL",
                field=("views", view.name, "sql"),
            )


def _keep_types(view: FeatureView, keys: Mapping[str, str], found: Mapping[str, str]) -> None:
    """What is cast to another type may be rounded, or fail on the first row that is not like the others."""
    for part, column, declared in _typed(view, keys):
        if not takes(declared, found[column]):
            raise DeclarationError(
                f"the SQL of {view.called} yields {column!r} as {found[column]}, "
                f"expected {EXPECTED_TYPES[declared]}: it is declared {declared}; cast it, or declare what it is",
                field=("views", view.name, *part),
            )


def _typed(view: FeatureView, keys: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Every column of a view with its declared type, and the part of the view that a wrong one is told at."""
    given = dict.fromkeys((EVENT_TIME, AVAILABLE_AT), "timestamp")
    yield from ((("sql",), column, declared) for column, declared in {**keys, **given}.items())
    for column, feature in view.features.items():
        yield ("features", column), column, feature.type


def _runs_without(table: str, view: FeatureView, tables: Relations) -> bool:
    try:
        bound(_as_it_runs(view), {name: columns for name, columns in tables.items() if name != table})
    except NotUnderstood:
        return False
    return True


def _as_it_runs(view: FeatureView) -> str:
    """Inside another query, on the same lines."""
    return f"SELECT * FROM {bracketed(view.sql)}"
