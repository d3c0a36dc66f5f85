"""Raw partitions judged: the good rows, the rows set aside, and what the checks say of each day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb
import pyarrow as pa

from mlops_assets.data.expectations import Outcome, Setting, Unheld, could_not_run, outcome, referred
from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION
from mlops_assets.data.sql import name as quoted
from mlops_assets.data.suites import batch_rows, shown_columns, suite
from mlops_assets.data.validation import (
    PartitionCounts,
    checked_rows,
    counts_of,
    counts_query,
    quarantined_rows,
    reasons_query,
    repeated_keys,
    validated_rows,
    verdicts,
)
from mlops_assets.declaration.source import Source, Table
from mlops_assets.errors import GateRefusal, NotMaterialized
from mlops_assets.stores.engine import Session
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced, together
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.suites import BATCH, SuiteResult, run_suite

# As many refused partitions as an error names.
SHOWN = 10


@dataclass(frozen=True)
class Judged:
    """Validated and quarantined rows; together they are the raw rows. counts, outcomes: by partition."""

    validated: Produced
    quarantined: Produced
    counts: Mapping[str, PartitionCounts]
    outcomes: Mapping[str, tuple[Outcome, ...]]


@dataclass(frozen=True)
class Asked:
    """Of the raw partitions that are to be judged, those that may be read; and why each other one may not."""

    raw: Pinned
    partitions: tuple[str, ...]
    refused: Mapping[str, str]

    @classmethod
    def of(cls, stores: Stores, raw: str, partitions: Sequence[str]) -> Self:
        """Raises what a reader of all would be told where none of them may be read."""
        refused = stores.lake.refused(raw, partitions)
        pinned = stores.lake.pin(raw, [one for one in partitions if one not in refused])
        refused |= dict.fromkeys(pinned.absent, "nothing was written to it yet")
        readable = tuple(one for one in partitions if one not in refused)
        if not readable:
            stores.lake.pin(raw, partitions).require(partitions)
        return cls(pinned, readable, refused)

    def require_all(self) -> None:
        """Raise GateRefusal for the partitions that may not be read."""
        if self.refused:
            named = [f"  {self.raw.table}, partition {one}: {why}" for one, why in self.refused.items()]
            more = [f"  … and {len(named) - SHOWN} more"] if len(named) > SHOWN else []
            raise GateRefusal(
                f"{len(self.refused)} of {len(self.refused) + len(self.partitions)} partitions were not judged; "
                "mend the data and materialize them again:\n" + "\n".join([*named[:SHOWN], *more])
            )


@dataclass(frozen=True)
class Referred:
    """The tables that rows refer to, by name. absent: why one of them cannot be read."""

    pinned: Mapping[str, Pinned] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def contents(self) -> tuple[Content, ...]:
        """Exactly what was read of them."""
        return tuple(content for pinned in self.pinned.values() for content in pinned.contents)


def judge(
    stores: Stores,
    source: Source,
    table: Table,
    raw: Pinned,
    partitions: Sequence[str],
    *,
    refers_to: Mapping[str, str] | None = None,
) -> Judged:
    """Validate partitions of a raw table. Raises NotMaterialized when one was never ingested.

    refers_to: the lake table of each table that rows refer to. An expectation that cannot be
    evaluated costs its own verdict, of that partition, and no other.
    """
    raw.require(partitions)
    try:
        return _judged(stores, source, table, raw, partitions, refers_to or {})
    except duckdb.Error:
        if len(partitions) == 1:
            raise
        # What cannot be evaluated may be in the rows of one day; the others keep their verdicts.
        alone = [
            judge(
                stores,
                source,
                table,
                stores.lake.pin(raw.table, [day], version=raw.version),
                [day],
                refers_to=refers_to,
            )
            for day in partitions
        ]
        return _joined(alone, stores.engine.spill)


def _joined(parts: Sequence[Judged], folder: Path) -> Judged:
    return Judged(
        validated=together([part.validated for part in parts], folder),
        quarantined=together([part.quarantined for part in parts], folder),
        counts={day: counts for part in parts for day, counts in part.counts.items()},
        outcomes={day: outcomes for part in parts for day, outcomes in part.outcomes.items()},
    )


def _judged(
    stores: Stores,
    source: Source,
    table: Table,
    raw: Pinned,
    partitions: Sequence[str],
    refers_to: Mapping[str, str],
) -> Judged:
    present = present_columns(raw)
    others = _referred(stores, refers_to)
    relations = {"raw": raw} | {referred(name): pinned for name, pinned in others.pinned.items()}
    with stores.engine.session(relations) as session:
        broken, counts = _check(session, table, present, others, partitions)
        good = session.spooled(validated_rows(table, "checked"))
        bad = session.spooled(quarantined_rows("checked", present))
    settings = settings_of(stores, source, table, raw, partitions)
    outcomes = {day: _outcomes(table, counts[day], broken, settings[day]) for day in partitions}
    said = {day: verdicts(table, counts[day], outcomes[day], present) for day in partitions}
    reads = {partition: (*raw.among([partition]), *others.contents()) for partition in partitions}
    return Judged(
        validated=Produced(good, partitions, reads, said),
        quarantined=Produced(bad, partitions, reads),
        counts=counts,
        outcomes=outcomes,
    )


def validate_with_suite(
    stores: Stores,
    source: Source,
    table: Table,
    raw: Pinned,
    partition: str,
    *,
    refers_to: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], list[SuiteResult]]:
    """What Great Expectations says of a partition: the suite of its expectations, and the result of each.

    The suite runs on DuckDB, over the same pinned rows that ``judge`` reads.
    """
    raw.require([partition])
    raw = raw.only([partition])
    present = present_columns(raw)
    others = _referred(stores, refers_to or {})
    setting = settings_of(stores, source, table, raw, [partition])[partition]
    compiled = suite(table, present, setting, partition=partition)
    relations = {"raw": raw} | {referred(name): pinned for name, pinned in others.pinned.items()}
    copies = {referred(name): f"SELECT * FROM {quoted(referred(name))}" for name in others.pinned}
    copies[BATCH] = batch_rows(table, "checked", present)
    with TemporaryDirectory() as folder:
        database = Path(folder) / "suite.duckdb"
        with stores.engine.session(relations) as session:
            # Rows are set aside for what can be evaluated only.
            broken, _ = _check(session, table, present, others, [partition])
            shown, of_rows = shown_columns(table, present), table.without(broken)
            checked = checked_rows(of_rows, "raw", shown, repeated="repeated", all_as_found=True)
            session.keep("checked", checked)
            session.export(copies, database)
        return compiled, run_suite(compiled, database)


def present_columns(raw: Pinned) -> list[str]:
    """The columns that the source gave."""
    return [column for column in raw.schema.names if column not in (PARTITION, EVENT_DAY)]


def settings_of(
    stores: Stores, source: Source, table: Table, raw: Pinned, partitions: Sequence[str]
) -> dict[str, Setting]:
    """What each partition is judged beside: its day, and the days before it as of the same version of the table."""
    if not table.is_daily:
        return dict.fromkeys(partitions, Setting())
    counts = {one.partition: one.rows for one in stores.records.contents(raw.table, up_to=raw.version)}
    return {day: Setting(date.fromisoformat(day), source.timezone, counts) for day in partitions}


def _referred(stores: Stores, refers_to: Mapping[str, str]) -> Referred:
    pinned, absent = {}, {}
    for name, lake_table in refers_to.items():
        try:
            pinned[name] = stores.lake.pin(lake_table)
        except (NotMaterialized, GateRefusal) as error:
            absent[name] = str(error)
    return Referred(pinned, absent)


def _check(
    session: Session, table: Table, present: Sequence[str], others: Referred, partitions: Sequence[str]
) -> tuple[dict[str, str], dict[str, PartitionCounts]]:
    """Keep the checked rows and count them; which expectations cannot be evaluated, and why, by name."""
    broken = _without_what_they_need(table, present, others)
    try:
        return broken, _counts(session, table.without(broken), present, partitions)
    except duckdb.Error:
        if len(partitions) > 1:
            raise
        broken |= _failing_alone(session, table.without(broken), present)
        return broken, _counts(session, table.without(broken), present, partitions)


def _without_what_they_need(table: Table, present: Sequence[str], others: Referred) -> dict[str, str]:
    """The expectations about a column or a table that is not there."""
    broken = {}
    for one in table.expectations:
        absent = [column for _, column in one.columns() if column not in present]
        if absent:
            broken[one.name] = f"the raw rows have no column {', '.join(absent)}"
        if one.references and one.references.table in others.absent:
            broken[one.name] = others.absent[one.references.table]
    return broken


def _failing_alone(session: Session, table: Table, present: Sequence[str]) -> dict[str, str]:
    """The expectations whose SQL cannot be run, each tried by itself, with the first line of what DuckDB says."""
    names = [one.name for one in table.expectations]
    session.keep("repeated", repeated_keys(table, "raw", present))
    session.keep("checked", checked_rows(table.without(names), "raw", present, repeated="repeated"))
    broken = {}
    for tried in names:
        only = table.without([name for name in names if name != tried])
        try:
            session.rows(counts_query(only, "checked"))
        except duckdb.Error as error:
            broken[tried] = str(error).splitlines()[0]
    return broken


def _counts(
    session: Session, table: Table, present: Sequence[str], partitions: Sequence[str]
) -> dict[str, PartitionCounts]:
    session.keep("repeated", repeated_keys(table, "raw", present))
    session.keep("checked", checked_rows(table, "raw", present, repeated="repeated"))
    by_reason: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.rows(reasons_query("checked")).to_pylist():
        by_reason[row[PARTITION]][row["reason"]] = row["rows"]
    rows = _held(session.rows(counts_query(table, "checked")))
    found = {row[PARTITION]: row for row in rows}
    return {
        partition: counts_of(table, found.get(partition), by_reason[partition]) for partition in partitions
    }


def _held(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows; DuckDB measures what Python has no type for, and one such value costs no other."""
    columns = {name: [_value(one) for one in rows.column(name)] for name in rows.column_names}
    return [{name: values[at] for name, values in columns.items()} for at in range(rows.num_rows)]


def _value(measured: pa.Scalar) -> Any:
    try:
        return measured.as_py()
    except (ArithmeticError, ValueError) as error:
        return Unheld(str(error))


def _outcomes(
    table: Table, counts: PartitionCounts, broken: Mapping[str, str], setting: Setting
) -> tuple[Outcome, ...]:
    return tuple(
        could_not_run(one, broken[one.name])
        if one.name in broken
        else outcome(one, counts.measured[one.name], setting)
        for one in table.expectations
    )
