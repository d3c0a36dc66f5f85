"""<model>/parity: is what is online what training would see?"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning, source_code
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import question
from mlops_assets.graph import keys
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.features import JOIN, view_code
from mlops_assets.graph.stage import of_model
from mlops_assets.monitoring.parity import CHECKS, PARITY, table
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.monitoring.parity",
    "mlops_assets.steps.parity",
    "mlops_assets.steps.served",
    *JOIN,
)


def parity_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that asks a model's newest events again, online and offline."""
    key = keys.of_model(model.name, PARITY)
    views = catalog.features.views_of(model.features)
    events = keys.validated(model.label.table)
    versions = {view: view_code(catalog, view) for view in views}

    @dg.asset(
        **of_model(model, key),
        deps=[
            *(keys.online(view) for view in views),
            dg.AssetDep(events, partition_mapping=dg.AllPartitionMapping()),
        ],
        check_specs=check_specs(key, CHECKS, partitions=None),
        code_version=meaning(question(catalog, model), source_code(*CODE)),
        kinds={"duckdb", "deltalake"},
        description=(
            f"The newest events asked again: each feature of {model.features!r} online, beside what was known of it "
            "offline at the moment up to which it is online."
        ),
    )
    def parity(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores]) -> Iterator[Any]:
        from mlops_assets.steps.parity import compare_online

        found = compare_online(stores, catalog, model, versions)
        told = {"features": dg.MetadataValue.md(table(found.features))}
        yield from write_and_tell(context, {key: found.produced}, told={PARITY: told})

    return parity
