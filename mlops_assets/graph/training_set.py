"""<model>/training_set: labelled events known by the as-of date, with features as known when asked."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg

from mlops_assets.data.leaks import CHECKS, NO_LEAK, table
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.graph import keys
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.column_lineage import say_lineage
from mlops_assets.graph.features import JOIN, question_inputs, view_code
from mlops_assets.graph.metadata import say_of_partitions
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores

CODE = (
    "mlops_assets.data.training_set",
    *JOIN,
    "mlops_assets.data.on_demand",
    "mlops_assets.data.changes",
    "mlops_assets.data.knowledge",
    "mlops_assets.data.label_overlap",
    "mlops_assets.data.worlds",
    "mlops_assets.steps.leak_case",
    "mlops_assets.steps.leaks_in_cuts",
    "mlops_assets.steps.leaks_in_rows",
    "mlops_assets.steps.no_leak",
    "mlops_assets.steps.worlds",
)


def training_set_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that joins labels and features of the window before the as-of date."""
    stage = ModelStage.of(catalog, model, "training_set")
    _, views = catalog.model_tables(model)
    events, features = question_inputs(catalog, model, days=model.window.days)
    versions = {view: view_code(catalog, view) for view in views}
    asked = Version.of({"question": question(catalog, model), "window": model.window})
    read = dict.fromkeys(one for view in views.values() for one in view.reads)
    lake_tables = {one: keys.table_name(keys.validated(one)) for one in read}

    @dg.asset(
        **stage.settings,
        ins={"labelled_events": events, **features},
        check_specs=check_specs(stage.key, CHECKS, blocking=[NO_LEAK], partitions=stage.as_of_dates),
        code_version=asked.made_by(*CODE),
        kinds={"duckdb", "deltalake"},
        description=(
            f"The {model.window.train_days} days to train on and the {model.window.evaluate_days} to evaluate on, "
            f"with labels known by the as-of date and the features of {model.features!r} as known at each moment."
        ),
    )
    def training_set(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        labelled_events: Pinned,
        **views: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.lineage.columns import of_training_set
        from mlops_assets.steps.inputs import all_below, require_proven
        from mlops_assets.steps.no_leak import prove_no_leak
        from mlops_assets.steps.proven import of_tables
        from mlops_assets.steps.training_set import assemble_training_set, require_versions

        as_of = context.partition_key
        require_versions(stores.records, views, versions)
        read = [one for pinned in (labelled_events, *views.values()) for one in pinned.contents]
        require_proven(stores.records, all_below(stores.records, read), of_tables(catalog))
        found = assemble_training_set(stores.engine, catalog, model, labelled_events, views, as_of)
        proof = prove_no_leak(
            stores, catalog, model, found.produced, labelled_events, views, as_of, lake_tables=lake_tables
        )
        leaks = {"leaks": dg.MetadataValue.md(table(proof.leaks)), "notes": list(proof.notes)}
        say_of_partitions(context, stage.key, {as_of: {"events_by_use": dict(found.uses), **leaks}})
        say_lineage(context, stage.key, of_training_set(catalog, model))
        made = replace(found.produced, verdicts={as_of: (proof.verdict,)})
        yield from write_and_tell(context, {stage.key: made}, told={NO_LEAK: leaks})

    return training_set
