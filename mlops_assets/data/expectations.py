"""Expectations of a table: what is measured in its rows, and between which limits that must lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from mlops_assets.data.sql import name, names
from mlops_assets.declaration.base import Between, Counts, spell_duration
from mlops_assets.declaration.expectations import (
    Completeness,
    Distinct,
    Expectation,
    Freshness,
    History,
    Mean,
    Quantile,
    References,
    RowCount,
    Rows,
    Severity,
)
from mlops_assets.declaration.sql import bracketed

# The check that tells of each kind.
GROUP_OF = {
    "row_count": "volume",
    "freshness": "freshness",
    "completeness": "completeness",
    "distinct": "distribution",
    "mean": "distribution",
    "quantile": "distribution",
    "references": "references",
    "rows": "consistency",
}
# What is measured of each kind, as a person would say it.
SUBJECTS = {
    "row_count": "{said} rows",
    "freshness": "the newest {of} is {said}",
    "completeness": "{said} of {column} is missing",
    "distinct": "{said} different values of {column}",
    "mean": "the mean of {column} is {said}",
    "quantile": "quantile {at:g} of {column} is {said}",
    "references": "{said} of rows refer to what is not in {table}",
    "rows": "{said} of rows fail {condition}",
}
SHARES = ("completeness", "references", "rows")
# Why a row is set aside, a list. Of the table that is used only its rows count.
REASONS = "reasons"
OF_GOOD_ROWS = f"FILTER (len({REASONS}) = 0)"


@dataclass(frozen=True)
class Limits:
    """Between which values something must lie, both included; None is open. because: where they come from."""

    low: Any = None
    high: Any = None
    because: str = ""

    def hold(self, value: Any) -> bool:
        """Whether a value lies within. What could not be measured, since there was nothing, does not."""
        if value is None:
            return self.low is None and self.high is None
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Unheld:
    """In the place of a measured value that Python has no type for. why: what Python said."""

    why: str


@dataclass(frozen=True)
class Setting:
    """What a partition is judged beside. counts: the rows of each partition of the raw table, by day."""

    day: date | None = None
    timezone: str = "UTC"
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ends(self) -> datetime:
        """When the partition's day is over."""
        assert self.day is not None, "only daily tables have expectations about their days"
        midnight = datetime.combine(self.day + timedelta(days=1), time(), ZoneInfo(self.timezone))
        return midnight.astimezone(UTC)


@dataclass(frozen=True)
class Outcome:
    """How an expectation came out in one partition. could_run: False when the sentence is why it could not."""

    expectation: str
    group: str
    severity: Severity
    passed: bool
    sentence: str
    could_run: bool = True


def fails(expectation: Expectation) -> str:
    """SQL over a typed row: whether it fails a condition of rows, or refers to what is not there."""
    match expectation.expected:
        case Rows(condition=condition):
            return f"coalesce(NOT {bracketed(condition)}, false)"
        case References(table=table, columns=columns):
            there = " AND ".join(f"{name(column)} IS NOT NULL" for column in columns.values())
            here = " AND ".join(f"{name(column)} IS NOT NULL" for column in columns)
            known = f"SELECT {_together(columns.values())} FROM {name(referred(table))} WHERE {there}"
            return f"({here} AND {_together(columns)} NOT IN ({known}))"
    raise ValueError(f"{expectation.kind} is not about single rows")


def reason(expectation: Expectation) -> str:
    """Why a row that fails is set aside."""
    match expectation.expected:
        case Rows(condition=condition):
            return f"{expectation.name}: not {' '.join(condition.split())}"
        case References(table=table, columns=columns):
            return f"{expectation.name}: {', '.join(columns)} not in {table}"
    raise ValueError(f"{expectation.kind} is not about single rows")


def referred(table: str) -> str:
    """The relation that holds the validated rows of a table that others refer to."""
    return f"validated {table}"


def measured(expectation: Expectation) -> str:
    """SQL: an aggregate over the typed rows of a partition and their reasons, which the limits are about."""
    match expectation.expected:
        case RowCount():
            return "count(*)"
        case Freshness(of=moment):
            return f"max({name(moment)}) {OF_GOOD_ROWS}"
        case Completeness(column=column):
            return f"(count(*) - count({name(column)})) / count(*)"
        case Distinct(column=column):
            return f"count(DISTINCT {name(column)}) {OF_GOOD_ROWS}"
        case Mean(column=column):
            # Sums of doubles depend on their order in the last digits, which a limit must not; one that is
            # beyond doubles is no measurement.
            mean = f"favg({name(column)}) {OF_GOOD_ROWS}"
            beyond = f"error('the sum of {column} is beyond what a double holds')"
            return f"CASE WHEN NOT isfinite({mean}) THEN {beyond} ELSE CAST(format('{{:.15g}}', {mean}) AS DOUBLE) END"
        case Quantile(column=column, at=at):
            return f"quantile_disc({name(column)}, {at!r}) {OF_GOOD_ROWS}"
    return f"count(*) FILTER ({fails(expectation)}) / count(*)"


