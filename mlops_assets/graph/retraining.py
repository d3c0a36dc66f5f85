"""The loop: a sensor that answers each reason to look and launches what follows, and the asset that tells of it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.graph.automation import AUTOMATION, SECONDS
from mlops_assets.graph.jobs import release_job
from mlops_assets.graph.launching import RETRIES, how, is_active, runs_of
from mlops_assets.graph.metadata import drawing, table
from mlops_assets.graph.plan import PlannedRun, Written, data_runs
from mlops_assets.graph.stage import ModelStage, of_model
from mlops_assets.stores.retrainings import RetrainingDecision
from mlops_assets.stores.stores import Stores

if TYPE_CHECKING:
    from mlops_assets.steps.retraining_log import Turn

LOG = "retraining_log"
# Tags of the runs that the loop launches.
REASON, EVIDENCE, BY = "retrain/reason", "retrain/evidence", "retrain/by"
# Turns of the loop that the newest materialization shows.
SHOWN = 50


def retraining_log_asset(model: Model) -> dg.AssetsDefinition:
    """The asset that shows the loop. The sensor tells of it too, whenever something has happened."""

    @dg.asset(
        **of_model(model, keys.of_model(model.name, LOG)),
        deps=[keys.of_model(model.name, stage) for stage in ("release", "verification")],
        description=(
            f"Every reason to look at {model.name}, what was trained for it, what the gate said of that, and whether "
            "later days agreed."
        ),
    )
    def retraining_log(stores: dg.ResourceParam[Stores]) -> dg.MaterializeResult[Any]:
        from mlops_assets.steps.retraining_log import turns

        return dg.MaterializeResult(metadata=_told(stores, model.name, turns(stores, model.name)))

    return retraining_log


def retraining_sensor(catalog: Catalog, model: Model) -> dg.SensorDefinition:
    """Writes an answer for every reason to look, and launches each training that was decided and is not there."""
    key = keys.of_model(model.name, LOG)

    @dg.sensor(
        name=f"{model.name}_retraining",
        job_name=release_job(model),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Decides whether there is reason to train {model.name} again, and has it trained and judged.",
    )
    def retraining(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
        from mlops_assets.steps.retraining import decide_all, unanswered
        from mlops_assets.steps.retraining_log import turns

        now = datetime.now(UTC)
        answers = decide_all(stores, catalog, model, at=now.isoformat(timespec="microseconds"))
        waiting = unanswered(stores, model)
        requests, told = _launched(context, stores, catalog, model, waiting, now)
        said = [f"as of {one.as_of}: {one.reason}" for one in answers if not one.trains] + told
        log = turns(stores, model.name)
        state = meaning([vars(turn) for turn in log])
        news = (
            []
            if state == context.cursor
            else [dg.AssetMaterialization(key, metadata=_told(stores, model.name, log))]
        )
        return dg.SensorResult(
            run_requests=requests,
            asset_events=news,
            cursor=state,
            skip_reason=None if requests else "; ".join(said) or _quiet(stores, model),
        )

    return retraining


def retraining_schedule(model: Model) -> dg.ScheduleDefinition | None:
    """The clock that a model declares: each time it asks for a training, which the sensor then launches; else None."""
    if model.retraining.schedule is None:
        return None

    @dg.schedule(
        name=f"{model.name}_clock",
        job_name=release_job(model),
        cron_schedule=model.retraining.schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Asks for a training of {model.name} as of the newest day; {model.name}_retraining launches it.",
    )
    def clock(context: dg.ScheduleEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SkipReason:
        from mlops_assets.steps.retraining import ask_by_the_clock

        moment = context.scheduled_execution_time.astimezone(UTC)
        return dg.SkipReason(ask_by_the_clock(stores, model, at=moment.isoformat(timespec="microseconds")))

    return clock


def _launched(
    context: dg.SensorEvaluationContext,
    stores: Stores,
    catalog: Catalog,
    model: Model,
    waiting: Sequence[RetrainingDecision],
    now: datetime,
) -> tuple[list[dg.RunRequest], list[str]]:
    """What to launch for decisions that no verdict has followed, and what to say of those that must wait."""
    written, dates = _written(context, stores), ModelStage.of(catalog, model, "release").as_of_dates
    runs = runs_of(context.instance, (one.run_key for one in waiting))
    requests, told = [], []
    for as_of, asked in groupby(sorted(waiting, key=lambda one: one.as_of), key=lambda one: one.as_of):
        # One training answers all that ask for a date, so only the last of them counts.
        *before, newest = asked
        about = f"as of {as_of}: {newest.reason}"
        running = next((runs[one.run_key] for one in before if is_active(runs.get(one.run_key))), None)
        run = running or runs.get(newest.run_key)
        if run is not None:
            told.append(f"{about}; {how(run)}")
        elif not dates.has_partition_key(as_of):
            told.append(f"{about}; it waits for that date to begin")
        elif lacking := _lacking(catalog, model, written, as_of):
            told.append(f"{about}; it waits for {_in_words(lacking)}")
        else:
            requests.append(_training(newest))
    quiet = model.retraining.quiet_hours
    if requests and quiet is not None and quiet.hold(now):
        held = "1 training waits" if len(requests) == 1 else f"{len(requests)} trainings wait"
        return [], [*told, f"quiet hours until {quiet.end:%H:%M} {quiet.timezone}: {held}"]
    return requests, told


def _lacking(catalog: Catalog, model: Model, written: Written, as_of: str) -> PlannedRun | None:
    """The first run of data that a training as of a date waits for."""
    wanted = date.fromisoformat(as_of)
    return next(iter(data_runs(catalog, model, written, first_as_of=wanted, last_as_of=wanted)), None)


def _training(decided: RetrainingDecision) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=decided.run_key,
        partition_key=decided.as_of,
        tags={**RETRIES, REASON: decided.reason, EVIDENCE: decided.evidence, BY: decided.by},
    )


def _in_words(lacking: PlannedRun) -> str:
    """Data that are missing, or that other code made, or from other rows."""
    tables = ", ".join(keys.table_name(key) for key in lacking.assets)
    days = f" of {lacking.first} to {lacking.last}" if lacking.first is not None else ""
    return f"{tables}{days}, which {AUTOMATION} makes, and `mlops run` too"


def _written(context: dg.SensorEvaluationContext, stores: Stores) -> Written:
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    return Written(
        stores.records.code_versions, lambda key: graph.get(key).code_version, stores.records.outdated
    )


def _quiet(stores: Stores, model: Model) -> str:
    champion = stores.releases.champion(model.name)
    if champion is None:
        return f"no version of {model.name} reigns yet: materialize its release as of a day first"
    return f"nothing new was found about version {champion.version}, as of {champion.as_of}"


def _told(stores: Stores, model: str, log: Sequence["Turn"]) -> dict[str, Any]:
    from mlops_assets.steps.retraining_log import BY_HAND, HEADS, drawn

    newest = [turn.told() for turn in reversed(log[-SHOWN:])]
    return {
        "timeline": drawing(drawn(stores, model, log), "timeline"),
        "loop": table(HEADS, newest),
        "looks": len([turn for turn in log if turn.by != BY_HAND]),
        "trainings": len([turn for turn in log if turn.trained]),
        "promotions": len([turn for turn in log if turn.verdict == "promote"]),
    }
