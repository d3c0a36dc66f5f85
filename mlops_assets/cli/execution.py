"""Runs Dagster runs in this process, and shows how far they are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from mlops_assets.cli.deployment import Deployment
from mlops_assets.errors import MlopsError, RunFailed, family
from mlops_assets.graph.partitions import RANGE_END, RANGE_START
from mlops_assets.graph.plan import PlannedRun
from mlops_assets.graph.settling import settle
from mlops_assets.resources.processes import PROCESS_TAG, is_alive, this_process

INTERRUPTED = "DagsterExecutionInterruptedError"
OURS = {error.__name__ for error in family(MlopsError)}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute(
    deployment: Deployment, planned: PlannedRun, console: Console, *, tags: Mapping[str, str] | None = None
) -> str:
    """Run to the end and return the run's id. Raises RunFailed with the reason of the step that failed.

    tags: of the run, beside those that say what it is over.
    """
    job = deployment.project.definitions.resolve_implicit_global_asset_job_def()
    run_id = str(uuid4())
    with _shown(deployment, run_id, planned, console):
        result = job.execute_in_process(
            instance=deployment.instance,
            asset_selection=list(planned.assets),
            run_id=run_id,
            run_config=QUIET,
            raise_on_error=False,
            **_partitions(planned, tags or {}),
        )
    settle(deployment.instance, deployment.stores, deployment.tracking)
    if not result.success:
        raise RunFailed(
            f"{planned.title}: {_reason(result)}\nThe run is {run_id}; `make dev` shows all of it."
        )
    return run_id


def bury_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed the runs whose process was killed; their ids."""
    started = instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    )
    dead = [run for run in started if PROCESS_TAG in run.tags and not is_alive(run.tags[PROCESS_TAG])]
    for run in dead:
        instance.report_run_failed(run, "The process of this run was killed.")
    return [run.run_id for run in dead]


def _partitions(planned: PlannedRun, more: Mapping[str, str]) -> dict[str, Any]:
    tags = {**more, PROCESS_TAG: this_process()}
    if planned.first is None:
        return {"tags": tags}
    if planned.first == planned.last:
        return {"tags": tags, "partition_key": planned.first}
    return {"tags": {**tags, RANGE_START: planned.first, RANGE_END: planned.last or planned.first}}


@contextmanager
def _shown(deployment: Deployment, run_id: str, planned: PlannedRun, console: Console) -> Iterator[None]:
    days = "" if planned.first in (None, planned.last) else f", {planned.first} to {planned.last}"
    title = f"{planned.title}{days}"
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        steps = _steps(deployment, planned)
        task = progress.add_task(title, total=len(steps), now="")

        def follow(event: dg.EventLogEntry) -> None:
            if event.step_key and event.dagster_event is not None:
                if event.dagster_event.is_step_start:
                    progress.update(task, now=event.step_key.replace("__", "/"))
                elif event.dagster_event.is_step_success and event.step_key in steps:
                    progress.advance(task)

        deployment.instance.add_event_listener(run_id, follow)
        yield
        progress.update(task, now="")


def _steps(deployment: Deployment, planned: PlannedRun) -> set[str]:
    """One step may make several assets."""
    return {deployment.project.definitions.resolve_assets_def(key).node_def.name for key in planned.assets}


def _reason(result: dg.ExecuteInProcessResult) -> str:
    failures = [event for event in result.all_events if event.is_step_failure]
    errors = [failure.step_failure_data.error for failure in failures if failure.step_failure_data.error]
    if any(error.cls_name == INTERRUPTED for error in errors):
        return "it was interrupted. What was written before is whole; run the command again to go on."
    messages = [_telling(error).message.strip() for error in errors]
    return "\n".join(messages) or "it did not succeed"


def _telling(error: Any) -> Any:
    """Of a recorded error and its causes the first that is ours, for it says what to do; else the innermost."""
    if error.cause is None or error.cls_name in OURS:
        return error
    return _telling(error.cause)
