"""What outlives a run is brought to its end: MLflow runs closed, releases shown, whatever killed the run."""

from collections.abc import Mapping

import dagster as dg

from mlops_assets.steps.mirror import not_shown, show
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import EndedAs, Tracking

ENDED: Mapping[dg.DagsterRunStatus, EndedAs] = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}


def settle(instance: dg.DagsterInstance, stores: Stores, tracking: Tracking) -> list[str]:
    """Close the MLflow runs whose Dagster run has ended, and mirror releases that were not yet; what was done.

    A Dagster run that is gone counts as killed.
    """
    done = []
    for key, run_id in stores.tracked_runs.open_runs():
        run = instance.get_run_by_id(run_id)
        status: EndedAs | None = ENDED.get(run.status) if run else "KILLED"
        if status is not None:
            tracking.close(key, status)
            done.append(f"the MLflow run of {run_id} is {status}")
    for release in not_shown(stores):
        show(stores, tracking, release)
        done.append(f"{release.model} version {release.version} is shown in MLflow")
    return done


def settling_sensor() -> dg.SensorDefinition:
    """Settles every half minute; MLflow is only loaded when there is something to do."""

    @dg.sensor(
        name="settle_tracking",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes MLflow runs when their Dagster run has ended, shows every release in MLflow, and notes the "
        "ledger's head where its anchors are.",
    )
    def settle_tracking(
        context: dg.SensorEvaluationContext,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
    ) -> dg.SkipReason:
        # Imported here: the code location loads without a database.
        from mlops_assets.steps.ledger import note

        done = [*settle(context.instance, stores, tracking), *note(stores)]
        return dg.SkipReason("; ".join(done) or "every tracked run is closed and every release is shown")

    return settle_tracking
