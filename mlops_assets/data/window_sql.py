"""Windows of time in a query: which of them running totals can answer, and the query with these answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from mlops_assets.data.range_windows import Frame
from mlops_assets.data.sql import name
from mlops_assets.declaration.binding import parsed, spelled

Tree: TypeAlias = dict[str, Any]
Aggregate = Literal["count", "sum", "avg"]
# DuckDB's units of time that last equally long whenever they begin, UTC being the time of every query.
UNITS = {
    "to_microseconds": 1,
    "to_milliseconds": 1000,
    "to_seconds": 1_000_000,
    "to_minutes": 60_000_000,
    "to_hours": 3_600_000_000,
    "to_days": 86_400_000_000,
    "to_weeks": 604_800_000_000,
}
INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
}
KEYS = INTEGERS | {"VARCHAR", "BOOLEAN"}
MOMENTS = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
# Microseconds. Whatever the moment, DuckDB can go as far from it.
FARTHEST = 2**58


@dataclass(frozen=True)
class Window:
    """One aggregate over a window of time. All but ``frame`` as SQL.

    sql: the whole, as DuckDB spells it. keys, moment: of which rows it goes over, and in which order. of: null where
    a row does not count; empty when every row does. argument: what FILTER chooses from, which DuckDB computes of all
    rows, so that one which FILTER leaves out may stop it; empty where none can.
    """

    sql: str
    aggregate: Aggregate
    of: str
    keys: tuple[str, ...]
    moment: str
    frame: Frame
    argument: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """All that is computed of each row."""
        return (*self.keys, self.moment, *(one for one in (self.of, self.argument) if one))

    def is_whole(self, types: Mapping[str, str]) -> bool:
        """Whether integers tell it exactly. types: of its parts, as DuckDB calls them."""
        return (
            types[self.moment] in MOMENTS
            and all(types[key] in KEYS for key in self.keys)
            and (not self.of or types[self.of] in INTEGERS)
        )


@dataclass
class WindowedSelect:
    """A SELECT from one relation with windows that running totals may answer.

    alias: what it calls what it reads. wanted: the names of columns that it speaks of. own: those that it gives what
    it computes. All in small letters. windows: each with its place in the tree.
    """

    node: Tree
    alias: str
    wanted: Set[str]
    own: Set[str]
    windows: Sequence[tuple[Window, Tree]]
    _rows: str

    def takes_only(self, columns: Set[str]) -> bool:
        """Whether it speaks of nothing but these columns of its source, and of what it computes itself."""
        held = {one.casefold() for one in columns}
        # Where the alias is a column too, what is said of it may mean either.
        return self.wanted - held <= self.own and self.alias not in self.wanted | held

    def source(self, columns: str) -> str:
        """SQL: the rows over which the windows go, of each these expressions."""
        return self._rows.replace(_COLUMNS, columns, 1)

    def answer(self, relation: str, answers: Sequence[tuple[Tree, str]]) -> None:
        """Let it read ``relation``, which is SQL, instead, and these windows of its be these expressions of that."""
        for tree, expression in answers:
            alias = tree["alias"]
            tree.clear()
            tree.update(_expression(expression), alias=alias)
        table = _select(f"SELECT 1 FROM {relation} AS {name(self.alias)}")["from_table"]
        self.node.update(from_table=table, where_clause=None)


_COLUMNS = '"_windowed columns"'


def windowed_selects(statements: Sequence[Tree]) -> Iterator[WindowedSelect]:
    """The SELECTs of a query of which windows may be answered, innermost first; each as the ones before left it.

    None where text is compared otherwise than letter by letter: that is no part of a type as DuckDB tells it.
    """
    for statement in statements:
        places = _expressions(statement["node"], into_queries=True)
        if not any(one["class"] == "COLLATE" for one in places):
            yield from _within(statement["node"], {})


def mutable(query: str) -> list[Tree]:
    """The trees of a query, to be changed. Raises NotUnderstood."""
    return [dict(deepcopy(statement)) for statement in parsed(query)]


def windows_written(query: str) -> list[str]:
    """Every window of a query, as DuckDB spells it. Raises NotUnderstood."""
    return [
        _spelled(one) for one in _expressions(mutable(query), into_queries=True) if one["class"] == "WINDOW"
    ]


def _within(node: Tree, scope: Mapping[str, Tree]) -> Iterator[WindowedSelect]:
    """scope: the common table expressions that the node may name."""
    known = dict(scope)
    for entry in node["cte_map"]["map"]:
        yield from _within(entry["value"]["query_node"], known)
        known[entry["key"]] = entry
    if node["type"] != "SELECT_NODE":
        return
    for query in _read(node["from_table"]):
        yield from _within(query, known)
    # One that hides another of its name cannot be told from it once they stand in one list.
    named = [*scope, *(entry["key"] for entry in node["cte_map"]["map"])]
    if len(named) == len({one.casefold() for one in named}) and (found := _windowed(node, known)):
        yield found


def _read(table: Tree) -> Iterator[Tree]:
    """The queries in FROM, those that are joined too."""
    if table["type"] == "SUBQUERY":
        yield table["subquery"]["node"]
    elif table["type"] == "JOIN":
        yield from _read(table["left"])
        yield from _read(table["right"])


def _windowed(node: Tree, scope: Mapping[str, Tree]) -> WindowedSelect | None:
    table = node["from_table"]
    spoken = [node["select_list"], node["where_clause"], node["modifiers"]]
    places = [one for part in spoken for one in _expressions(part)]
    windows = [(window, tree) for tree in places if (window := _window(tree))]
    alias = table["alias"] or table.get("table_name", "")
    more = (node["group_expressions"], node["group_sets"], node["having"], node["qualify"], node["sample"])
    if (
        not windows
        or any(more)
        or node["aggregate_handling"] != "STANDARD_HANDLING"
        or table["type"] not in ("BASE_TABLE", "SUBQUERY")
        or not alias
        or table["sample"]
        or table["column_name_alias"]
        or table.get("at_clause")
        or any(one["class"] in ("STAR", "SUBQUERY", "LAMBDA", "POSITIONAL_REFERENCE") for one in places)
        or any(one.get("function_name") == "unnest" for one in places)
        # It would be called otherwise.
        or any(not one["alias"] and one["class"] != "COLUMN_REF" for one in node["select_list"])
    ):
        return None
    columns = [one["column_names"] for one in places if one["class"] == "COLUMN_REF"]
    if any(len(one) > 2 or (len(one) == 2 and one[0].casefold() != alias.casefold()) for one in columns):
        return None
    rows = _select(f"SELECT {_COLUMNS}")
    rows.update(from_table=table, where_clause=node["where_clause"])
    rows["cte_map"] = {"map": list(scope.values())}
    return WindowedSelect(
        node,
        alias.casefold(),
        {one[-1].casefold() for one in columns},
        {one["alias"].casefold() for one in node["select_list"]},
        windows,
        spelled([{"node": rows, "named_param_map": []}]),
    )


def _window(tree: Tree) -> Window | None:
    """What the tree says, when it is a window that running totals may answer."""
    if tree["class"] != "WINDOW" or tree["type"] != "WINDOW_AGGREGATE":
        return None
    function, arguments, orders = tree["function_name"], tree["arguments"], tree["orders"]
    begins = _offset(tree, "start")
    ends = _offset(tree, "end")
    plain = not (
        tree["distinct"] or tree["arg_orders"] or tree["ignore_nulls"] or tree["exclude_clause"] != "NO_OTHER"
    )
    if (
        not plain
        or function not in ("count", "sum", "avg")
        or len(arguments) > 1
        or len(orders) != 1
        or orders[0]["type"] not in ("ORDER_DEFAULT", "ASCENDING")
        or begins is None
        or ends is None
        or begins > ends
    ):
        return None
    counted = [_spelled(one["expression"]) for one in arguments]
    if any(inner["class"] == "WINDOW" for one in arguments for inner in _expressions(one)):
        return None
    conditions = [_spelled(tree["filter_expr"])] if tree["filter_expr"] else []
    if function == "count":
        conditions += [f"({one}) IS NOT NULL" for one in counted]
        counted = []
    filtered = [one["expression"] for one in arguments if tree["filter_expr"]]
    computed = [_spelled(one) for one in filtered if one["class"] not in ("COLUMN_REF", "CONSTANT")]
    value = counted[0] if counted else "1"
    of = f"CASE WHEN {' AND '.join(f'({one})' for one in conditions)} THEN {value} END" if conditions else ""
    return Window(
        _spelled(tree),
        function,
        of or (value if counted else ""),
        tuple(_spelled(key) for key in tree["partitions"]),
        _spelled(orders[0]["expression"]),
        Frame(begins, ends),
        *computed,
    )


def _offset(tree: Tree, side: Literal["start", "end"]) -> int | None:
    """Where a frame begins or ends, in microseconds after the row; None where that is not said in units of time."""
    if tree[side] == "CURRENT_ROW_RANGE":
        return 0
    signs = {"EXPR_PRECEDING_RANGE": -1, "EXPR_FOLLOWING_RANGE": 1}
    interval = tree[f"{side}_expr"]
    if tree[side] not in signs or interval["class"] != "FUNCTION" or interval["function_name"] not in UNITS:
        return None
    (number,) = (one["expression"] for one in interval["arguments"])
    while (is_cast := _is_number(number)) or number.get("function_name") == "trunc":
        number = number["child"] if is_cast else number["arguments"][0]["expression"]
    literal = number.get("literal", {})
    # Below zero, DuckDB refuses the frame.
    if literal.get("kind") != "INTEGER" or int(literal["text"]) < 0:
        return None
    after = signs[tree[side]] * int(literal["text"]) * UNITS[interval["function_name"]]
    return after if abs(after) < FARTHEST else None


def _is_number(tree: Tree) -> bool:
    """Whether it is a cast as DuckDB writes it itself around the number of an interval."""
    return tree["class"] == "CAST" and tree["type_expr"].get("type_name") in ("DOUBLE", "INTEGER", "BIGINT")


def _expressions(tree: Any, *, into_queries: bool = False) -> Iterator[Tree]:
    """Every expression in a tree; a query within an expression as one, unless it is gone into."""
    if isinstance(tree, list):
        for one in tree:
            yield from _expressions(one, into_queries=into_queries)
    elif isinstance(tree, dict):
        if "class" in tree:
            yield tree
        if tree.get("class") != "SUBQUERY" or into_queries:
            yield from _expressions(list(tree.values()), into_queries=into_queries)


def _select(query: str) -> Tree:
    node: Tree = mutable(query)[0]["node"]
    return node


def _expression(sql: str) -> Tree:
    tree: Tree = _select(f"SELECT {sql}")["select_list"][0]
    return tree


def _spelled(expression: Tree) -> str:
    node = _select("SELECT 1")
    node["select_list"] = [expression | {"alias": ""}]
    return spelled([{"node": node, "named_param_map": []}]).removeprefix("SELECT ")
