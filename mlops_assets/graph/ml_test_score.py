"""<model>/ml_test_score: how ready for production a model is, counted by evidence that has not expired."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.governance.ml_test_score import STAGE
from mlops_assets.graph import keys
from mlops_assets.graph.stage import of_model
from mlops_assets.stores.stores import Stores


def ml_test_score_asset(catalog: Catalog, model: Model) -> dg.AssetsDefinition:
    """The asset that counts. It has no dates: what counts today is what has not expired today."""

    @dg.asset(
        **of_model(model, keys.of_model(model.name, STAGE)),
        deps=[keys.of_model(model.name, "release")],
        description=(
            f"The ML Test Score of {model.name} (Breck et al. 2017): 28 tests in four sections, each with the evidence "
            "that is recorded, or the way to it. The score is the least of the four sums."
        ),
    )
    def ml_test_score(stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[Any]:
        from mlops_assets.steps.ml_test_score import score_of
        from mlops_assets.steps.ml_test_score_page import in_markdown

        found = score_of(stores, catalog, model, at=datetime.now(UTC).isoformat(timespec="seconds"))
        return dg.MaterializeResult(
            metadata={
                "score": found.total,
                "means": found.means,
                **found.sections,
                "tests": dg.MetadataValue.md(in_markdown(found)),
                "missing": len(list(found.missing())),
            }
        )

    return ml_test_score
