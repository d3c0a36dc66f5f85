"""A sensor that asks of every model whether something is still as it should be, and tells what is new of it."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets.graph import keys
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

# Whoever changes something is found within a minute.
SECONDS = 30

# What is wrong with a model, each as a sentence.
Question = Callable[[Stores, Tracking, str], Sequence[str]]


def telling_sensor(
    name: str,
    *,
    check: str,
    severity: dg.AssetCheckSeverity,
    description: str,
    ask: Question,
    told: Callable[[str, Sequence[str]], str],
) -> dg.SensorDefinition:
    """Asks the question of every model that was judged, and reports each answer that is another than before.

    check: of ``<model>/release``, as which the answer is reported. told: a model and its answer, in words.
    """

    def evaluation(model: str, found: Sequence[str]) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=keys.of_model(model, "release"),
            check_name=check,
            passed=not found,
            description=told(model, found),
            severity=severity,
            metadata={"looked_at": datetime.now(UTC).isoformat(timespec="seconds")},
        )

    @dg.sensor(
        name=name,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def telling(
        context: dg.SensorEvaluationContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
    ) -> dg.SensorResult:
        before = json.loads(context.cursor or "{}")
        found = {model: list(ask(stores, tracking, model)) for model in stores.releases.models()}
        news = [evaluation(model, said) for model, said in found.items() if before.get(model) != said]
        answers = "; ".join(f"{model}: {told(model, said)}" for model, said in found.items())
        return dg.SensorResult(
            asset_events=news,
            cursor=json.dumps(found),
            skip_reason=None if news else answers or "nothing was decided yet",
        )

    return telling
