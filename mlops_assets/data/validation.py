"""Typed, checked rows out of raw ones; the rest goes to quarantine with every reason it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_assets.data.expectations import GROUP_OF, REASONS, Outcome, fails, measured, of_no_rows, reason
from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION, name, names, text
from mlops_assets.declaration.source import AVAILABLE_AT, EVENT_TIME, Column, Table, table_columns
from mlops_assets.declaration.sql import SQL_TYPES
from mlops_assets.governance.verdicts import Verdict

# Groups of reasons that the columns themselves give.
COLUMN_GROUPS = ("types", "completeness", "uniqueness", "validity")
# The first and the last day of a moment: DuckDB knows earlier and later ones, and infinity; Python does not.
EARLIEST, LATEST = "0001-01-01", "9999-12-31"

DESCRIPTIONS: dict[str, str] = {
    "types": "Every value is of its declared type.",
    "completeness": "No required value is missing, and no column more than expected.",
    "uniqueness": "The key names one row.",
    "validity": "Values lie in their ranges, lists and patterns.",
    "consistency": "The values of a row agree with each other.",
    "references": "What a row refers to exists.",
    "volume": "As many rows arrived as expected.",
    "freshness": "The newest good row is new enough.",
    "distribution": "Values are distributed as expected.",
    "quarantined_share": "Few enough rows were set aside for the rest to be representative.",
}


@dataclass(frozen=True)
class Rule:
    """A reason to set a row aside. fails: SQL over a raw row, true when the reason applies."""

    group: str
    reason: str
    fails: str


@dataclass(frozen=True)
class PartitionCounts:
    """What validation found in one partition. missing: how many values each column lacks, offenders only.

    measured: what each expectation is about, by its name.
    """

    rows: int
    quarantined: int
    by_reason: Mapping[str, int]
    missing: Mapping[str, int]
    measured: Mapping[str, Any]


def checks(table: Table) -> dict[str, str]:
    """The checks that a table has, each with what it asks."""
    told = {GROUP_OF[one.kind] for one in table.expectations if one.severity != "info"}
    return {
        group: description
        for group, description in DESCRIPTIONS.items()
        if group in (*COLUMN_GROUPS, "quarantined_share") or group in told
    }


def blocking(table: Table) -> tuple[str, ...]:
    """The checks whose failure may forbid using a partition."""
    critical = (GROUP_OF[one.kind] for one in table.expectations if one.severity == "critical")
    return tuple(dict.fromkeys([*critical, "quarantined_share"]))


def rules(table: Table, present: Sequence[str]) -> tuple[Rule, ...]:
    """Every reason a row of ``table`` can be set aside for, in the order they are reported.

    present: the columns the raw table has. A declared column that it lacks counts as missing.
    """
    return tuple(_rules(table, frozenset(present)))


def repeated_keys(table: Table, raw: str, present: Sequence[str]) -> str:
    """SQL: a row for each key of a partition that several rows of ``raw`` have."""
    if not set(table.key) <= set(present):
        return f"SELECT {PARTITION} AS {_repeated(PARTITION)} FROM {raw} WHERE false"
    key = _key(table)
    named = {PARTITION: PARTITION, **dict(zip(table.key, key, strict=True))}
    columns = ", ".join(f"{value} AS {_repeated(column)}" for column, value in named.items())
    return f"""
        SELECT {columns} FROM {raw} WHERE {_is_complete(key)}
        GROUP BY ALL HAVING count(*) > 1"""


def checked_rows(
    table: Table, raw: str, present: Sequence[str], *, repeated: str, all_as_found: bool = False
) -> str:
    """SQL: every row of the relation ``raw`` as found, as typed, and with its reasons.

    Yields ``partition``, one typed column per declared column, ``event_time``, ``available_at``,
    ``reasons`` (a list, empty for good rows) and, for rows set aside or for all, ``found`` (the raw text of
    the ``present`` columns, a list). repeated: the relation that holds what ``repeated_keys`` yields.
    """
    have = frozenset(present)
    of_row = [rule for rule in _rules(table, have) if rule.group != "uniqueness"]
    if not set(table.key) <= have:
        return _checked(table, raw, present, of_row, all_as_found)
    # Only rows whose keys repeat are compared with each other: that many memory holds at once.
    same = " AND ".join(
        f"{value} = {_repeated(column)}"
        for column, value in zip((PARTITION, *table.key), (PARTITION, *_key(table)), strict=True)
    )
    return f"""
        {_checked(table, f"{raw} ANTI JOIN {repeated} ON {same}", present, of_row, all_as_found)}
        UNION ALL
        {_checked(table, f"{raw} SEMI JOIN {repeated} ON {same}", present, rules(table, present), all_as_found)}"""


def _checked(
    table: Table, raw: str, present: Sequence[str], asked: Sequence[Rule], all_as_found: bool
) -> str:
    typed = typed_columns(table, present)
    aside = [one for one in table.expectations if one.sets_aside]
    reasons = ", ".join(f"CASE WHEN {rule.fails} THEN {text(rule.reason)} END" for rule in asked)
    found = ", ".join(f"CAST({name(column)} AS VARCHAR)" for column in present)
    # Only rows that are set aside are shown as found; a condition may yet set aside any row.
    needed = "true" if aside or all_as_found else f"len({REASONS}) > 0"
    checked = f"""
        SELECT {PARTITION}, {typed}, {_without_nulls(reasons)} AS {REASONS},
               CASE WHEN {needed} THEN [{found}] END AS found
        FROM {raw}"""
    if not aside:
        return checked
    # Conditions speak of typed values, so they are asked of the rows that have them.
    more = ", ".join(f"CASE WHEN {fails(one)} THEN {text(reason(one))} END" for one in aside)
    return f"""
        SELECT * REPLACE (list_concat({REASONS}, {_without_nulls(more)}) AS {REASONS})
        FROM ({checked})"""


def typed_columns(table: Table, present: Sequence[str]) -> str:
    """SQL over a raw row: every column in its declared type, null where the text is not of that type."""
    have = frozenset(present)
    typed = (
        f"{_typed(column, kind, have)} AS {name(column)}" for column, kind in table_columns(table).items()
    )
    return ", ".join(typed)


def validated_rows(table: Table, checked: str) -> str:
    """SQL: the good rows, typed, ordered by partition, event time and key."""
    columns = names(table_columns(table))
    return f"""
        SELECT {PARTITION}, {columns} FROM {checked} WHERE len({REASONS}) = 0
        ORDER BY {PARTITION}, {EVENT_TIME}, {names(table.key)}"""


def quarantined_rows(checked: str, present: Sequence[str]) -> str:
    """SQL: the rows set aside, as they were found (text), each with all its reasons."""
    found = ", ".join(f"{text(column)}: found[{place}]" for place, column in enumerate(present, start=1))
    return f"""
        SELECT {PARTITION}, found.*, {REASONS}
        FROM (SELECT {PARTITION}, {{{found}}} AS found, {REASONS} FROM {checked} WHERE len({REASONS}) > 0)
        ORDER BY {PARTITION}, CAST(found AS VARCHAR), {REASONS}"""


def counts_query(table: Table, checked: str) -> str:
    """SQL: one row per partition: rows, quarantined, missing values of every column, and what is expected of."""
    missing = [
        f"count(*) - count({name(column)}) AS {name('missing ' + column)}" for column in table_columns(table)
    ]
    expected = [f"{measured(one)} AS {name('expected ' + one.name)}" for one in table.expectations]
    return f"""
        SELECT {PARTITION}, count(*) AS rows, count(*) FILTER (len({REASONS}) > 0) AS quarantined,
               {", ".join([*missing, *expected])}
        FROM {checked} GROUP BY {PARTITION} ORDER BY {PARTITION}"""


def reasons_query(checked: str) -> str:
    """SQL: how many rows of each partition have each reason."""
    return f"""
        SELECT {PARTITION}, reason, count(*) AS rows
        FROM (SELECT {PARTITION}, unnest({REASONS}) AS reason FROM {checked})
        GROUP BY ALL ORDER BY ALL"""


def counts_of(table: Table, row: Mapping[str, Any] | None, by_reason: Mapping[str, int]) -> PartitionCounts:
    """The counts of one partition. row: what ``counts_query`` says of it; None when it has no rows."""
    if row is None:
        return PartitionCounts(0, 0, {}, {}, {one.name: of_no_rows(one) for one in table.expectations})
    missing = {column: row[f"missing {column}"] for column in table_columns(table)}
    return PartitionCounts(
        rows=row["rows"],
        quarantined=row["quarantined"],
        by_reason=by_reason,
        missing={column: count for column, count in missing.items() if count},
        measured={one.name: row[f"expected {one.name}"] for one in table.expectations},
    )


def verdicts(
    table: Table, counts: PartitionCounts, outcomes: Sequence[Outcome], present: Sequence[str]
) -> tuple[Verdict, ...]:
    """What the checks say about one partition, one verdict per name in ``checks``."""
    group_of = {rule.reason: rule.group for rule in rules(table, present)}
    absent = [column for column in table_columns(table) if column not in present]
    said = []
    for group in checks(table):
        rows = {r: n for r, n in counts.by_reason.items() if group_of.get(r) == group}
        told = [one for one in outcomes if one.group == group and one.severity != "info"]
        said.append(_group_verdict(group, rows, told, absent if group == "types" else ()))
    return tuple(_with_unmeasured([*said[:-1], _share_verdict(table, counts)], outcomes))


def _with_unmeasured(said: Sequence[Verdict], outcomes: Sequence[Outcome]) -> Iterator[Verdict]:
    """The verdicts, and with them what was to be measured only and could not be: it fails no check.

    It is told by the check of its group, or where that has none by the last check.
    """
    unmeasured = [one for one in outcomes if one.severity == "info" and not one.could_run]
    groups = {verdict.check for verdict in said}
    for verdict in said:
        sentences = [
            one.sentence
            for one in unmeasured
            if (one.group if one.group in groups else said[-1].check) == verdict.check
        ]
        yield replace(verdict, reason="; ".join([verdict.reason, *sentences]))


def _group_verdict(
    group: str, rows: Mapping[str, int], told: Sequence[Outcome], absent: Sequence[str]
) -> Verdict:
    failed = [one for one in told if not one.passed]
    sentences = [f"could not run: the raw rows have no column {column}" for column in absent]
    sentences += [one.sentence for one in sorted(failed, key=lambda one: one.could_run)]
    if rows or (group in COLUMN_GROUPS and not sentences):
        sentences.append(_tell(rows))
    passed = not (rows or failed or absent)
    critical = [one for one in (told if passed else failed) if one.severity == "critical"]
    sentences += [one.sentence for one in told if passed]
    unknown = any(not one.could_run for one in failed)
    blocking = bool(absent or critical)
    return Verdict(group, passed, "; ".join(sentences), blocking=blocking, error=blocking or unknown)


def _share_verdict(table: Table, counts: PartitionCounts) -> Verdict:
    share = counts.quarantined / counts.rows if counts.rows else 0.0
    said = (
        f"{counts.quarantined} of {counts.rows} rows set aside ({share:.2%}), "
        f"at most {table.quarantine_at_most:.2%} may be"
    )
    return Verdict("quarantined_share", share <= table.quarantine_at_most, said, blocking=True)


def _tell(found: Mapping[str, int]) -> str:
    if not found:
        return "no row failed"
    worst = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{reason} ({rows} rows)" for reason, rows in worst)


def _rules(table: Table, have: frozenset[str]) -> Iterator[Rule]:
    for column, kind in table_columns(table).items():
        if column in have:
            yield from type_rules(column, kind)
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


def type_rules(column: str, kind: str) -> Iterator[Rule]:
    """What is wrong with text that is not of a type."""
    found, cast = name(column), _cast(column, kind)
    article = "an" if kind == "integer" else "a"
    fails = f"{found} IS NOT NULL AND {cast} IS NULL"
    if kind == "integer":
        fails += f" OR {_is_a_fraction(column)}"
    yield Rule("types", f"{column}: not {article} {kind}", f"({fails})")
    if kind == "number":
        yield Rule("types", f"{column}: not finite", f"coalesce(NOT isfinite({cast}), false)")
    if kind == "timestamp":
        yield Rule(
            "types", f"{column}: not in {EARLIEST} to {LATEST}", f"coalesce(NOT {_in_time(cast)}, false)"
        )


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
    typed = _key(table)
    key, complete = ", ".join([PARTITION, *typed]), _is_complete(typed)
    row = f"hash({names(sorted(have))})"
    conflict = f"min({row}) OVER (PARTITION BY {key}) <> max({row}) OVER (PARTITION BY {key})"
    repeat = f"row_number() OVER (PARTITION BY {key}) > 1 AND NOT ({conflict})"
    label = ", ".join(table.key)
    yield Rule("uniqueness", f"{label}: conflicting rows for one key", f"({complete} AND {conflict})")
    yield Rule("uniqueness", f"{label}: repeats an identical row", f"({complete} AND {repeat})")


def _key(table: Table) -> list[str]:
    """SQL: the typed values that name a row: 1 and 01 are one key."""
    return [_typed(column, table.columns[column].type, frozenset(table.key)) for column in table.key]


def _repeated(column: str) -> str:
    """What a column of a key is called among the repeated keys, so that no raw row has it too."""
    return name(f"repeated {column}")


def _is_complete(key: Sequence[str]) -> str:
    return " AND ".join(f"{column} IS NOT NULL" for column in key)


def _typed(column: str, kind: str, have: frozenset[str]) -> str:
    """SQL: the value in its declared type; null for what is not of that type."""
    if column not in have:
        return f"CAST(NULL AS {SQL_TYPES[kind]})"
    cast = _cast(column, kind)
    if kind == "integer":
        return f"CASE WHEN NOT {_is_a_fraction(column)} THEN {cast} END"
    if kind == "number":
        return f"CASE WHEN isfinite({cast}) THEN {cast} END"
    if kind == "timestamp":
        return f"CASE WHEN {_in_time(cast)} THEN {cast} END"
    return cast


def _in_time(moment: str) -> str:
    return f"{moment} BETWEEN TIMESTAMPTZ '{EARLIEST}' AND TIMESTAMPTZ '{LATEST} 23:59:59.999999'"


def _cast(column: str, kind: str) -> str:
    return f"TRY_CAST({name(column)} AS {SQL_TYPES[kind]})"


def _is_a_fraction(column: str) -> str:
    """SQL: whether a number is not whole. DuckDB rounds '1.5' to 2 when it casts."""
    exact = f"TRY_CAST({name(column)} AS DECIMAL(38, 6)) <> {_cast(column, 'integer')}"
    # Beyond six digits: a number that is a fraction even when it is rounded to binary.
    number = f"TRY_CAST({name(column)} AS DOUBLE)"
    return f"(coalesce({exact}, false) OR coalesce({number} <> floor({number}), false))"


def _without_nulls(values: str) -> str:
    return f"list_filter([{values}], lambda value: value IS NOT NULL)"
