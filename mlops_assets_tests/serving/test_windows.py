"""What became of each minute's requests is written down once it is over, and never costs an answer."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.serving.app import App
from mlops_assets.serving.windows import Windows
from mlops_assets.stores.prediction_log import CLOSED, read_log, segments
from mlops_assets_tests.serving.http import post, serving
from mlops_assets_tests.serving.world import asked

BEGIN = datetime(2024, 5, 1, 23, 58, 10, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = BEGIN

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def written(folder):
    return [one for day in sorted(folder.iterdir()) for one in read_log(segments(day))]


def test_a_minute_is_written_once_it_is_over_and_each_day_has_its_own_log(tmp_path, clock):
    windows = Windows(tmp_path / "windows", clock)
    for milliseconds in range(1, 101):
        windows.answered(200, "", milliseconds / 1000)
    windows.answered(503, "busy", 0.5)
    windows.answered(422, "invalid", 0.0001)
    windows.flush()
    assert not (tmp_path / "windows").exists()
    clock.now += timedelta(minutes=1)
    windows.flush()
    (one,) = written(tmp_path / "windows")
    assert one["at"] == "2024-05-01T23:58:00+00:00"
    assert one["statuses"] == {"200": 100, "503": 1, "422": 1}
    assert one["kinds"] == {"busy": 1, "invalid": 1}
    assert one["milliseconds"] == {"p50": 50.0, "p95": 96.0, "p99": 100.0, "most": 500.0}
    # A minute in which nothing was asked is not written down.
    clock.now += timedelta(minutes=1)
    windows.flush()
    windows.answered(200, "", 0.002)
    clock.now += timedelta(minutes=1)
    windows.answered(200, "", 0.003)
    windows.close()
    assert [path.name for path in sorted((tmp_path / "windows").iterdir())] == ["2024-05-01", "2024-05-02"]
    assert [(one["at"][11:16], sum(one["statuses"].values())) for one in written(tmp_path / "windows")] == [
        *(("23:58", 102), ("00:00", 1), ("00:01", 1))
    ]
    assert {path.suffix for path in (tmp_path / "windows").rglob("*-*-*") if path.is_file()} == {CLOSED}


def test_a_process_that_is_gone_lost_no_more_than_its_last_minute(tmp_path, clock):
    windows = Windows(tmp_path / "windows", clock)
    for _ in range(3):
        windows.answered(200, "", 0.001)
        clock.now += timedelta(seconds=30)
    # Nobody closes it.
    assert [sum(one["statuses"].values()) for one in written(tmp_path / "windows")] == [2]


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path, clock):
    (tmp_path / "windows").touch()
    windows = Windows(tmp_path / "windows", clock)
    windows.answered(200, "", 0.001)
    clock.now += timedelta(minutes=1)
    windows.answered(200, "", 0.001)
    windows.close()
    nowhere = Windows(None, clock)
    nowhere.answered(200, "", 0.001)
    nowhere.close()


def test_a_day_that_is_cleared_away_costs_no_answer_and_no_window_of_the_next(tmp_path, clock):
    windows = Windows(tmp_path / "windows", clock)
    for _ in range(2):
        windows.answered(200, "", 0.001)
        clock.now += timedelta(minutes=1)
    shutil.rmtree(tmp_path / "windows" / "2024-05-01")
    for _ in range(3):
        windows.answered(200, "", 0.001)
        clock.now += timedelta(minutes=1)
    assert [one["at"][11:16] for one in written(tmp_path / "windows")] == ["00:00", "00:01"]
    shutil.rmtree(tmp_path / "windows" / "2024-05-02")
    windows.close()


def test_the_service_counts_what_it_answered_and_what_it_refused(shelves, tmp_path):
    with serving(shelves, tmp_path / "log", windows=tmp_path / "windows") as service:
        app = App(service)
        assert post(app, asked()).status_code == 200
        assert post(app, b"{}").status_code == 422
        assert post(app, b"{").status_code == 400
        service.state.features = "a view is not online"
        assert post(app, asked()).status_code == 503
        service.windows.close()
        found = written(tmp_path / "windows")
    statuses = [name for one in found for name, count in one["statuses"].items() for _ in range(count)]
    assert sorted(statuses) == ["200", "400", "422", "503"]
    kinds = [name for one in found for name in one["kinds"]]
    assert sorted(kinds) == ["features", "invalid", "unreadable"]
