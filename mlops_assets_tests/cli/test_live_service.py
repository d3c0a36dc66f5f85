"""The service that a replay asks: it starts, is swapped, and ends with the replay, however that ends."""

import os
import subprocess
import sys
import time
from datetime import timedelta

import psutil
import pytest

from mlops_assets.cli.live_service import live_service
from mlops_assets.errors import RunFailed
from mlops_assets.resources.environment import HOME
from mlops_assets.resources.processes import is_alive, process_named
from mlops_assets.stores.prediction_log import log_folder, read_log, segments
from mlops_assets.stores.replays import Replays
from mlops_assets_tests.serving.world import (
    MODEL,
    MOMENT,
    ROW,
    put_online,
    released,
    shelves_at,
    write_feature_repository,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def replays(tmp_path, monkeypatch):
    home = tmp_path / "home"
    for name in [name for name in os.environ if name.startswith("MLOPS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(HOME, str(home))
    shelves = shelves_at(home)
    released(shelves, 1)
    put_online(shelves)
    found = Replays.below(home, MODEL)
    found.set_clock(MOMENT)
    return found


@pytest.fixture
def features(tmp_path):
    return write_feature_repository(tmp_path / "features")


def test_it_answers_by_the_clock_that_is_moved_and_comes_to_another_version(replays, features, tmp_path):
    with live_service(MODEL, replays, features, 0) as service:
        assert service.ask("first", ROW) == 200
        assert service.ask("bad", {}) == 422
        replays.set_clock(MOMENT + timedelta(hours=1))
        assert service.ask("second", ROW) == 200
        released(shelves_at(tmp_path / "home"), 2, as_of="2024-05-02")
        service.comes_to(lambda: (2, None))
        assert service.ask("third", ROW) == 200
        # It hangs up on who is silent.
        time.sleep(6)
        assert service.ask("fourth", ROW) == 200
        assert 'version="2"' in service.metrics()
    assert not service.process.is_running()
    found = list(read_log(segments(log_folder(tmp_path / "home", MODEL))))
    told = [(one["id"], one["version"], one["at"]) for one in found]
    later = (MOMENT + timedelta(hours=1)).isoformat()
    assert told == [
        ("first", 1, MOMENT.isoformat()),
        ("second", 1, later),
        ("third", 2, later),
        ("fourth", 2, later),
    ]


def test_one_that_does_not_start_says_why_and_leaves_nothing_running(replays, features):
    replays.clock.write_text("soon")
    with (
        pytest.raises(RunFailed, match=r"did not start: .*does not say what time it is"),
        live_service(MODEL, replays, features, 0),
    ):
        pass
    assert not is_alive((replays.folder / "service").read_text())


def test_one_that_is_gone_is_told(replays, features):
    with live_service(MODEL, replays, features, 0) as service:
        service.process.kill()
        service.process.wait(20)
        with pytest.raises(RunFailed, match="the service does not answer"):
            service.ask("first", ROW)


def test_one_that_a_killed_replay_left_is_ended(replays, features):
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (replays.folder / "service").write_text(process_named(left.pid))
        with live_service(MODEL, replays, features, 0):
            assert not psutil.pid_exists(left.pid)
    finally:
        left.kill()
        left.wait(timeout=20)