def of_no_rows(expectation: Expectation) -> float | None:
    """What is measured where there is no row: zero of what is counted, nothing else."""
    return 0 if expectation.kind in (*SHARES, "row_count", "distinct") else None


def limits(expectation: Expectation, setting: Setting) -> tuple[Limits, ...]:
    """What the measured value must satisfy. Limits without a bound say why there is none."""
    match expectation.expected:
        case RowCount(between=between, history=history):
            declared = () if between is None else (_between(between),)
            return declared if history is None else (*declared, _usual(history, setting))
        case Freshness(within=within):
            because = f"{spell_duration(within)} before the day ends"
            return (Limits(setting.ends - within, None, because),)
        case Completeness(missing_at_most=share) | References(at_most=share) | Rows(at_most=share):
            return (Limits(None, share),)
        case Distinct(between=between) | Mean(between=between) | Quantile(between=between):
            return (_between(between),)


def outcome(expectation: Expectation, value: Any, setting: Setting) -> Outcome:
    """What a measured value means."""
    if isinstance(value, Unheld):
        return could_not_run(expectation, f"what was measured cannot be held: {value.why}")
    bounds = limits(expectation, setting)
    spelled = _percent if expectation.kind in SHARES else _spelled
    said = "; ".join(_expected(one, spelled) for one in bounds)
    return Outcome(
        expectation.name,
        GROUP_OF[expectation.kind],
        expectation.severity,
        passed=all(one.hold(value) for one in bounds),
        sentence=f"{expectation.name}: {_subject(expectation, value)}, {said}",
    )


def could_not_run(expectation: Expectation, why: str) -> Outcome:
    """An expectation that nothing is known of. It blocks what its failure would block."""
    sentence = f"could not run: {expectation.name}: {why}"
    return Outcome(
        expectation.name, GROUP_OF[expectation.kind], expectation.severity, False, sentence, could_run=False
    )


def _together(columns: Iterable[str]) -> str:
    """SQL: one value of all columns; DuckDB has no row of one."""
    listed = list(columns)
    return names(listed) if len(listed) == 1 else f"row({names(listed)})"


def _between(between: Between | Counts) -> Limits:
    return Limits(*between)


def _usual(history: History, setting: Setting) -> Limits:
    """The limits that the days before set."""
    assert setting.day is not None, "only daily tables have a history of days"
    step = 7 if history.same_weekday else 1
    days = [setting.day - timedelta(days=n) for n in range(step, history.days + 1, step)]
    found = [rows for day in days if (rows := setting.counts.get(day.isoformat(), 0))]
    what = f"{len(found)} of the same weekday before" if history.same_weekday else f"{len(found)} days before"
    if len(found) < history.at_least:
        return Limits(because=f"{what}, compared from {history.at_least} on")
    usual = median(found)
    low, high = math.ceil(usual * (1 - history.within)), math.floor(usual * (1 + history.within))
    return Limits(low, high, f"within {history.within:.0%} of {usual:g}, the median of {what}")


def _subject(expectation: Expectation, value: Any) -> str:
    spelled = _percent if expectation.kind in SHARES else _spelled
    said = "nothing" if value is None else spelled(value)
    return " ".join(SUBJECTS[expectation.kind].format(said=said, **vars(expectation.expected)).split())


def _expected(bounds: Limits, spelled: Callable[[Any], str]) -> str:
    low, high = bounds.low, bounds.high
    because = f" ({bounds.because})" if bounds.because else ""
    if low is None and high is None:
        return f"nothing is expected{because}"
    if low is None:
        return f"expected at most {spelled(high)}{because}"
    if high is None:
        return f"expected at least {spelled(low)}{because}"
    return f"expected {spelled(low)} to {spelled(high)}{because}"


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _spelled(value: Any) -> str:
    """A number or a moment in few signs.

    >>> _spelled(12345), _spelled(0.5), _spelled(datetime(2013, 1, 1, 5, tzinfo=UTC))
    ('12,345', '0.5', '2013-01-01 05:00:00+00:00')
    """
    return str(value) if isinstance(value, datetime) else f"{value:,.10g}"
