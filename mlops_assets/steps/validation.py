"""Raw partitions judged: the good rows, the rows set aside, and what the checks say of each day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.data.ingestion import EVENT_DAY
from mlops_assets.data.sql import PARTITION
from mlops_assets.data.validation import (
    PartitionCounts,
    checked_rows,
    counts_query,
    quarantined_rows,
    reasons_query,
    validated_rows,
    verdicts,
)
from mlops_assets.declaration.source import Table, table_columns
from mlops_assets.stores.engine import Engine, Session
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced


@dataclass(frozen=True)
class Judged:
    """Validated and quarantined rows; together they are the raw rows. counts: by partition."""

    validated: Produced
    quarantined: Produced
    counts: Mapping[str, PartitionCounts]


def judge(engine: Engine, table: Table, raw: Pinned, partitions: Sequence[str]) -> Judged:
    """Validate partitions of a raw table. Raises NotMaterialized when one was never ingested."""
    raw.require(partitions)
    present = [column for column in raw.schema.names if column not in (PARTITION, EVENT_DAY)]
    with engine.session({"raw": raw}) as session:
        session.keep("checked", checked_rows(table, "raw", present))
        good = session.rows(validated_rows(table, "checked"))
        bad = session.rows(quarantined_rows(table, "checked"))
        counts = _counts(session, table, partitions)
    reads = {partition: raw.among([partition]) for partition in partitions}
    said = {partition: verdicts(table, counts[partition], present) for partition in partitions}
    return Judged(
        validated=Produced(good, partitions, reads, said),
        quarantined=Produced(bad, partitions, reads),
        counts=counts,
    )


def _counts(session: Session, table: Table, partitions: Sequence[str]) -> dict[str, PartitionCounts]:
    by_reason: dict[str, dict[str, int]] = defaultdict(dict)
    for row in session.rows(reasons_query("checked")).to_pylist():
        by_reason[row[PARTITION]][row["reason"]] = row["rows"]
    found = {row[PARTITION]: row for row in session.rows(counts_query(table, "checked")).to_pylist()}
    return {
        partition: _of_partition(table, found[partition], by_reason[partition])
        if partition in found
        else PartitionCounts(0, 0, {}, {})
        for partition in partitions
    }


def _of_partition(table: Table, row: Mapping[str, Any], by_reason: Mapping[str, int]) -> PartitionCounts:
    missing = {column: row[f"missing_{column}"] / row["rows"] for column in table_columns(table)}
    offending = {column: share for column, share in missing.items() if share > 0}
    return PartitionCounts(row["rows"], row["quarantined"], by_reason, offending)
