"""Where the columns of an asset come from, as Dagster draws it; what is not known is said to be unknown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mlops_assets.lineage.columns import Lineage

LINEAGE = "dagster/column_lineage"
# Why columns have none: constants, and what cannot be told.
WITHOUT = "columns_without_lineage"
NOTHING_SAID = "unknown: nothing is declared of where it comes from"


def say_lineage(context: dg.AssetExecutionContext, key: dg.AssetKey, lineage: "Lineage") -> None:
    """Tell it of the asset as a whole, if the asset is among those to be made."""
    if key not in context.selected_asset_keys:
        return
    deps = {
        column: [
            dg.TableColumnDep(dg.AssetKey(one.table.split("/")), one.column) for one in sorted(found.columns)
        ]
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
    deps = known.deps_by_column if known is not None else {}
    without = dict(said[WITHOUT].value) if WITHOUT in said else {}
    for column in schema.columns:
        if column.name not in deps and column.name not in without:
            without[column.name] = NOTHING_SAID
    lineage = {LINEAGE: dg.TableColumnLineage({name: list(found) for name, found in deps.items()})}
    return {**lineage, WITHOUT: dg.MetadataValue.json(without)} if without else lineage
