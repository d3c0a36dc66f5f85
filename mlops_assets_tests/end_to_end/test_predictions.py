"""The log of a service becomes the asset of its days: by a run over a range, by the sensor, and by the command."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import dagster as dg
import pytest
from rich.console import Console

from mlops_assets.cli.compaction import compact_predictions
from mlops_assets.cli.deployment import Deployment
from mlops_assets.graph import keys, partitions
from mlops_assets.monitoring.service import ERRORS
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.predictions import served
from mlops_assets.stores.prediction_log import PredictionLog, log_folder, segments, windows_folder
from mlops_assets_tests.sandbox import SHOP, load_project, make_project, sandbox
from mlops_assets_tests.steps.test_predictions import record

pytestmark = pytest.mark.slow

MODEL = "returned"
PREDICTIONS, REPORT = (keys.of_model(MODEL, name) for name in ("predictions", "service_report"))
DAYS = ["2024-05-01", "2024-05-02", "2024-05-03"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))


@pytest.fixture
def box(project, tmp_path):
    with sandbox(project, tmp_path / "home") as opened:
        yield opened


def answered(box, *days, name="r"):
    log = PredictionLog(log_folder(box.home, MODEL))
    for day in days:
        log.append({**record(f"{name}-{day}", 12, 0.5), "at": f"{day}T12:00:00+00:00"})
    log.close()


def held(box):
    return {day: [one.request_id for one in said] for day, said in served(box.stores, MODEL).items()}


def left(box):
    return segments(log_folder(box.home, MODEL))


def test_a_range_is_one_run_and_what_it_took_over_is_forgotten_once_it_is_written(box):
    answered(box, *DAYS)
    box.run(PREDICTIONS, first=DAYS[0], last=DAYS[1])
    assert held(box) == {day: [f"r-{day}"] for day in DAYS[:2]}
    assert len(left(box)) == 1
    box.run(PREDICTIONS, first=DAYS[2])
    assert held(box).keys() == set(DAYS)
    assert left(box) == []
    # A day of which nothing is left in the log keeps what it holds, and one of which there never was anything is empty.
    box.run(PREDICTIONS, first=DAYS[2], last="2024-05-04")
    assert held(box).keys() == set(DAYS)
    evaluated = box.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(PREDICTIONS, name) for name in ("log_is_whole", "versions_were_released")]
    )
    assert {key.name: one.status.value for key, one in evaluated.items()} == {
        "log_is_whole": "SUCCEEDED",
        "versions_were_released": "SUCCEEDED",
    }


@pytest.fixture
def asked(box):
    """Evaluates a tick of a sensor of the model."""

    def tick(of="predictions"):
        sensor = box.project.definitions.resolve_sensor_def(f"{MODEL}_{of}")
        with dg.build_sensor_context(
            instance=box.instance,
            resources={"stores": box.stores},
            definitions=box.project.definitions,
        ) as context:
            return sensor.evaluate_tick(context)

    return tick


def days_of(requests):
    return [(one.tags[partitions.RANGE_START], one.tags[partitions.RANGE_END]) for one in requests]


def test_the_sensor_asks_for_the_days_that_wait_once_and_for_none_that_is_not_there(box, asked):
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    assert asked().skip_message == "nothing waits in finished segments"
    answered(box, DAYS[0], DAYS[2], tomorrow)
    requests = asked().run_requests
    days = days_of(requests)
    assert days == [(DAYS[0], DAYS[0]), (DAYS[2], DAYS[2])]
    assert [one.run_key for one in asked().run_requests] == [one.run_key for one in requests]
    for day, _ in days:
        box.run(PREDICTIONS, first=day)
    assert held(box).keys() == {DAYS[0], DAYS[2]}
    assert len(left(box)) == 1


def became(box, moment, **statuses):
    """What a process counted in a minute."""
    log = PredictionLog(windows_folder(box.home, MODEL) / moment[:10])
    counts = {status[1:]: count for status, count in statuses.items()}
    log.append({"id": moment, "at": moment, "statuses": counts, "kinds": {}, "milliseconds": {"p95": 2.0}})
    log.close()


def test_a_day_on_which_a_service_only_fails_is_judged_and_again_only_when_more_has_failed(box, asked):
    def nothing_is_asked_for():
        ticks = asked().skip_message, asked("service_report").skip_message
        return ticks == ("nothing waits in finished segments", "reports count all that failed")

    became(box, "2024-05-01T12:00:00+00:00", _200=50, _422=5)
    assert nothing_is_asked_for()
    # In Berlin a day begins at 22:00 of the day before.
    became(box, "2024-05-01T22:00:00+00:00", _503=30)
    selection, definitions = dg.AssetSelection.assets(REPORT), box.project.definitions
    before = dg.evaluate_automation_conditions(definitions, box.instance, selection)
    assert days_of(asked().run_requests) == [(DAYS[1], DAYS[1])]
    assert asked("service_report").run_requests == []
    box.run(PREDICTIONS, first=DAYS[1])
    then = dg.evaluate_automation_conditions(definitions, box.instance, selection, cursor=before.cursor)
    assert then.get_requested_partitions(REPORT) == {DAYS[1]}
    box.run(REPORT, first=DAYS[1])
    assert nothing_is_asked_for()
    for moment in ("2024-05-02T12:00:00+00:00", "2024-05-02T12:30:00+00:00"):
        became(box, moment, _503=30)
        assert asked().run_requests == []
        (request,), (again,) = (asked("service_report").run_requests for _ in range(2))
        assert (request.partition_key, request.run_key) == (DAYS[1], again.run_key)
        box.run(REPORT, first=DAYS[1])
        assert nothing_is_asked_for()
    became(box, "2024-05-02T12:31:00+00:00", _200=30)
    assert nothing_is_asked_for()
    (content,) = box.stores.records.contents(f"{MODEL}/service_report", partitions=[DAYS[1]])
    errors = next(one for one in box.stores.records.verdicts(content) if one.check == ERRORS)
    assert (errors.passed, errors.error) == (False, True)


def test_the_command_takes_over_all_days_and_says_what_stays(box, monkeypatch):
    monkeypatch.setenv(HOME, str(box.home))
    monkeypatch.delenv(MLFLOW, raising=False)
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)

    def told():
        printed = Console(record=True, width=200, file=StringIO())
        compact_predictions(opened, MODEL, console=printed)
        return printed.export_text()

    assert "nothing waits in finished segments of the log" in told()
    answered(box, *DAYS, "2024-01-01")
    said = told()
    assert "returned 2024-05-02: 1 rows; 1 rows of 1 requests; never released: [3]" in said
    assert "returned 2024-01-01: no day of returned/predictions, what was answered stays in the log" in said
    assert held(box).keys() == set(DAYS)
    assert len(left(box)) == 1
