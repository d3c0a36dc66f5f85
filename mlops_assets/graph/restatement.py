"""Was the champion trained on days that hold other rows by now? A check, and a sensor that asks it."""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.telling import telling_sensor
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

RESTATED = "restated"


def restatement_check(model: Model) -> dg.AssetChecksDefinition:
    """Compares the days that the champion was trained on with what they hold now, when it is asked to."""

    @dg.asset_check(
        asset=keys.of_model(model.name, "release"),
        name=RESTATED,
        description="The days that the champion was trained on hold the rows that they held then.",
    )
    def restated(stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
        from mlops_assets.steps.restatement import champion_restated

        found = champion_restated(stores, model.name)
        return dg.AssetCheckResult(
            passed=not found, description=_told(model.name, found), severity=dg.AssetCheckSeverity.WARN
        )

    return restated


def restatement_sensor() -> dg.SensorDefinition:
    """Asks the question of every model's check, and reports each answer that is another than before."""
    return telling_sensor(
        "watch_restatements",
        check=RESTATED,
        severity=dg.AssetCheckSeverity.WARN,
        description="Finds days that were written again with other rows since a champion was trained on them.",
        ask=_asked,
        told=_told,
    )


def _asked(stores: Stores, _: Tracking, model: str) -> list[str]:
    from mlops_assets.steps.restatement import champion_restated

    return champion_restated(stores, model)


def _told(model: str, found: Sequence[str]) -> str:
    if not found:
        return "every day that the champion was trained on holds the rows that it held then"
    return f"{'; '.join(found)}. `mlops restated {model}` counts the rows."
