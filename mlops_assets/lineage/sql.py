"""From which columns each column of a query is computed, read off its SQL (DuckDB's dialect) by sqlglot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from mlops_assets.declaration.sql import SQL_TYPES, unended
from mlops_assets.lineage.derivation import CONSTANT, Derivation, SourceColumn, together, unknown

DIALECT = "duckdb"
# What names columns without spelling them.
STANDS_FOR_OTHERS = (exp.Columns, exp.PositionalColumn, exp.Placeholder, exp.Parameter)
# What has no parts and is computed from no column.
LEAVES = (
    *(exp.Literal, exp.Boolean, exp.Null, exp.Star, exp.Identifier, exp.Var, exp.Func, exp.Tuple),
    *(exp.DataType, exp.WindowSpec, exp.HexString, exp.BitString, exp.RawString),
)


def derivations(
    query: str, relations: Mapping[str, Mapping[str, str]], columns: Sequence[str]
) -> dict[str, Derivation]:
    """For each of ``columns``, which are what the query yields in order, what its values are computed from.

    relations: each table with its columns and their declared types. A value is computed from the columns
    that its expression names, through every subquery: also those of a CASE, a FILTER, and of the
    PARTITION BY and ORDER BY of a window. WHERE, JOIN and GROUP BY decide which rows there are; they count for
    ``count(*)`` and ``sum(1)``, which are computed from nothing else. What cannot be told is unknown, with the reason.
    """
    try:
        found = list(_Query(relations).columns(_scope(query, relations)))
    # Whatever sqlglot stumbles over, the answer is that it is not known, and why.
    except Exception as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        return dict.fromkeys(columns, unknown(f"sqlglot cannot follow the query: {problem}"))
    names = [name for name, _ in found]
    if names != [column.lower() for column in columns]:
        said = ", ".join(names)
        return dict.fromkeys(columns, unknown(f"sqlglot takes the query's columns for {said}"))
    return {column: derivation for column, (_, derivation) in zip(columns, found, strict=True)}


def _scope(query: str, relations: Mapping[str, Mapping[str, str]]) -> Scope:
    schema = {table: {name: SQL_TYPES[kind] for name, kind in of.items()} for table, of in relations.items()}
    tree = qualify(sqlglot.parse_one(unended(query), dialect=DIALECT), schema=schema, dialect=DIALECT)
    scope = build_scope(tree)
    if scope is None:
        raise ValueError(f"it is a {type(tree).__name__.upper()}")
    if any(each.args.get("recursive") for each in tree.find_all(exp.With)):
        raise ValueError("it is recursive")
    return scope


class _Query:
    """One query over relations; each of its scopes is followed once."""

    def __init__(self, relations: Mapping[str, Mapping[str, str]]) -> None:
        self._relations = {table.lower(): table for table in relations}
        # sqlglot spells all names small, as DuckDB takes them for equal.
        self._columns = {
            table: {column.lower(): column for column in columns} for table, columns in relations.items()
        }
        self._followed: dict[int, list[tuple[str, Derivation]]] = {}
        self._decided: dict[int, Derivation] = {}

    def columns(self, scope: Scope) -> list[tuple[str, Derivation]]:
        """The columns of a scope in order, each with what it is computed from."""
        known = id(scope.expression)
        if known not in self._followed:
            self._followed[known] = list(self._of_scope(scope))
        return self._followed[known]

    def _of_scope(self, scope: Scope) -> Iterator[tuple[str, Derivation]]:
        expression = scope.expression
        if isinstance(expression, exp.SetOperation):
            yield from self._of_both(scope)
        elif isinstance(expression, exp.Select):
            for one in expression.selects:
                yield one.alias_or_name, self._derive(one, scope)
        else:
            raise ValueError(f"it holds a {type(expression).__name__.upper()}")

    def _of_both(self, scope: Scope) -> Iterator[tuple[str, Derivation]]:
        left, right = (self.columns(one) for one in scope.set_operation_scopes)
        if scope.expression.args.get("by_name"):
            sides = [dict(left), dict(right)]
            for name in dict.fromkeys([*sides[0], *sides[1]]):
                yield name, together(side[name] for side in sides if name in side)
        else:
            for (name, here), (_, there) in zip(left, right, strict=True):
                yield name, together([here, there])

    def _derive(self, expression: Any, scope: Scope) -> Derivation:
        return together(self._parts(expression, scope))

    def _parts(self, expression: Any, scope: Scope) -> Iterator[Derivation]:
        yield CONSTANT
        for node in expression.walk(prune=lambda node: isinstance(node, exp.Query)):
            if isinstance(node, exp.Query):
                yield self._inside(node, scope)
            elif isinstance(node, exp.Column):
                yield self._source(node, scope)
            elif isinstance(node, exp.TableColumn):
                yield self._whole(node.name, scope)
            elif isinstance(node, exp.Window) and node.alias:
                yield from self._named_window(node.alias, scope)
            elif isinstance(node, exp.AggFunc) and _counts_rows(node):
                yield self._rows(scope)
            elif not _is_understood(node):
                yield unknown(f"what {node.sql(dialect=DIALECT)} is computed from")

    def _source(self, column: Any, scope: Scope) -> Derivation:
        if not column.table:
            lambdas = _ancestors(column, exp.Lambda)
            parameters = {one.name for found in lambdas for one in found.expressions}
            return CONSTANT if column.name in parameters else unknown(f"whose column {column.name} is")
        return self._of_relation(column.table, column.name, scope)

    def _of_relation(self, relation: str, column: str, scope: Scope) -> Derivation:
        """A column of what a query calls by a name; a correlated query may mean one outside."""
        source = scope.sources.get(relation)
        if source is None and scope.parent is not None:
            return self._of_relation(relation, column, scope.parent)
        if isinstance(source, Scope):
            return self._of_subquery(source, column)
        if source is None:
            return unknown(f"there is no relation {relation}")
        table = self._relations.get(source.name.lower())
        if table is None:
            # A table function is computed from its arguments.
            return self._derive(source, scope)
        return Derivation.of(SourceColumn(table, self._columns[table][column]))

    def _of_subquery(self, source: Scope, column: str) -> Derivation:
        if isinstance(source.expression, exp.Lateral) and source.subquery_scopes:
            return self._of_subquery(source.subquery_scopes[0], column)
        if not isinstance(source.expression, exp.Query):
            return self._derive(source.expression, source)
        found = [derivation for name, derivation in self.columns(source) if name == column]
        return found[0] if len(found) == 1 else unknown(f"{len(found)} columns are called {column}")

    def _inside(self, query: Any, scope: Scope) -> Derivation:
        """A query within an expression: all that it names, for its conditions decide the value too."""
        unnested = query.unnest()
        for inner in scope.traverse():
            if inner.expression is unnested:
                return _or_of_rows(together(self._parts_of_whole(inner)), inner)
        return unknown("what a query within an expression says")

    def _parts_of_whole(self, scope: Scope) -> Iterator[Derivation]:
        for column in scope.columns:
            yield self._source(column, scope)
        for inner in (*scope.subquery_scopes, *scope.set_operation_scopes):
            yield from self._parts_of_whole(inner)

    def _whole(self, relation: str, scope: Scope) -> Derivation:
        """All columns of a relation, taken as one value."""
        source = scope.sources.get(relation)
        if isinstance(source, Scope):
            return together(derivation for _, derivation in self.columns(source))
        table = self._relations.get(source.name.lower()) if source is not None else None
        if table is None:
            return unknown(f"there is no relation {relation}")
        return Derivation.of(*(SourceColumn(table, column) for column in self._columns[table].values()))

    def _named_window(self, name: str, scope: Scope) -> Iterator[Derivation]:
        windows = [one for one in scope.expression.args.get("windows") or () if one.name == name]
        if not windows:
            yield unknown(f"there is no window {name}")
        for window in windows:
            yield self._derive(window, scope)

    def _rows(self, scope: Scope) -> Derivation:
        """The columns that decide which rows a query has, and fall together in a group."""
        return _or_of_rows(self._decides(scope), scope)

    def _decides(self, scope: Scope) -> Derivation:
        known = id(scope.expression)
        if known not in self._decided:
            self._decided[known] = together(self._deciding(scope))
        return self._decided[known]

    def _deciding(self, scope: Scope) -> Iterator[Derivation]:
        select = scope.expression
        conditions = [select.args.get(clause) for clause in ("where", "having", "qualify")]
        conditions += [join.args.get("on") for join in select.args.get("joins") or ()]
        conditions += _grouped(select)
        for condition in conditions:
            if condition is not None:
                yield self._derive(condition, scope)
        for _, source in scope.selected_sources.values():
            if isinstance(source, Scope) and isinstance(source.expression, exp.Select):
                yield self._decides(source)


def _or_of_rows(derivation: Derivation, scope: Scope) -> Derivation:
    """The same; of what comes from no column, that it comes from the rows themselves."""
    if derivation.columns or derivation.is_unknown:
        return derivation
    tables = ", ".join(sorted(one.name for one in scope.tables)) or "a query"
    return Derivation(why=f"the rows of {tables}, none of their columns")


def _grouped(select: Any) -> list[Any]:
    group = select.args.get("group")
    if group is None:
        return []
    if group.args.get("all"):
        return [one for one in select.selects if not one.find(exp.AggFunc)]
    return [group]


def _counts_rows(aggregate: Any) -> bool:
    """Whether it takes no value of any row: count(*), count(1), sum(1)."""
    if not aggregate.this or isinstance(aggregate.this, exp.Star):
        return isinstance(aggregate, exp.Count)
    return isinstance(aggregate.this, exp.Literal)


def _is_understood(node: Any) -> bool:
    """Whether what a node is computed from are its parts, or nothing when it has none."""
    if isinstance(node, exp.Dot):
        # In x.f() sqlglot does not say whether x is a column.
        return isinstance(node.expression, exp.Identifier) and not isinstance(node.this, exp.Identifier)
    if isinstance(node, STANDS_FOR_OTHERS):
        return False
    return isinstance(node, LEAVES) or next(node.iter_expressions(), None) is not None


def _ancestors(node: Any, kind: Any) -> Iterator[Any]:
    found = node.find_ancestor(kind)
    while found is not None:
        yield found
        found = found.find_ancestor(kind)
