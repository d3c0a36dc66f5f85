"""However a run is launched: its MLflow run is FINISHED if and only if the Dagster run succeeded."""

import os
import shutil
from contextlib import contextmanager

import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, dagster_dev, until
from mlops_assets_tests.end_to_end.story import NEXT_AS_OF, STORY, materialize

pytestmark = pytest.mark.slow

IN_PYTHON = f"""
import dagster as dg
from mlops_assets.definitions import defs

with dg.DagsterInstance.get() as instance:
    result = defs().resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey.from_user_string(key) for key in {STORY}],
        partition_key="{NEXT_AS_OF}",
        raise_on_error=False,
    )
raise SystemExit(0 if result.success else 1)
"""
LAUNCH = """mutation launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
STATUS = "query status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
COMMANDS = {
    "the dagster command": materialize(STORY, "--partition", NEXT_AS_OF),
    "the mlops command": ["mlops", "run", "returned", "--as-of", NEXT_AS_OF],
    "Python": ["python", "-c", IN_PYTHON],
}


@contextmanager
def tampered(path):
    """The file with one byte changed, for a while."""
    good = path.read_bytes()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    yield
    path.write_bytes(good)


@contextmanager
def evaluation_is_impossible(deployed):
    """The model step succeeds and the next one fails: the champion to compare with is not what was released."""
    champion = deployed.stores.releases.champion("returned")
    with tampered(deployed.stores.artifacts.folder(champion.artifact_digest) / "model.skops"):
        yield


def new_statuses(deployed, before):
    return [status for run, status in deployed.mlflow_runs().items() if run not in before]


def trained(deployed):
    return NEXT_AS_OF in deployed.stores.records.code_versions("returned/model")


def assert_fails_and_then_succeeds(deployed, launch, settle):
    """launch: says whether the run succeeded. settle: brings MLflow's runs to their end."""
    before = deployed.mlflow_runs()
    champion = deployed.stores.releases.champion("returned")
    with evaluation_is_impossible(deployed):
        assert not launch()
    assert trained(deployed)
    assert new_statuses(deployed, before) in (["RUNNING"], ["FAILED"])
    assert deployed.stores.releases.champion("returned") == champion

    assert launch()
    settle()
    assert sorted(new_statuses(deployed, before)) == ["FAILED", "FINISHED"]


@pytest.mark.parametrize("path", COMMANDS)
def test_a_run_that_fails_after_training_is_failed_in_mlflow_too(deployed, path):
    def launch():
        code, printed = deployed.run(*COMMANDS[path])
        assert code == 0 or "has been changed: found SHA-256" in " ".join(printed.split()), printed
        return code == 0

    assert_fails_and_then_succeeds(deployed, launch, deployed.settle)


def test_so_it_is_when_every_step_has_a_process_of_its_own(deployed, tmp_path):
    clone = tmp_path / "clone"
    _clone_with_a_process_for_each_step(deployed.clone, clone)
    apart = Deployed(clone, deployed.home)

    # The second time, what is there already is not made again: a process takes seconds to start.
    selections = iter([STORY, STORY[1:3]])

    def launch():
        code, printed = apart.run(*materialize(next(selections), "--partition", NEXT_AS_OF))
        assert printed.count("Launching subprocess") >= 2, printed
        return code == 0

    assert_fails_and_then_succeeds(apart, launch, apart.settle)


def test_so_it_is_when_the_ui_launches_it_and_then_the_sensor_settles_it(deployed):
    with dagster_dev(deployed) as server:

        def launch():
            launched = server.ask(LAUNCH, params=launch_of_the_story())["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", launched
            run = launched["run"]["runId"]
            return until(lambda: _ended(server, run), seconds=120, what="the run ends") == "SUCCESS"

        def settle():
            open_runs = deployed.stores.tracked_runs.open_runs
            until(lambda: not open_runs(), seconds=60, what="the sensor closes every MLflow run")

        assert_fails_and_then_succeeds(deployed, launch, settle)


def _ended(server, run):
    status = server.ask(STATUS, run=run)["runOrError"]["status"]
    return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None


def launch_of_the_story():
    return {
        "mode": "default",
        "runConfigData": {},
        "selector": {
            "repositoryLocationName": "mlops_assets",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": key.split("/")} for key in STORY],
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": NEXT_AS_OF}]},
    }


def _clone_with_a_process_for_each_step(clone, target):
    shutil.copytree(clone, target)
    platform = target / "mlops_assets" / "defs" / "platform" / "definitions.py"
    text = platform.read_text()
    assert "in_process_executor" in text
    platform.write_text(text.replace("in_process_executor", "multiprocess_executor"))
    os.utime(platform)
