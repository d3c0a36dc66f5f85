"""Verdicts as Dagster asset checks: one evaluation per check and partition, in a range run too."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from mlops_assets.data.sql import WHOLE
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.produced import Produced


def check_specs(
    key: dg.AssetKey,
    descriptions: Mapping[str, str],
    *,
    blocking: Sequence[str] = (),
    partitions: dg.PartitionsDefinition | None,
) -> list[dg.AssetCheckSpec]:
    """One check per name, described; partitioned like its asset."""
    return [
        dg.AssetCheckSpec(
            name,
            asset=key,
            description=description,
            blocking=name in blocking,
            partitions_def=partitions,
        )
        for name, description in descriptions.items()
    ]


def write_and_tell(
    context: dg.AssetExecutionContext,
    produced: Mapping[dg.AssetKey, Produced],
    *,
    told: Mapping[str, Mapping[str, dg.MetadataValue[Any]]] | None = None,
    stops: bool = True,
) -> Iterator[Any]:
    """Hand the selected outputs to the IO manager, then report each verdict for its own partition.

    One Dagster check result for a range would hide which day failed, so evaluations are yielded
    one by one. told: metadata of checks, by name. stops: whether a blocking check that failed for any day
    ends the run here; if not, readers refuse the day.
    """
    selected = {key: made for key, made in produced.items() if key in context.selected_asset_keys}
    for key, made in selected.items():
        yield dg.Output(made, output_name=context.assets_def.get_output_name_for_asset_key(key))
    for check in context.selected_asset_check_keys:
        spec = context.assets_def.get_spec_for_check_key(check)
        yield dg.Output(None, output_name=spec.get_python_identifier())
    for key, made in selected.items():
        targets = _targets(context, key, list(made.verdicts))
        for partition, verdicts in {**made.verdicts, **made.refused}.items():
            for verdict in verdicts:
                metadata = (told or {}).get(verdict.check, {})
                yield _evaluation(key, partition, verdict, metadata, targets.get(partition), stops=stops)


def _targets(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """The materialization of each partition that was just stored: without it Dagster calls a check missing."""
    if not partitions:
        return {}
    of_partitions = [partition for partition in partitions if partition != WHOLE] or None
    wanted = dg.AssetRecordsFilter(key, asset_partitions=of_partitions)
    # The newest come first, and this run's are the newest.
    found = context.instance.fetch_materializations(wanted, limit=len(partitions)).records
    return {
        one.partition_key or WHOLE: AssetCheckEvaluationTargetMaterializationData(
            storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp
        )
        for one in found
        if one.run_id == context.run.run_id
    }


def _evaluation(
    key: dg.AssetKey,
    partition: str,
    verdict: Verdict,
    metadata: Mapping[str, dg.MetadataValue[Any]],
    target: AssetCheckEvaluationTargetMaterializationData | None,
    *,
    stops: bool,
) -> dg.AssetCheckEvaluation:
    severity = (
        dg.AssetCheckSeverity.ERROR if verdict.blocking or verdict.error else dg.AssetCheckSeverity.WARN
    )
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=verdict.check,
        passed=verdict.passed,
        description=verdict.reason,
        severity=severity,
        blocking=verdict.blocking and stops,
        partition=None if partition == WHOLE else partition,
        metadata=metadata,
        target_materialization_data=target,
    )
