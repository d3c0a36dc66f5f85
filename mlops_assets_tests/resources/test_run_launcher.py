"""A run whose process is gone is told; one that runs, or of which nobody can tell, is not."""

import json
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from mlops_assets.resources.processes import PROCESS_TAG, this_process
from mlops_assets.resources.run_launcher import STARTED, EmbeddedRunLauncher

HERE, ELSEWHERE = ({GRPC_INFO_TAG: json.dumps({"host": host})} for host in ("localhost", "10.1.2.3"))


@pytest.fixture
def launcher():
    with dg.DagsterInstance.ephemeral() as instance:
        made = EmbeddedRunLauncher()
        made.register_instance(instance)
        yield instance, made


def run(instance, tags, pid=None):
    found = create_run_for_test(instance, tags=tags)
    if pid is not None:
        instance.report_engine_event(f"{STARTED} (pid: {pid}).", found, EngineEventData.in_process(pid))
    return found


def test_a_process_that_was_killed_is_told_and_one_that_runs_is_not(launcher):
    instance, asked = launcher
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = run(instance, HERE, process.pid)
        assert asked.check_run_worker_health(found).status is WorkerStatus.RUNNING
        process.kill()
        process.wait()
    gone = asked.check_run_worker_health(found)
    assert gone.status is WorkerStatus.NOT_FOUND
    assert gone.msg == f"process {process.pid} was killed"


def test_a_run_of_a_command_lives_as_long_as_the_process_that_it_names(launcher):
    instance, asked = launcher
    alive, dead = (run(instance, {PROCESS_TAG: name}) for name in (this_process(), f"{2**22 + 1}@1"))
    assert asked.check_run_worker_health(alive).status is WorkerStatus.RUNNING
    assert asked.check_run_worker_health(dead).status is WorkerStatus.NOT_FOUND


def test_nothing_is_said_of_other_machines_nor_before_a_process_has_said_its_number(launcher):
    instance, asked = launcher
    assert asked.check_run_worker_health(run(instance, ELSEWHERE, 2**22 + 1)).status is WorkerStatus.RUNNING
    assert asked.check_run_worker_health(run(instance, HERE)).status is WorkerStatus.RUNNING
