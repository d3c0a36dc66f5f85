"""Where the columns of an asset come from, for Dagster and for people; what is not known is said to be unknown.

Dagster's own interface hides ``dagster/column_lineage``, which Dagster+ and data catalogues draw; so the
same stands as a table beside it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.data.legible import in_markdown

if TYPE_CHECKING:
    from mlops_assets.lineage.columns import Lineage

LINEAGE = "dagster/column_lineage"
TABLE = "column_lineage"
# Why columns have no lineage, between an asset and its event.
WITHOUT = "columns_without_lineage"
NOTHING_SAID = "unknown: nothing is declared of where it comes from"


def say_lineage(context: dg.AssetExecutionContext, key: dg.AssetKey, lineage: "Lineage") -> None:
    """Tell it of the asset as a whole, if the asset is among those to be made."""
    if key not in context.selected_asset_keys:
        return
    deps = {
        column: [dg.TableColumnDep(one.table.split("/"), one.column) for one in sorted(found.columns)]
        for column, found in lineage.items()
        if found.columns
    }
    without = {column: found.why for column, found in lineage.items() if not found.columns}
    metadata = {LINEAGE: dg.TableColumnLineage(deps), WITHOUT: dg.MetadataValue.json(without)}
    context.add_asset_metadata(metadata, key)


def for_every_column(said: Mapping[str, Any], schema: dg.TableSchema) -> Mapping[str, Any]:
    """The lineage that an asset told of itself, with every stored column that it says nothing of as unknown."""
    told = said.get(LINEAGE)
    known = told.value if isinstance(told, dg.MetadataValue) else told
    deps = {column: list(found) for column, found in known.deps_by_column.items() if found} if known else {}
    reasons = dict(said[WITHOUT].value) if WITHOUT in said else {}
    columns = dict.fromkeys([*(column.name for column in schema.columns), *deps, *reasons])
    rows = [
        f"| {in_markdown(column)} | "
        f"{_linked(deps[column]) if column in deps else in_markdown(reasons.get(column, NOTHING_SAID))} |"
        for column in columns
    ]
    table = dg.MetadataValue.md("\n".join(["| column | comes from |", "|---|---|", *rows]))
    return {LINEAGE: dg.TableColumnLineage(deps), TABLE: table}


def without_lineage(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rest of what an asset told of itself."""
    return {label: value for label, value in said.items() if label not in (LINEAGE, WITHOUT)}


def _linked(deps: Sequence[dg.TableColumnDep]) -> str:
    return ", ".join(
        f"[{'/'.join(one.asset_key.path)}](/assets/{'/'.join(one.asset_key.path)}).{in_markdown(one.column_name)}"
        for one in deps
    )
