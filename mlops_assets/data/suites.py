"""A table's expectations as a Great Expectations suite: plain dictionaries, for one partition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mlops_assets.data.expectations import GROUP_OF, Setting, fails, limits
from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION, name, text
from mlops_assets.data.validation import type_rules, typed_columns
from mlops_assets.declaration.expectations import (
    Completeness,
    Distinct,
    Expectation,
    Freshness,
    Kind,
    Mean,
    Quantile,
    References,
    Rows,
)
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Column, Table, table_columns

Compiled = dict[str, Any]

# Where a query is to name the rows. To Great Expectations a query is a template, other braces are doubled.
THE_BATCH = name("the batch")


def suite(table: Table, present: Sequence[str], setting: Setting, *, partition: str) -> Compiled:
    """Everything that is expected of a partition, for the relation that ``batch_rows`` yields.

    What Great Expectations cannot say of DuckDB (types of text, patterns, conditions, references)
    is said as a query for the rows that fail.
    """
    return {
        "name": f"{table.name}, {partition}",
        "expectations": [*_of_columns(table, present), *_of_table(table, setting)],
    }


def batch_rows(table: Table, raw: str, present: Sequence[str]) -> str:
    """SQL: the raw rows, each value typed under its column's name and as text under ``found <column>``."""
    found = ", ".join(f"CAST({name(column)} AS VARCHAR) AS {name(_found(column))}" for column in present)
    own = [PARTITION, EVENT_DAY] if table.is_daily else [PARTITION]
    return f"SELECT {', '.join(own)}, {typed_columns(table, present)}, {found} FROM {raw}"


def _of_columns(table: Table, present: Sequence[str]) -> Iterator[Compiled]:
    as_found = f"SELECT {', '.join(f'{name(_found(c))} AS {name(c)}' for c in present)} FROM {THE_BATCH}"
    for column, kind in table_columns(table).items():
        for rule in type_rules(column, kind):
            yield _no_rows(rule.group, rule.reason, f"SELECT * FROM ({as_found}) WHERE {rule.fails}")
    for column in (EVENT_TIME, AVAILABLE_AT):
        yield _not_missing(column)
    for column, declared in table.columns.items():
        if declared.required or column in table.key:
            yield _not_missing(column)
        yield from _of_values(column, declared)
    yield _unique(table.key)
    if table.is_daily:
        outside = f"SELECT * FROM {THE_BATCH} WHERE {EVENT_DAY} <> {PARTITION}"
        yield _no_rows("validity", f"{EVENT_TIME}: not of its partition's day", outside)


def _of_values(column: str, declared: Column) -> Iterator[Compiled]:
    if declared.between is not None:
        low, high = declared.between
        said = f"{column}: between {low} and {high}"
        bounds = {"min_value": low, "max_value": high}
        yield _expect("column_values_to_be_between", "validity", said, column=column, **bounds)
    if declared.one_of is not None:
        said = f"{column}: in its list"
        yield _expect(
            "column_values_to_be_in_set", "validity", said, column=column, value_set=list(declared.one_of)
        )
    if declared.matches is not None:
        pattern = text(declared.matches)
        query = f"SELECT * FROM {THE_BATCH} WHERE NOT regexp_full_match({name(column)}, {pattern})"
        yield _no_rows("validity", f"{column}: not of its pattern", query)


def _of_table(table: Table, setting: Setting) -> Iterator[Compiled]:
    for one in table.expectations:
        for compiled in _compiled(one, setting):
            yield {**compiled, "severity": one.severity}


def _compiled(one: Expectation, setting: Setting) -> Iterator[Compiled]:
    group, said = GROUP_OF[one.kind], one.name
    for bounds in limits(one, setting):
        low, high = bounds.low, bounds.high
        match one.expected:
            case _ if low is None and high is None:
                continue
            case Freshness(of=column):
                yield _expect("column_max_to_be_between", group, said, column=column, **_bounds(low, high))
            case Completeness(column=column):
                yield _expect("column_values_to_not_be_null", group, said, column=column, mostly=1 - high)
            case Quantile(column=column, at=at):
                ranges = {"quantiles": [at], "value_ranges": [[low, high]]}
                what = "column_quantile_values_to_be_between"
                yield _expect(what, group, said, column=column, quantile_ranges=ranges)
            case References() | Rows():
                failing = fails(one)
                too_many = f"(SELECT count(*) FILTER ({failing}) > {high!r} * count(*) FROM {THE_BATCH})"
                yield _no_rows(group, said, f"SELECT * FROM {THE_BATCH} WHERE {failing} AND {too_many}")
            case expected:
                yield _bounded(expected, group, said, low, high)


def _bounded(expected: Kind, group: str, said: str, low: float | None, high: float | None) -> Compiled:
    """An expectation about one number."""
    match expected:
        case Mean(column=column):
            return _expect("column_mean_to_be_between", group, said, column=column, **_bounds(low, high))
        case Distinct(column=column):
            what = "column_unique_value_count_to_be_between"
            return _expect(what, group, said, column=column, **_whole(low, high))
    return _expect("table_row_count_to_be_between", group, said, **_whole(low, high))


def _expect(what: str, check: str, said: str, **arguments: Any) -> Compiled:
    """One expectation of a suite. said: what we call it."""
    return {
        "type": f"expect_{what}",
        "kwargs": arguments,
        "severity": "warning",
        "meta": {"check": check, "expectation": said},
    }


def _no_rows(check: str, said: str, query: str) -> Compiled:
    """An expectation that a query for failing rows finds none."""
    template = query.replace("{", "{{").replace("}", "}}").replace(THE_BATCH, "{batch}")
    return {**_expect("", check, said, unexpected_rows_query=template), "type": "unexpected_rows_expectation"}


def _not_missing(column: str) -> Compiled:
    said = f"{column}: missing"
    return _expect("column_values_to_not_be_null", "completeness", said, column=_found(column))


def _unique(key: Sequence[str]) -> Compiled:
    said = f"{', '.join(key)}: names one row"
    if len(key) == 1:
        return _expect("column_values_to_be_unique", "uniqueness", said, column=key[0])
    columns = {"column_list": list(key), "ignore_row_if": "any_value_is_missing"}
    return _expect("compound_columns_to_be_unique", "uniqueness", said, **columns)


def _bounds(low: Any, high: Any) -> Compiled:
    return {"min_value": low, "max_value": high}


def _whole(low: float | None, high: float | None) -> Compiled:
    """Bounds of a count."""
    return _bounds(None if low is None else math.ceil(low), None if high is None else math.floor(high))


def _found(column: str) -> str:
    return f"found {column}"
