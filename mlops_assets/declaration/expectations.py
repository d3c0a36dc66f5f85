"""What a partition of a table must look like beyond the values of each row, and how much it matters.

What is asked of what arrived counts every row: ``row_count``, ``completeness``, ``references`` and ``rows``. What is
asked of the table that is used counts only the rows in it, not those set aside: ``freshness``, ``distinct``, ``mean``
and ``quantile``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.declaration.base import Between, Counts, Declaration, Duration, Flag, Name, Number, Whole
from mlops_assets.declaration.condition import columns_used, require_condition, require_repeatable
from mlops_assets.declaration.sql import Condition
from mlops_assets.errors import DeclarationError, nearest

Severity = Literal["critical", "warning", "info"]
Share = Annotated[Number, Field(ge=0, le=1)]
Place = tuple[str | int, ...]
# Ten years. Each of these days is looked at for each day that is judged, and what came before says little of today.
LONGEST_HISTORY = 3660


class History(Declaration):
    """What the partitions before say is usual: the median of their row counts, and how far one may be from it.

    days: how far back to look. same_weekday: only at the days of the same weekday.
    at_least: so many days must be recorded, or nothing is said. Empty days do not count.
    """

    days: Annotated[Whole, Field(ge=1, le=LONGEST_HISTORY)] = 28
    within: Share
    same_weekday: Flag = False
    at_least: Annotated[Whole, Field(ge=1)] = 7

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        days = self.days // 7 if self.same_weekday else self.days
        if self.at_least > days:
            raise ValueError(f"'at_least' asks for {self.at_least} days and only {days} are looked at")
        return self


class RowCount(Declaration):
    """How many rows arrive, good or not: between two numbers, about as many as usual, or both."""

    between: Counts | None = None
    history: History | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.between is None and self.history is None:
            raise ValueError("expected 'between', 'history' or both")
        return self


class Freshness(Declaration):
    """The newest good row is at most so much older than the end of its partition's day."""

    within: Duration
    of: Literal["event_time", "available_at"] = "event_time"


class Completeness(Declaration):
    """At most this share of a column is missing in the rows that arrive; a value not of its type counts as missing."""

    column: Name
    missing_at_most: Share


class Distinct(Declaration):
    """How many different values a column has in good rows."""

    column: Name
    between: Counts


class Mean(Declaration):
    """The average of a column over good rows, to fifteen digits."""

    column: Name
    between: Between


class Quantile(Declaration):
    """A quantile of a column over good rows, as one of its values; ``at: 0.5`` is the median."""

    column: Name
    at: Share
    between: Between


class References(Declaration):
    """The values of columns exist in a snapshot table of the same source.

    columns: own column -> column there. A row that misses one of them refers to nothing and passes.
    at_most: the share of the rows that arrive that may refer to what is not there.
    """

    table: Name
    columns: dict[Name, Name] = Field(min_length=1)
    at_most: Share = 0.0
    set_aside: Flag | None = None


class Rows(Declaration):
    """A SQL condition over the columns of a row. As a CHECK in SQL it fails when it is false, not when unknown.

    at_most: the share of the rows that arrive that may fail. set_aside: rows that fail go to quarantine.
    """

    condition: Condition
    at_most: Share = 0.0
    set_aside: Flag | None = None


KINDS = ("row_count", "freshness", "completeness", "distinct", "mean", "quantile", "references", "rows")
Kind = RowCount | Freshness | Completeness | Distinct | Mean | Quantile | References | Rows


class Expectation(Declaration):
    """One expectation: a name, exactly one of its kinds, and a severity.

    severity: ``critical`` forbids using the partition when it fails, ``warning`` tells, ``info``
    is only measured. Rows that fail a critical condition are set aside unless it says otherwise.
    """

    name: Name
    description: str = ""
    severity: Severity = "warning"
    row_count: RowCount | None = None
    freshness: Freshness | None = None
    completeness: Completeness | None = None
    distinct: Distinct | None = None
    mean: Mean | None = None
    quantile: Quantile | None = None
    references: References | None = None
    rows: Rows | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        said = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(said) != 1:
            raise ValueError(
                f"found {' and '.join(said) or 'none'}, expected exactly one of {', '.join(KINDS)}"
            )
        return self

    @property
    def kind(self) -> str:
        """The word it is declared with."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def expected(self) -> Kind:
        """What is declared below that word."""
        found: Kind = getattr(self, self.kind)
        return found

    @property
    def sets_aside(self) -> bool:
        """Whether rows that fail go to quarantine."""
        match self.expected:
            case References(set_aside=said) | Rows(set_aside=said):
                return self.severity == "critical" if said is None else said
        return False

    def columns(self) -> Iterator[tuple[Place, str]]:
        """Every column of its table that it names, and where below the expectation it stands."""
        match self.expected:
            case Completeness(column=column) | Distinct(column=column) | Mean(column=column):
                yield (self.kind, "column"), column
            case Quantile(column=column):
                yield (self.kind, "column"), column
            case References(columns=columns):
                yield from (((self.kind, "columns", column), column) for column in columns)
            case Rows(condition=condition):
                yield from (((self.kind, "condition"), column) for column in columns_used(condition))


def misfits(
    expectation: Expectation, table: str, types: Mapping[str, str], *, daily: bool
) -> Iterator[tuple[Place, str]]:
    """Why an expectation cannot be one of a table with columns of these types, and where it says so."""
    try:
        named = _named(expectation, types)
    except DeclarationError as error:
        yield (expectation.kind, "condition"), str(error)
        return
    for place, column in named:
        if column not in types:
            yield place, f"{expectation.name!r}: {table!r} has no column {column!r}. {nearest(column, types)}"
        elif expectation.kind in ("mean", "quantile") and types[column] not in ("integer", "number"):
            yield place, f"'{expectation.kind}' needs an integer or number column, found {types[column]}"
    if expectation.rows and all(column in types for _, column in named):
        try:
            require_condition(expectation.rows.condition, table, types)
        except DeclarationError as error:
            yield ("rows", "condition"), str(error)
    if not daily and (expectation.freshness or _of_history(expectation)):
        yield (
            (expectation.kind,),
            f"{table!r} has no days to compare; expected a table with 'partitions: daily'",
        )


def _named(expectation: Expectation, types: Mapping[str, str]) -> list[tuple[Place, str]]:
    """The columns an expectation names. Raises DeclarationError for a condition that is none."""
    if expectation.rows:
        # Before the columns, for one of which current_date could be taken.
        require_repeatable(expectation.rows.condition, types)
    return list(expectation.columns())


def _of_history(expectation: Expectation) -> bool:
    return expectation.row_count is not None and expectation.row_count.history is not None
