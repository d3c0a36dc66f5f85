"""raw/<table>: rows as they were found."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.data.ingestion import BLOCKING, CHECKS
from mlops_assets.declaration.catalog import DeclaredTable
from mlops_assets.declaration.source import Source, Table
from mlops_assets.declaration.versions import raw_version
from mlops_assets.errors import SourceUnreadable
from mlops_assets.graph import keys, partitions
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.stores.produced import Produced
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
        if found.partitions:
            of_file = file_columns(stores, table, found.partitions[-1])
            say_lineage(context, key, of_raw(table, of_file, raw_columns(found)))
        goes_on = _may_be_read(found) and _only_judged(context, table)
        yield from write_and_tell(context, {key: found}, stops=not goes_on)
        if found.refused and not goes_on:
            raise SourceUnreadable(_in_lines(found))

    return raw


def _may_be_read(found: Produced) -> bool:
    """Whether some of the partitions may."""
    return any(all(one.passed or not one.blocking for one in said) for said in found.verdicts.values())


def _only_judged(context: dg.AssetExecutionContext, table: Table) -> bool:
    """Whether this run goes on to judge the rows, which refuses day by day, and with nothing else that reads them."""
    assets = context.job_def.asset_layer
    readers = assets.get(keys.raw(table.name)).child_keys & assets.selected_asset_keys
    return bool(readers) and readers <= {keys.validated(table.name), keys.quarantine(table.name)}


def _in_lines(found: Produced) -> str:
    """Why each partition was refused; a reason that several share once."""
    days: dict[str, list[str]] = {}
    for partition, said in found.refused.items():
        days.setdefault("; ".join(one.reason for one in said if not one.passed), []).append(partition)
    return "\n".join(
        f"{why} (partition {shown[0]}{f' and {len(shown) - 1} more' if len(shown) > 1 else ''})"
        for why, shown in days.items()
    )
