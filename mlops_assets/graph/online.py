"""online/<view>: the newest known row of every entity, where applications read it."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.data.moments import as_utc
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.identity import source_code
from mlops_assets.graph import keys
from mlops_assets.graph.features import view_code
from mlops_assets.stores.stores import Stores

if TYPE_CHECKING:
    from mlops_assets.steps.online import PutOnline

CODE = ("mlops_assets.data.online", "mlops_assets.steps.online", "mlops_assets.stores.online")


class OnlineConfig(dg.Config):
    """until: what is known at that moment goes online (ISO 8601); the newest that is known when empty.

    again: everything, not only what changed, also back to an earlier moment.
    """

    until: str = ""
    again: bool = False


def online_asset(catalog: Catalog, view: FeatureView) -> dg.AssetsDefinition:
    """The asset that brings what became known of a view online."""
    key, computed = keys.online(view.name), keys.features(view.name)
    days = catalog.view_calendar(view)
    version = view_code(catalog, view.name)

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(computed, partition_mapping=dg.AllPartitionMapping() if days else None)],
        code_version=f"{version} {source_code(*CODE)}",
        group_name="online",
        owners=[view.owner],
        tags=view.tags,
        description=(
            f"The newest known row of every entity of features/{view.name}, for {view.ttl} after it happened. "
            "Only what changed is written, all at once; killed at any moment, nothing is half done."
        ),
    )
    def rows(config: OnlineConfig, stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult:
        from mlops_assets.steps.online import put_online

        until = as_utc(config.until) if config.until else None
        done = put_online(
            stores, catalog.features, view.name, version=version, until=until, again=config.again
        )
        return dg.MaterializeResult(metadata=told(done), data_version=dg.DataVersion(data_version(done)))

    return rows


def told(done: "PutOnline") -> dict[str, Any]:
    """What a materialization says of itself."""
    return {
        "rows_written": done.rows,
        "entities_gone": done.gone,
        "all_written": done.whole,
        "known_until": done.view.known_until.isoformat(),
        "table_version": done.view.table_version,
    }


def data_version(done: "PutOnline") -> str:
    """Equal when what is online is equal: the same rows of the lake, as known at the same moment."""
    return f"{done.view.contents}-{done.view.until}"
