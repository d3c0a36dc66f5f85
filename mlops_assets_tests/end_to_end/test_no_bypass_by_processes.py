"""Each way to start a run that has a process of its own meets data that was written past its checks."""

import shutil

import dagster as dg
import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, dagster_dev, until
from mlops_assets_tests.end_to_end.story import NEXT_AS_OF, STORY, materialize
from mlops_assets_tests.end_to_end.test_launch_paths import COMMANDS, LAUNCH, launch_of_the_story
from mlops_assets_tests.end_to_end.test_no_bypass import dearer, written_past_the_checks

pytestmark = pytest.mark.slow

DAY = "2024-03-20"
TOLD = "quarantined_share has said nothing of it"
BACKFILL = """mutation launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename }
}"""
# What a team may add to its project: somebody who asks for the story by himself.
ASKERS = f'''
import dagster as dg

JOB, RUNNING = "returned_release", dg.DefaultSensorStatus.RUNNING


@dg.sensor(job_name=JOB, minimum_interval_seconds=1, default_status=RUNNING)
def asks():
    return dg.RunRequest(run_key="once", partition_key="{NEXT_AS_OF}")


@dg.schedule(job_name=JOB, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def asks_each_minute():
    return dg.RunRequest(run_key="once a minute", partition_key="{NEXT_AS_OF}")


@dg.definitions
def askers():
    return dg.Definitions(sensors=[asks], schedules=[asks_each_minute])
'''
# What tells by whom a run was asked for.
ASKED_BY = {
    "a sensor": dg.RunsFilter(tags={"dagster/sensor_name": "asks"}),
    "a schedule": dg.RunsFilter(tags={"dagster/schedule_name": "asks_each_minute"}),
    "a backfill": dg.RunsFilter(tags={"mlops/test": "backfill"}),
    "GraphQL": dg.RunsFilter(tags={"mlops/test": "launch"}),
}


@pytest.fixture
def faulty(deployed):
    """A deployment with a champion, in which a script wrote a day of data past its checks."""
    written_past_the_checks(deployed, "validated/orders", DAY, amount=dearer)
    return deployed


def released(deployed):
    return [(one.version, one.as_of) for one in deployed.stores.releases.versions("returned")]


@pytest.mark.parametrize("path", [*COMMANDS, "the dagster command, release alone"])
def test_no_command_releases_it_and_each_tells_why(faulty, path):
    before = released(faulty)
    alone = materialize(STORY[-1:], "--partition", NEXT_AS_OF)
    code, printed = faulty.run(*COMMANDS.get(path, alone))
    assert code != 0
    told = TOLD if path in COMMANDS else f"returned/model has no partition {NEXT_AS_OF}"
    assert told in " ".join(printed.split()), printed
    assert released(faulty) == before


def test_nothing_that_a_running_deployment_launches_releases_it(faulty, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(faulty.clone, clone)
    asking = clone / "mlops_assets" / "defs" / "askers" / "definitions.py"
    asking.parent.mkdir()
    asking.write_text(ASKERS)
    apart, before = Deployed(clone, faulty.home), released(faulty)
    with dagster_dev(apart) as server, apart.instance() as instance:
        launched = launch_of_the_story()
        launched["executionMetadata"]["tags"].append({"key": "mlops/test", "value": "launch"})
        assert server.ask(LAUNCH, params=launched)["launchRun"]["__typename"] == "LaunchRunSuccess"
        asked = {
            "assetSelection": [{"path": key.split("/")} for key in STORY],
            "partitionNames": [NEXT_AS_OF],
            "tags": [{"key": "mlops/test", "value": "backfill"}],
        }
        begun = server.ask(BACKFILL, params=asked)["launchPartitionBackfill"]["__typename"]
        assert begun == "LaunchBackfillSuccess"
        for asker, its_runs in ASKED_BY.items():
            run = until(lambda runs=its_runs: ended(instance, runs), seconds=180, what=f"a run of {asker}")
            assert run.status == dg.DagsterRunStatus.FAILURE, asker
            assert TOLD in failures(instance, run.run_id), asker
    assert released(faulty) == before


def ended(instance, its_runs):
    return next((run for run in instance.get_runs(its_runs) if run.is_finished), None)


def failures(instance, run_id):
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return " ".join(event.dagster_event.step_failure_data.error.to_string() for event in events)
