"""What all assets of a model share, and its stages: owner and group, and the as-of dates."""

from dataclasses import dataclass
from typing import Any, Self

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys, partitions


def of_model(model: Model, key: dg.AssetKey) -> dict[str, Any]:
    """The arguments of ``@dg.asset`` that all assets of a model share."""
    return {"key": key, "group_name": model.name, "owners": [model.owner], "tags": model.tags}


@dataclass(frozen=True)
class ModelStage:
    """One asset in the story of a model. settings: the arguments of ``@dg.asset`` that all stages share."""

    key: dg.AssetKey
    as_of_dates: dg.DailyPartitionsDefinition
    settings: dict[str, Any]

    @classmethod
    def of(cls, catalog: Catalog, model: Model, stage: str) -> Self:
        """The stage of that name. A run makes one as-of date, so that each is judged by what was before."""
        events, _ = catalog.model_tables(model)
        dates = partitions.as_of_dates(
            catalog.first_as_of(model), catalog.last_as_of(model), events.source.timezone
        )
        key = keys.of_model(model.name, stage)
        settings = {
            **of_model(model, key),
            "partitions_def": dates,
            "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
            # Two runs of one model would take turns at its champion.
            "pool": model.name,
        }
        return cls(key, dates, settings)
