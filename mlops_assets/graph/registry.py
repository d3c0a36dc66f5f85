"""Is what MLflow shows still what was released? A check that can be asked, and a sensor that asks it."""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.telling import telling_sensor
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

REGISTRY = "registry"


def registry_check(model: Model) -> dg.AssetChecksDefinition:
    """Compares MLflow and the artifact store with the release record, when it is asked to."""

    @dg.asset_check(
        asset=keys.of_model(model.name, "release"),
        name=REGISTRY,
        description="MLflow's alias, its versions and the stored files are what was released.",
    )
    def registry(
        stores: dg.ResourceParam[Stores], tracking: dg.ResourceParam[Tracking]
    ) -> dg.AssetCheckResult:
        found = _differences(stores, tracking, model.name)
        return dg.AssetCheckResult(passed=not found, description=_told(model.name, found))

    return registry


def registry_sensor() -> dg.SensorDefinition:
    """Asks the question of every model's check, and reports each answer that is another than before."""
    return telling_sensor(
        "watch_registry",
        check=REGISTRY,
        severity=dg.AssetCheckSeverity.ERROR,
        description="Finds aliases moved, files changed and versions made behind the release record.",
        ask=_differences,
        told=_told,
    )


def _differences(stores: Stores, tracking: Tracking, model: str) -> list[str]:
    from mlops_assets.steps.registry_watch import differences

    return differences(stores, tracking, model)


def _told(model: str, found: Sequence[str]) -> str:
    if not found:
        return "everything is as it was released"
    return f"the owner of {model} must act: {'; '.join(found)}. What is served follows the release record."
