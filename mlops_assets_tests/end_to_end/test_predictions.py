"""The log of a service becomes the asset of its days: by a run over a range, by the sensor, and by the command."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import dagster as dg
import pytest
from rich.console import Console

from mlops_assets.cli.compaction import compact_predictions
from mlops_assets.cli.deployment import Deployment
from mlops_assets.graph import keys, partitions
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.predictions import served
from mlops_assets.stores.prediction_log import PredictionLog, log_folder, segments
from mlops_assets_tests.sandbox import SHOP, load_project, make_project, sandbox
from mlops_assets_tests.steps.test_predictions import record

pytestmark = pytest.mark.slow

MODEL, PREDICTIONS = "returned", keys.of_model("returned", "predictions")
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


def test_the_sensor_asks_for_the_days_that_wait_once_and_for_none_that_is_not_there(box):
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    sensor = box.project.definitions.resolve_sensor_def(f"{MODEL}_predictions")

    def asked():
        with dg.build_sensor_context(
            instance=box.instance,
            resources={"stores": box.stores},
            definitions=box.project.definitions,
        ) as context:
            return sensor.evaluate_tick(context)

    assert asked().skip_message == "nothing waits in finished segments"
    answered(box, DAYS[0], DAYS[2], tomorrow)
    requests = asked().run_requests
    days = [(one.tags[partitions.RANGE_START], one.tags[partitions.RANGE_END]) for one in requests]
    assert days == [(DAYS[0], DAYS[0]), (DAYS[2], DAYS[2])]
    assert [one.run_key for one in asked().run_requests] == [one.run_key for one in requests]
    for day, _ in days:
        box.run(PREDICTIONS, first=day)
    assert held(box).keys() == {DAYS[0], DAYS[2]}
    assert len(left(box)) == 1


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
