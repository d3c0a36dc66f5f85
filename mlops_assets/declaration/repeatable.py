"""Does SQL say the same of the same rows, whenever and wherever it is asked?

What does not could never be made again, and a partition would change each time it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

EXPECTED = "expected SQL that says the same of the same rows each time"
# What DuckDB calls VOLATILE or CONSISTENT_WITHIN_QUERY. To ask it takes longer than to load a project.
_CHANCE = frozenset({"random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"})
_CLOCK = frozenset(
    {"now", "today", "current_date", "get_current_time", "get_current_timestamp", "transaction_timestamp"}
)
_SESSION = frozenset(
    {
        *("current_connection_id", "current_database", "current_query", "current_query_id", "current_schema"),
        *("current_schemas", "current_setting", "current_transaction_id", "currval", "error", "getvariable"),
        *("in_search_path", "nextval", "setval", "sleep_ms", "stats", "txid_current", "vector_type"),
        "write_log",
    }
)
# What is written without brackets; DuckDB takes a column of that name first.
_BARE = frozenset(
    {
        *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
        *("current_catalog", "current_schema"),
    }
)
# Made of the above, which DuckDB does not tell.
_BY_WAY_OF_THESE = frozenset(
    {
        *("ago", "current_catalog", "current_localtime", "current_localtimestamp"),
        *("pg_conf_load_time", "pg_postmaster_start_time", "pg_sleep"),
    }
)
# What says which row comes first, where rows have no order of their own.
_OF_SOME_ROW = frozenset({"any_value", "arbitrary", "first", "last"})
_BY_PLACE = _OF_SOME_ROW | {"first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"}
# DuckDB's own tables: its settings, its memory, what else is loaded.
_OF_THE_ENGINE = ("duckdb_", "pragma_")
CHANGING = _CHANCE | _CLOCK | _SESSION | _BY_WAY_OF_THESE


def unrepeatable(tree: Any, columns: Collection[str]) -> str | None:
    """The first part of a parsed query that may say something else another time; None when there is none.

    columns: those of the tables in its reach.
    """
    return next(_unrepeatable(tree, columns), None)


def _unrepeatable(tree: Any, columns: Collection[str]) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from _of_itself(tree, columns)
        for inner in tree.values():
            yield from _unrepeatable(inner, columns)
    elif isinstance(tree, list):
        for inner in tree:
            yield from _unrepeatable(inner, columns)


def _of_itself(part: dict[str, Any], columns: Collection[str]) -> Iterator[str]:
    if part.get("sample"):
        yield "TABLESAMPLE"
    if part.get("class") == "FUNCTION" and _changes(part):
        yield f"{part['function_name'].lower()}()"
    if part.get("class") == "FUNCTION" and part["function_name"].lower().startswith(_OF_THE_ENGINE):
        yield f"{part['function_name'].lower()}()"
    if _is_of_any_row(part):
        yield f"{part['function_name'].lower()}() without ORDER BY"
    kinds = [modifier["type"] for modifier in part.get("modifiers") or ()]
    if "ORDER_MODIFIER" not in kinds and any(kind.startswith("LIMIT") for kind in kinds):
        yield "LIMIT without ORDER BY"
    if part.get("class") == "COLUMN_REF":
        (name, *more) = (one.lower() for one in part["column_names"])
        if not more and name in _BARE and name not in columns:
            yield name


def _changes(function: dict[str, Any]) -> bool:
    name = function["function_name"].lower()
    # x.age() is age(x), the time from x until now.
    given = len(function["arguments"]) + bool(function["schema"])
    return name in CHANGING or (name == "age" and given < 2)


def _is_of_any_row(part: dict[str, Any]) -> bool:
    if part.get("class") == "WINDOW":
        return part["function_name"].lower() in _BY_PLACE and not (part["orders"] or part["arg_orders"])
    if part.get("class") == "FUNCTION":
        return part["function_name"].lower() in _OF_SOME_ROW and not part["order_bys"]["orders"]
    return False
