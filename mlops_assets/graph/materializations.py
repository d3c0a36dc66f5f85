"""Materialization events that tell the truth about every partition of a range run.

Dagster gives all partitions of one output the same data version. Here each gets the fingerprint
of its own content, so that writing the same rows again, in whatever range, changes nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_code_version,
    _get_input_provenance_data,
)

from mlops_assets.data.sql import WHOLE
from mlops_assets.graph.column_lineage import for_every_column, without_lineage
from mlops_assets.graph.columns import SCHEMA, in_one_line
from mlops_assets.stores.pinned import Content


def materializations(
    context: dg.OutputContext, contents: Mapping[str, Content], schema: dg.TableSchema
) -> Iterator[dg.AssetMaterialization]:
    """One event per written partition, for an IO manager's ``handle_output`` to yield.

    What the asset said of a partition goes with its event. Every event names the columns; only the
    last one, which is what the UI shows of the asset, carries the schema as a table and the lineage
    of its columns: storing those for each day of a year would cost more than writing the rows.
    """
    step = context.step_context
    key = context.asset_key
    code_version = _get_code_version(key, step)
    provenance = _get_input_provenance_data(key, step)
    columns, newest = in_one_line(schema), list(contents)[-1:]
    of_asset = step.get_asset_metadata(asset_key=key) or {}
    about_columns = {SCHEMA: schema, **for_every_column(of_asset, schema)}
    for partition, content in contents.items():
        table = about_columns if partition in newest else {}
        dagster_partition = None if partition == WHOLE else partition
        said = without_lineage(step.get_asset_metadata(asset_key=key, partition_key=dagster_partition) or {})
        tags = _build_data_version_tags(
            dg.DataVersion(content.fingerprint), code_version, provenance, data_version_is_user_provided=True
        )
        yield dg.AssetMaterialization(
            asset_key=key,
            partition=dagster_partition,
            metadata={**said, **_of(content), "schema": columns, **table},
            tags=tags,
        )
    _tell_dagster_that_all_is_told(context)


def _of(content: Content) -> dict[str, Any]:
    return {
        "dagster/row_count": content.rows,
        "fingerprint": content.fingerprint,
        "table_version": content.version,
    }


def _tell_dagster_that_all_is_told(context: dg.OutputContext) -> None:
    """Without an asset key, Dagster adds no events of its own for this output."""
    context._asset_key = None
