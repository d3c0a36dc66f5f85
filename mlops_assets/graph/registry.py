"""Is what MLflow shows still what was released? A check that can be asked, and a sensor that asks it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

REGISTRY = "registry"
# Whoever changes something behind the record is found within a minute.
SECONDS = 30


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
        from mlops_assets.steps.registry_watch import differences

        found = differences(stores, tracking, model.name)
        return dg.AssetCheckResult(passed=not found, description=_told(model.name, found))

    return registry


def registry_sensor() -> dg.SensorDefinition:
    """Asks the question of every model's check, and reports each answer that is another than before."""

    @dg.sensor(
        name="watch_registry",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds aliases moved, files changed and versions made behind the release record.",
    )
    def watch_registry(
        context: dg.SensorEvaluationContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
    ) -> dg.SensorResult:
        from mlops_assets.steps.registry_watch import differences

        before = json.loads(context.cursor or "{}")
        found = {model: differences(stores, tracking, model) for model in stores.releases.models()}
        news = [_evaluation(model, said) for model, said in found.items() if before.get(model) != said]
        told = "; ".join(f"{model}: {_told(model, said)}" for model, said in found.items())
        return dg.SensorResult(
            asset_events=news,
            cursor=json.dumps(found),
            skip_reason=None if news else told or "nothing was decided yet",
        )

    return watch_registry


def _evaluation(model: str, found: Sequence[str]) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=keys.of_model(model, "release"),
        check_name=REGISTRY,
        passed=not found,
        description=_told(model, found),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"looked_at": datetime.now(UTC).isoformat(timespec="seconds")},
    )


def _told(model: str, found: Sequence[str]) -> str:
    if not found:
        return "everything is as it was released"
    return f"the owner of {model} must act: {'; '.join(found)}. What is served follows the release record."
