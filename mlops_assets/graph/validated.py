"""validated/<table> and quarantine/<table>: every raw row is in exactly one of them."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mlops_assets.data.validation import BLOCKING, CHECKS, PartitionCounts
from mlops_assets.declaration.catalog import DeclaredTable
from mlops_assets.declaration.identity import meaning, source_code
from mlops_assets.declaration.source import Source, Table
from mlops_assets.graph import columns, keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.metadata import say_of_partitions
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores


def validated_assets(source: Source, table: Table) -> dg.AssetsDefinition:
    """The two assets that one judgement of the raw rows makes."""
    good, bad = keys.validated(table.name), keys.quarantine(table.name)
    days = partitions.days_of(DeclaredTable(source, table).calendar)
    common: dict[str, Any] = {
        "code_version": meaning(table, source_code("mlops_assets.data.validation")),
        "group_name": source.name,
        "owners": [source.owner],
    }

    @dg.multi_asset(
        name=f"validate_{table.name}",
        ins={"raw": dg.AssetIn(keys.raw(table.name))},
        outs={
            "validated": dg.AssetOut(
                key=good,
                is_required=False,
                description=f"{table.description} Checked and typed.",
                metadata=columns.of_table(table),
                kinds={"validated", "duckdb", "deltalake"},
                **common,
            ),
            "quarantine": dg.AssetOut(
                key=bad,
                is_required=False,
                description=f"Rows of {table.name} set aside, with all reasons.",
                kinds={"quarantine", "duckdb", "deltalake"},
                **common,
            ),
        },
        partitions_def=days,
        check_specs=check_specs(good, CHECKS, blocking=BLOCKING, partitions=days),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def validate(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], raw: Pinned
    ) -> Iterator[Any]:
        from mlops_assets.steps.validation import judge

        judged = judge(stores.engine, table, raw, partitions.produced(context, days))
        say_of_partitions(context, good, {day: _told(counts) for day, counts in judged.counts.items()})
        yield from write_and_tell(context, {good: judged.validated, bad: judged.quarantined})

    return validate


def _told(counts: PartitionCounts) -> Mapping[str, Any]:
    return {
        "raw_rows": counts.rows,
        "quarantined_rows": counts.quarantined,
        "quarantine_reasons": dict(counts.by_reason),
        "missing_share": {column: round(share, 4) for column, share in counts.missing.items()},
    }
