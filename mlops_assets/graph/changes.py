"""<model>/changes: what waits for people to agree, and the sensor that has it applied when they did."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.governance.changes import Standing
from mlops_assets.graph import keys
from mlops_assets.graph.automation import SECONDS
from mlops_assets.graph.launching import RETRIES, never_launched
from mlops_assets.graph.metadata import table
from mlops_assets.graph.stage import of_model
from mlops_assets.stores.changes import Recorded
from mlops_assets.stores.reigns import SENSOR
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

CHANGES = "changes"
HEADS = ("request", "change", "version", "proposed by", "at", "stands", "why")
# Requests that the newest materialization shows.
SHOWN = 50


def changes_asset(model: Model) -> dg.AssetsDefinition:
    """The asset that applies what enough people agreed to once its window is open, and shows what waits and why."""

    @dg.asset(
        **of_model(model, keys.of_model(model.name, CHANGES)),
        deps=[keys.of_model(model.name, "release")],
        description=(
            f"Change requests about {model.name}: what waits for people to agree or for its window. Materializing "
            "applies what is open by the policy in force, and nothing else."
        ),
    )
    def changes(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
    ) -> dg.MaterializeResult[Any]:
        from mlops_assets.steps.changes import apply_open
        from mlops_assets.steps.standing import listed

        resource = f"model:{model.name}"
        applied = apply_open(stores, tracking, resource, by=SENSOR, run_id=context.run.run_id)
        told = _told(listed(stores, resource))
        return dg.MaterializeResult(metadata={**told, "applied": len(applied)})

    return changes


def changes_sensor(model: Model) -> dg.SensorDefinition:
    """Tells of every request whose standing changed, and has those applied that are open, each by a run of its own."""
    key = keys.of_model(model.name, CHANGES)

    @dg.sensor(
        name=f"{model.name}_changes",
        target=[key],
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Applies what people agreed to about {model.name} when its window opens; shows what waits.",
    )
    def changes(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.standing import listed

        found = listed(stores, f"model:{model.name}")
        waits = [(one, stands) for one, stands in found if stands.waits]
        asked = {
            f"request {one.request.number}": _applying(model, one, stands)
            for one, stands in waits
            if stands.stage == "open"
        }
        requests, told = never_launched(context.instance, asked)
        told += [
            f"request {one.request.number}: {stands.sentence}"
            for one, stands in waits
            if stands.stage != "open"
        ]
        state = meaning([(one.request.number, stands.stage, len(one.votes)) for one, stands in found])
        news = state != context.cursor and bool(found)
        return dg.SensorResult(
            run_requests=requests,
            asset_events=[dg.AssetMaterialization(key, metadata=_told(found))] if news else [],
            cursor=state,
            skip_reason=None if requests else "; ".join(told) or f"no change of {model.name} waits",
        )

    return changes


def _applying(model: Model, one: Recorded, stands: Standing) -> dg.RunRequest:
    """The run that applies a request: a new one each day on which it is open still, and when somebody says more."""
    day = (stands.opens or "")[:10]
    key = f"{model.name}/request/{one.request.number}/{day}/{len(one.votes)}"
    return dg.RunRequest(run_key=key, tags=RETRIES)


def _told(found: Sequence[tuple[Recorded, Standing]]) -> dict[str, Any]:
    rows = [_row(one, stands) for one, stands in reversed(found[-SHOWN:])]
    return {"requests": table(HEADS, rows), "waiting": sum(stands.waits for _, stands in found)}


def _row(one: Recorded, stands: Standing) -> tuple[str, ...]:
    said = one.request.proposal
    version = str(said.payload.get("version", ""))
    return str(one.request.number), said.kind, version, said.by, said.at, stands.stage, stands.sentence
