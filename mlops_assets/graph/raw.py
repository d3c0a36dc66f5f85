"""raw/<table>: rows as they were found."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.data.ingestion import BLOCKING, CHECKS
from mlops_assets.declaration.catalog import DeclaredTable
from mlops_assets.declaration.source import Source, Table
from mlops_assets.declaration.versions import raw_version
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.stores.stores import Stores


def raw_asset(source: Source, table: Table) -> dg.AssetsDefinition:
    """The asset that reads a table's file."""
    key = keys.raw(table.name)
    declared = DeclaredTable(source, table)
    days = partitions.days_of(declared.calendar)

    @dg.asset(
        key=key,
        partitions_def=days,
        check_specs=check_specs(key, CHECKS, blocking=BLOCKING, partitions=days),
        code_version=raw_version(declared).made_by("mlops_assets.data.ingestion"),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=source.name,
        owners=[source.owner],
        # The graph shows the last part of a key only, which raw, validated and quarantined tables share.
        kinds={"raw", "duckdb", "deltalake"},
        description=f"{table.description} As found in {table.reads.named}.",
        metadata={"licence": source.licence} if source.licence else None,
    )
    def raw(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[Any]:
        from mlops_assets.lineage.columns import of_raw
        from mlops_assets.steps.ingestion import file_columns, ingest, raw_columns

        found = ingest(stores, source, table, partitions.produced(context, days))
        of_file = file_columns(stores, table, found.partitions[-1])
        say_lineage(context, key, of_raw(table, of_file, raw_columns(found)))
        yield from write_and_tell(context, {key: found})

    return raw
