"""Dagster's own launcher, which also tells when the process of a run was killed.

The stock one never asks: a run whose process was killed stays started until its time is up, holds its pool, and
whoever waits for it waits for hours. This one answers what Dagster's run monitoring asks of launchers that can tell.
"""

import json

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG

from mlops_assets.resources.processes import PROCESS_TAG, is_alive, was_alive

STARTED = "Started process for run"
HERE = ("localhost", "127.0.0.1")


class EmbeddedRunLauncher(DefaultRunLauncher):
    """For runs that live in processes of this machine. Of others it says that they run."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It can tell."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that a run lives in is there: by the name that a command gave, or that Dagster logged."""
        named = run.tags.get(PROCESS_TAG)
        if named is not None:
            return _health(is_alive(named), named)
        launched = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if launched.get("host") not in HERE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "nobody can tell from here")
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event is not None and (event.message or "").startswith(STARTED):
                pid = int(str(event.engine_event_data.metadata["pid"].value))
                return _health(was_alive(pid, entry.timestamp), str(pid))
        return CheckRunHealthResult(WorkerStatus.RUNNING, "its process has not said its number yet")


def _health(alive: bool, process: str) -> CheckRunHealthResult:
    if alive:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {process} was killed")
