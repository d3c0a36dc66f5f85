"""Verdicts as Dagster asset checks: one evaluation per check and partition, in a range run too."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

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
) -> Iterator[Any]:
    """Hand the selected outputs to the IO manager, then report each verdict for its own partition.

    One Dagster check result for a range would hide which day failed, so evaluations are yielded
    one by one. told: metadata of checks, by name.
    """
    selected = {key: made for key, made in produced.items() if key in context.selected_asset_keys}
    for key, made in selected.items():
        yield dg.Output(made, output_name=context.assets_def.get_output_name_for_asset_key(key))
    for check in context.selected_asset_check_keys:
        spec = context.assets_def.get_spec_for_check_key(check)
        yield dg.Output(None, output_name=spec.get_python_identifier())
    for key, made in selected.items():
        for partition, verdicts in made.verdicts.items():
            for verdict in verdicts:
                yield _evaluation(key, partition, verdict, (told or {}).get(verdict.check, {}))


def _evaluation(
    key: dg.AssetKey, partition: str, verdict: Verdict, metadata: Mapping[str, dg.MetadataValue[Any]]
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
        blocking=verdict.blocking,
        partition=None if partition == WHOLE else partition,
        metadata=metadata,
    )
