"""The IO manager: outputs become Delta commits, inputs become pinned table versions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.data.sql import PARTITION, WHOLE
from mlops_assets.graph.columns import as_stored
from mlops_assets.graph.keys import table_name
from mlops_assets.graph.materializations import materializations
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa


class LakeIOManager(dg.IOManager):
    """Reads and writes the lake.

    An asset may return a ``Produced``, or an Arrow table or pandas frame that is the whole of the
    partitions it was asked for (with a ``partition`` column where there are several). An input
    annotated ``pa.Table`` or ``pd.DataFrame`` is read, and NotMaterialized raised when a partition
    of it is missing; any other is the ``Pinned`` table, which lists them.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def handle_output(self, context: dg.OutputContext, obj: Any) -> Iterator[dg.AssetMaterialization]:
        """Write all partitions in one commit and tell what was written."""
        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else [WHOLE]
        made = obj if isinstance(obj, Produced) else _whole(obj, partitions)
        contents = self._stores.lake.write(table_name(context.asset_key), made, _provenance(context))
        yield from materializations(context, contents, as_stored(made.rows, context.definition_metadata))

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream partitions this run reads, pinned; refused when a blocking check failed for them."""
        # Imported by runs only: the code location loads without them.
        import pandas as pd
        import pyarrow as pa

        partitions = list(context.asset_partition_keys) if context.has_asset_partitions else None
        pinned = self._stores.lake.pin(table_name(context.asset_key), partitions)
        wanted = context.dagster_type.typing_type
        if wanted not in (pa.Table, pd.DataFrame):
            return pinned
        # Rows do not show which partitions are not among them.
        pinned.require(pinned.absent)
        rows = self._read(pinned)
        return rows if wanted is pa.Table else rows.to_pandas()

    def _read(self, pinned: Pinned) -> "pa.Table":
        return self._stores.engine.rows("SELECT * FROM pinned", {"pinned": pinned})


@dg.io_manager(required_resource_keys={"stores"})
def lake_io_manager(context: dg.InitResourceContext) -> LakeIOManager:
    """The lake of the deployment's stores."""
    return LakeIOManager(context.resources.stores)


def _provenance(context: dg.OutputContext) -> Provenance:
    assets = context.step_context.job_def.asset_layer
    return Provenance(
        code_version=assets.get(context.asset_key).code_version or "unversioned",
        run_id=context.run_id,
        written_at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def _whole(rows: Any, partitions: list[str]) -> Produced:
    import pandas as pd
    import pyarrow as pa

    if isinstance(rows, pd.DataFrame):
        rows = pa.Table.from_pandas(rows, preserve_index=False)
    if not isinstance(rows, pa.Table):
        raise TypeError(f"found a {type(rows).__name__}, expected an Arrow table or a pandas frame of rows")
    if PARTITION not in rows.column_names:
        if len(partitions) > 1:
            raise ValueError(
                f"rows for {len(partitions)} partitions need a {PARTITION!r} column that says which is whose"
            )
        rows = rows.add_column(0, PARTITION, pa.array([partitions[0]] * rows.num_rows, pa.string()))
    return Produced(rows, partitions)
