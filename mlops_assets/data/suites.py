"""A table's expectations as a Great Expectations suite: plain dictionaries, for one partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlops_assets.data.expectations import GROUP_OF, REASONS, Setting, fails, limits, measured
from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION, name, text
from mlops_assets.data.validation import type_rules
from mlops_assets.declaration.expectations import (
    Completeness,
    Distinct,
    Expectation,
    Freshness,
    Mean,
    Quantile,
    References,
    RowCount,
    Rows,
)
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Column, Table, table_columns

Compiled = dict[str, Any]

# Where a query is to name the rows. To Great Expectations a query is a template, other braces are doubled.
THE_BATCH = name("the batch")
# As many rows as a share is thought to be of: two shares of so many rows are two doubles.
MANY_ROWS = 10**8


def suite(table: Table, present: Sequence[str], setting: Setting, *, partition: str) -> Compiled:
    """Everything that is expected of a partition, for the relation that ``batch_rows`` yields.

    What Great Expectations cannot say of DuckDB (types of text, patterns, conditions, references), or says
    otherwise (it takes a quantile for within its limits when it is nearly, and sums a mean in another order), is
    said as a query for the rows that fail, which measures as we do.
    """
    return {
        "name": f"{table.name}, {partition}",
        "expectations": [*_of_columns(table, present), *_of_table(table, setting)],
    }


def shown_columns(table: Table, present: Sequence[str]) -> list[str]:
    """The raw columns whose text ``batch_rows`` needs of every checked row, in this order."""
    return [*present, EVENT_DAY] if table.is_daily else list(present)


def batch_rows(table: Table, checked: str, present: Sequence[str]) -> str:
    """SQL over checked rows, ``found`` of all of them: the values and reasons that the suite is about.

    Each value stands typed under its column's name, and as text under ``found <column>``; what is asked of
    good rows only, under ``good <column>``, where those that were set aside are missing.
    """
    shown = shown_columns(table, present)
    found = [f"found[{place}] AS {name(_as_shown(column))}" for place, column in enumerate(shown, start=1)]
    good = [
        f"CASE WHEN len({REASONS}) = 0 THEN {name(c)} END AS {name(_good(c))}" for c in table_columns(table)
    ]
    columns = [PARTITION, *map(name, table_columns(table)), REASONS, *found, *good]
    return f"SELECT {', '.join(columns)} FROM {checked}"


def _as_shown(column: str) -> str:
    return EVENT_DAY if column == EVENT_DAY else _found(column)


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
    for bounds in limits(one, setting):
        if bounds.low is not None or bounds.high is not None:
            yield _within(one, bounds.low, bounds.high)


def _within(one: Expectation, low: Any, high: Any) -> Compiled:
    """What is measured lies within limits."""
    group, said = GROUP_OF[one.kind], one.name
    match one.expected:
        case RowCount():
            return _expect("table_row_count_to_be_between", group, said, **_bounds(low, high))
        case Freshness(of=column):
            what = "column_max_to_be_between"
            return _expect(what, group, said, column=_good(column), **_bounds(low, high))
        case Completeness(column=column):
            what = "column_values_to_not_be_null"
            return _expect(what, group, said, column=column, mostly=share_present(high))
        case Distinct(column=column):
            what = "column_unique_value_count_to_be_between"
            return _expect(what, group, said, column=_good(column), **_bounds(low, high))
        case References() | Rows():
            failing = fails(one)
            too_many = f"(SELECT {_outside(measured(one), low, high)} FROM {THE_BATCH})"
            return _no_rows(group, said, f"SELECT * FROM {THE_BATCH} WHERE {failing} AND {too_many}")
        case Mean() | Quantile():
            found = f"(SELECT {measured(one)} AS found FROM {THE_BATCH})"
            return _no_rows(group, said, f"SELECT * FROM {found} WHERE {_outside('found', low, high)}")


def share_present(missing_at_most: float) -> float:
    """The share that must be there, where Great Expectations divides what is there by the rows.

    It is the double nearest to 1 - p, where p is the fraction that was written: then k of n rows that miss are
    too many for both or for neither. 1 - 0.7 in doubles is more than 0.3.

    >>> share_present(0.7), share_present(1 / 3) == 2 / 3
    (0.3, True)
    """
    written = Fraction(missing_at_most).limit_denominator(MANY_ROWS)
    # A number of more digits than a share of so many rows has is meant as it is.
    return float(1 - (written if float(written) == missing_at_most else Fraction(missing_at_most)))


def _outside(value: str, low: float | None, high: float | None) -> str:
    """SQL: whether a value is not within limits; what could not be measured, since there was nothing, is not."""
    within = [
        f"{value} {relation} {_plain(bound)}"
        for relation, bound in ((">=", low), ("<=", high))
        if bound is not None
    ]
    return f"coalesce(NOT ({' AND '.join(within)}), true)"


def _plain(number: float) -> str:
    """SQL: the digits of a number, without the exponent that would make it a double beside an integer."""
    return f"{Decimal(repr(number)):f}"


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


def _found(column: str) -> str:
    return f"found {column}"


def _good(column: str) -> str:
    return f"good {column}"
