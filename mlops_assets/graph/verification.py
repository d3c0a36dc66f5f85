"""<model>/verification: was the release right? Later days keep it, or take it back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, question
from mlops_assets.governance.verification import CHECK
from mlops_assets.graph import keys
from mlops_assets.graph.checks import check_specs, write_and_tell
from mlops_assets.graph.stage import ModelStage
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

STAGE = "verification"
CODE = (
    "mlops_assets.governance.paired",
    "mlops_assets.governance.verification",
    "mlops_assets.steps.verification",
)


def verification_asset(catalog: Catalog, declared: Model) -> dg.AssetsDefinition:
    """The asset that compares the champion with the version before it, on days that nobody knew at its release."""
    stage = ModelStage.of(catalog, declared, STAGE)
    asked = {"verification": declared.retraining.verification, "question": question(catalog, declared)}

    @dg.asset(
        **stage.settings,
        ins={"performance_report": dg.AssetIn(keys.of_model(declared.name, "performance_report"))},
        check_specs=check_specs(
            stage.key,
            {
                CHECK: "The version that reigns loses no more than the one before it, on days since its release."
            },
            partitions=stage.as_of_dates,
        ),
        code_version=Version.of(asked).made_by(*CODE),
        description=(
            "Whether the newest release is kept, by labels that came after it; if it surely loses more than the "
            "version before, that one reigns again at once."
        ),
    )
    def verification(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
        performance_report: Pinned,
    ) -> Iterator[Any]:
        from mlops_assets.steps.verification import verify

        made = verify(
            stores,
            tracking,
            declared,
            performance_report,
            context.partition_key,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            run_id=context.run.run_id,
        )
        yield from write_and_tell(context, {stage.key: made})

    return verification
