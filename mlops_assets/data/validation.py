"""Typed, checked rows out of raw ones; the rest goes to quarantine with every reason it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION, name, names, text
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Column, Table, table_columns
from mlops_assets.declaration.sql import SQL_TYPES
from mlops_assets.governance.verdicts import Verdict

Group = Literal["types", "completeness", "uniqueness", "validity"]
GROUPS: tuple[Group, ...] = ("types", "completeness", "uniqueness", "validity")
REASONS = "reasons"

CHECKS: dict[str, str] = {
    "types": "Every value is of its declared type.",
    "completeness": "No required value is missing.",
    "uniqueness": "The key names one row.",
    "validity": "Values lie in their ranges, lists and patterns.",
    "quarantined_share": "Few enough rows were set aside for the rest to be representative.",
}
BLOCKING = ("quarantined_share",)


@dataclass(frozen=True)
class Rule:
    """A reason to set a row aside. fails: SQL over a raw row, true when the reason applies."""

    group: Group
    reason: str
    fails: str


@dataclass(frozen=True)
class PartitionCounts:
    """What validation found in one partition. missing: share of nulls per column, offenders only."""

    rows: int
    quarantined: int
    by_reason: Mapping[str, int]
    missing: Mapping[str, float]


def rules(table: Table, present: Sequence[str]) -> tuple[Rule, ...]:
    """Every reason a row of ``table`` can be set aside for, in the order they are reported.

    present: the columns the raw table has. A declared column that it lacks counts as missing.
    """
    return tuple(_rules(table, frozenset(present)))


def checked_rows(table: Table, raw: str, present: Sequence[str]) -> str:
    """SQL: every row of the relation ``raw`` as found, as typed, and with its reasons.

    Yields ``partition``, ``found`` (a struct of the raw text), one typed column per declared
    column, ``event_time``, ``available_at`` and ``reasons`` (a list, empty for good rows).
    """
    have = frozenset(present)
    typed = ", ".join(
        f"{_typed(column, kind, have)} AS {name(column)}" for column, kind in table_columns(table).items()
    )
    reasons = ", ".join(
        f"CASE WHEN {rule.fails} THEN {text(rule.reason)} END" for rule in _rules(table, have)
    )
    found = ", ".join(f"{text(column)}: CAST({name(column)} AS VARCHAR)" for column in present)
    return f"""
        SELECT {PARTITION}, {{{found}}} AS found, {typed},
               list_filter([{reasons}], lambda reason: reason IS NOT NULL) AS {REASONS}
        FROM {raw}"""


def validated_rows(table: Table, checked: str) -> str:
    """SQL: the good rows, typed, ordered by partition, event time and key."""
    columns = names(table_columns(table))
    return f"""
        SELECT {PARTITION}, {columns} FROM {checked} WHERE len({REASONS}) = 0
        ORDER BY {PARTITION}, {EVENT_TIME}, {names(table.key)}"""


def quarantined_rows(table: Table, checked: str) -> str:
    """SQL: the rows set aside, as they were found (text), each with all its reasons."""
    return f"""
        SELECT {PARTITION}, found.*, {REASONS} FROM {checked} WHERE len({REASONS}) > 0
        ORDER BY {PARTITION}, CAST(found AS VARCHAR)"""


def counts_query(table: Table, checked: str) -> str:
    """SQL: one row per partition: rows, quarantined, and the missing values of every column."""
    missing = ", ".join(
        f"count(*) - count({name(column)}) AS {name('missing_' + column)}" for column in table_columns(table)
    )
    return f"""
        SELECT {PARTITION}, count(*) AS rows, count(*) FILTER (len({REASONS}) > 0) AS quarantined, {missing}
        FROM {checked} GROUP BY {PARTITION} ORDER BY {PARTITION}"""


def reasons_query(checked: str) -> str:
    """SQL: how many rows of each partition have each reason."""
    return f"""
        SELECT {PARTITION}, reason, count(*) AS rows
        FROM (SELECT {PARTITION}, unnest({REASONS}) AS reason FROM {checked})
        GROUP BY ALL ORDER BY ALL"""


def verdicts(table: Table, counts: PartitionCounts, present: Sequence[str]) -> tuple[Verdict, ...]:
    """What the checks say about one partition, one verdict per name in ``CHECKS``."""
    group_of = {rule.reason: rule.group for rule in rules(table, present)}
    by_group = {
        group: {r: n for r, n in counts.by_reason.items() if group_of[r] == group} for group in GROUPS
    }
    return (
        *(Verdict(group, not found, _tell(found)) for group, found in by_group.items()),
        _share_verdict(table, counts),
    )


def _share_verdict(table: Table, counts: PartitionCounts) -> Verdict:
    share = counts.quarantined / counts.rows if counts.rows else 0.0
    reason = (
        f"{counts.quarantined} of {counts.rows} rows set aside ({share:.2%}), "
        f"at most {table.quarantine_at_most:.2%} may be"
    )
    return Verdict("quarantined_share", share <= table.quarantine_at_most, reason, blocking=True)


def _tell(found: Mapping[str, int]) -> str:
    if not found:
        return "no row failed"
    worst = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{reason} ({rows} rows)" for reason, rows in worst)


def _rules(table: Table, have: frozenset[str]) -> Iterator[Rule]:
    for column, kind in table_columns(table).items():
        if column in have:
            yield from _type_rules(column, kind)
    for column in (EVENT_TIME, AVAILABLE_AT):
        yield _missing(column, "timestamp", have)
    for column, declared in table.columns.items():
        if declared.required or column in table.key:
            yield _missing(column, declared.type, have)
        yield from _value_rules(column, declared, have)
    yield from _key_rules(table, have)
    if table.is_daily:
        outside = f"coalesce({EVENT_DAY} <> {PARTITION}, false)"
        yield Rule("validity", f"{EVENT_TIME}: not of its partition's day", outside)


def _type_rules(column: str, kind: str) -> Iterator[Rule]:
    found, typed = name(column), f"TRY_CAST({name(column)} AS {SQL_TYPES[kind]})"
    article = "an" if kind == "integer" else "a"
    fails = f"{found} IS NOT NULL AND {typed} IS NULL"
    if kind == "integer":
        # DuckDB rounds '1.5' to 2 when it casts; a fraction is not an integer here.
        fails += f" OR coalesce(TRY_CAST({found} AS DECIMAL(38, 6)) <> {typed}, false)"
    yield Rule("types", f"{column}: not {article} {kind}", f"({fails})")
    if kind == "number":
        yield Rule("types", f"{column}: not finite", f"coalesce(NOT isfinite({typed}), false)")


def _missing(column: str, kind: str, have: frozenset[str]) -> Rule:
    fails = f"{name(column)} IS NULL" if column in have else "true"
    return Rule("completeness", f"{column}: missing", fails)


def _value_rules(column: str, declared: Column, have: frozenset[str]) -> Iterator[Rule]:
    typed = _typed(column, declared.type, have)
    if declared.between is not None:
        low, high = declared.between
        if low is not None:
            yield Rule("validity", f"{column}: below {low:g}", f"coalesce({typed} < {low!r}, false)")
        if high is not None:
            yield Rule("validity", f"{column}: above {high:g}", f"coalesce({typed} > {high!r}, false)")
    if declared.one_of is not None:
        allowed = ", ".join(text(value) for value in declared.one_of)
        yield Rule("validity", f"{column}: not in its list", f"coalesce({typed} NOT IN ({allowed}), false)")
    if declared.matches is not None:
        pattern = text(declared.matches)
        yield Rule(
            "validity",
            f"{column}: not of its pattern",
            f"coalesce(NOT regexp_full_match({typed}, {pattern}), false)",
        )


def _key_rules(table: Table, have: frozenset[str]) -> Iterator[Rule]:
    if not set(table.key) <= have:
        return
    key = f"{PARTITION}, {names(table.key)}"
    complete = " AND ".join(f"{name(column)} IS NOT NULL" for column in table.key)
    row = f"hash({names(sorted(have))})"
    conflict = f"min({row}) OVER (PARTITION BY {key}) <> max({row}) OVER (PARTITION BY {key})"
    repeat = f"row_number() OVER (PARTITION BY {key}) > 1 AND NOT ({conflict})"
    label = ", ".join(table.key)
    yield Rule("uniqueness", f"{label}: conflicting rows for one key", f"({complete} AND {conflict})")
    yield Rule("uniqueness", f"{label}: repeats an identical row", f"({complete} AND {repeat})")


def _typed(column: str, kind: str, have: frozenset[str]) -> str:
    found = name(column) if column in have else "NULL"
    return f"TRY_CAST({found} AS {SQL_TYPES[kind]})"
