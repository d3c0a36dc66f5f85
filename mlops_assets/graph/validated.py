"""validated/<table> and quarantine/<table>: every raw row is in exactly one of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from mlops_assets.data.expectations import Outcome
from mlops_assets.data.legible import in_markdown
from mlops_assets.data.validation import PartitionCounts, blocking, checks
from mlops_assets.declaration.catalog import DeclaredTable
from mlops_assets.declaration.source import Source, Table
from mlops_assets.declaration.versions import validated_version
from mlops_assets.graph import columns, keys, partitions
from mlops_assets.graph.automation import when_inputs_are_good
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.graph.metadata import say_of_partitions
from mlops_assets.stores.stores import Stores

CODE = ("mlops_assets.data.validation", "mlops_assets.data.expectations")


def validated_assets(source: Source, table: Table) -> dg.AssetsDefinition:
    """The two assets that one judgement of the raw rows makes."""
    good, bad = keys.validated(table.name), keys.quarantine(table.name)
    declared = DeclaredTable(source, table)
    days = partitions.days_of(declared.calendar)
    refers_to = {other: keys.validated(other) for other in table.refers_to()}
    common: dict[str, Any] = {
        "code_version": validated_version(declared).made_by(*CODE),
        "automation_condition": when_inputs_are_good(keys.raw(table.name)),
        "group_name": source.name,
        "owners": [source.owner],
    }

    @dg.multi_asset(
        name=f"validate_{table.name}",
        # Not inputs: a day that cannot be read costs itself, not the others of the range, and a table that
        # cannot be read costs the check about it.
        deps=[keys.raw(table.name), *refers_to.values()],
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
        check_specs=check_specs(good, checks(table), blocking=blocking(table), partitions=days),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def validate(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[Any]:
        from mlops_assets.lineage.columns import of_quarantine, of_validated
        from mlops_assets.steps.validation import Asked, judge, present_columns

        asked = Asked.of(stores, keys.table_name(keys.raw(table.name)), partitions.produced(context, days))
        raw = asked.raw
        judged = judge(
            stores,
            source,
            table,
            raw,
            asked.partitions,
            refers_to={other: keys.table_name(key) for other, key in refers_to.items()},
        )
        told = {day: _told(counts, judged.outcomes[day]) for day, counts in judged.counts.items()}
        say_of_partitions(context, good, told)
        say_lineage(context, good, of_validated(table, present_columns(raw)))
        say_lineage(context, bad, of_quarantine(table, present_columns(raw)))
        yield from write_and_tell(context, {good: judged.validated, bad: judged.quarantined})
        asked.require_all()

    return validate


def _told(counts: PartitionCounts, outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    said = {
        "missing": dg.MetadataValue.md(_missing_table(counts)),
        "raw_rows": counts.rows,
        "quarantined_rows": counts.quarantined,
        "quarantine_reasons": dict(counts.by_reason),
    }
    if not outcomes:
        return said
    return {"expectations": dg.MetadataValue.md(_expectations_table(outcomes)), **said}


def _missing_table(counts: PartitionCounts) -> str:
    """The columns that miss values, the worst first."""
    worst = sorted(counts.missing.items(), key=lambda item: (-item[1], item[0]))
    if not worst:
        return "No value is missing."
    rows = [f"| {column} | {missing:,} | {missing / counts.rows:.2%} |" for column, missing in worst]
    return "\n".join(["| column | missing | share |", "|---|--:|--:|", *rows])


def _expectations_table(outcomes: Sequence[Outcome]) -> str:
    rows = [f"| {one.severity} | {_answer(one)} | {in_markdown(one.sentence)} |" for one in outcomes]
    return "\n".join(["| severity | | |", "|---|---|---|", *rows])


def _answer(outcome: Outcome) -> str:
    if not outcome.could_run:
        return "could not run"
    return "passed" if outcome.passed else "failed"
