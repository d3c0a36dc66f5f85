"""The whole service as a process: killed, told to end, given another version, and asked by those who mean no good."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mlops_assets.declaration.versions import Version
from mlops_assets.steps.predictions import compacting, served, waiting
from mlops_assets.stores.prediction_log import CLOSED, log_folder, segments
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.serving.processes import Load, command, environment, running
from mlops_assets_tests.serving.world import (
    MODEL,
    VERSIONS,
    VIEW,
    asked,
    put_online,
    released,
    shelves_at,
    write_feature_repository,
)
from mlops_assets_tests.stores.commits import by

pytestmark = pytest.mark.slow
# Of the service's clock, which begins at noon of UTC.
DAYS = ["2024-05-01"]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_feature_repository(tmp_path_factory.mktemp("feature_repo"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made") / "home"
    shelves = shelves_at(home)
    released(shelves, 1)
    put_online(shelves)
    return home


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home")


def taken_over(home):
    """The rows of ``<model>/predictions`` once it has taken over what the log holds."""
    stores, zone = Stores.open(Places.below(home)), ZoneInfo("America/New_York")
    with compacting(stores, MODEL, zone, waiting(stores, MODEL, zone).days) as made:
        stores.lake.write(f"{MODEL}/predictions", made.produced, by("run"))
        made.forget()
    return [one for said in served(stores, MODEL).values() for one in said]


@pytest.mark.parametrize("attempt", range(3))
def test_a_service_that_is_killed_under_load_has_written_down_all_that_it_answered(home, features, attempt):
    with running(home, features) as service:
        with Load(service) as load:
            until(lambda: len(load.answered) > 50, seconds=60, what="it answers")
            time.sleep(0.2 * attempt)
            service.signal(signal.SIGKILL)
            service.process.wait()
        assert len(load.failed) == load.connections
    # What is taken over by one that is killed is there once all the same.
    killed = [sys.executable, "-m", "mlops_assets_tests.steps.compactor", str(home), "remembered", *DAYS]
    assert subprocess.run(killed, check=False, timeout=120).returncode == -signal.SIGKILL
    found = taken_over(home)
    rows = {one.request_id: one for one in found}
    assert len(found) == len(rows)
    assert load.answered.keys() <= rows.keys()
    assert len(rows) <= len(load.answered) + load.connections
    for name, answer in load.answered.items():
        assert rows[name].probability == answer["predictions"][0]["probability"]
        assert rows[name].version == answer["version"] == 1
        assert json.loads(rows[name].views).keys() == {VIEW}
    assert segments(log_folder(home, MODEL)) == []


def test_a_service_that_is_told_to_end_is_not_ready_answers_what_waits_and_closes_its_log(home, features):
    with running(home, features, "--durability", "fsync") as service:
        with Load(service) as load:
            until(lambda: len(load.answered) > 10, seconds=60, what="it answers")
            before = len(load.answered)
            service.signal(signal.SIGTERM)
            until(lambda: service.get("/ready")[0] == 503, seconds=5, what="it is not ready", every=0.01)
            # For who balances load it goes on answering.
            until(lambda: len(load.answered) > before, seconds=30, what="it answers all the same", every=0.01)
            assert service.process.wait(timeout=40) == 0
        assert not [one for one in load.failed if one[0].isdigit()]
    assert {path.suffix for path in log_folder(home, MODEL).iterdir()} == {CLOSED}
    assert {one.request_id for one in taken_over(home)} == load.answered.keys()


def test_another_version_takes_over_without_a_failed_request_and_a_tampered_one_does_not(home, features):
    shelves = shelves_at(home)
    with running(home, features) as service, Load(service) as load:
        until(lambda: len(load.answered) > 20, seconds=60, what="it answers")
        released(shelves, 2, "2024-05-02")
        until(lambda: service.get("/ready")[1]["version"] == 2, seconds=90, what="version 2 answers")
        third = released(shelves, 3, "2024-05-03")
        path = shelves.artifacts.folder(third.artifact_digest) / "model.skops"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        told = until(lambda: service.get("/ready")[1]["reasons"], seconds=90, what="it is told")
        assert "version 3 reigns and may not be served: model.skops" in told[0]
        status, said = service.get("/ready")
        assert (status, said["version"], said["ready"]) == (200, 2, True)
        path.write_bytes(whole)
        service.signal(signal.SIGHUP)
        until(lambda: service.get("/ready")[1]["version"] == 3, seconds=60, what="version 3 answers")
        assert service.get("/ready")[1]["reasons"] == []
        seen = len(load.answered)
        until(lambda: len(load.answered) > seen + 10, seconds=90, what="it goes on")
        load.end()
        assert load.failed == []
    assert {one["version"] for one in load.answered.values()} == {1, 2, 3}
    service.process.wait()
    rows = {one.request_id: one.version for one in taken_over(home)}
    assert rows == {name: one["version"] for name, one in load.answered.items()}


def test_the_process_that_answers_holds_nothing_that_only_verifying_needs(home, features):
    with running(home, features) as service, Load(service, connections=1) as load:
        until(lambda: len(load.answered) > 5, seconds=60, what="it answers")
        assert service.get("/ready")[1]["engine"] == "compiled trees"
        held = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert "/numpy/" in held
        assert not [name for name in ("/sklearn/", "/scipy/", "/deltalake/") if name in held]
        children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text()
        assert children == ""


def test_features_that_go_offline_are_told_and_come_back(home, features):
    shelves = shelves_at(home)
    spelled = shelves.online.versions(VIEW)[0]
    with running(home, features) as service, closing(service.connect()) as connection:

        def status():
            connection.request("POST", "/predict", asked(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert status() == 200
        shelves.online.drop(VIEW)
        assert status() == 503
        until(lambda: service.get("/ready")[0] == 503, seconds=60, what="it is not ready")
        assert put_online(shelves) == spelled
        until(lambda: service.get("/ready")[0] == 200, seconds=60, what="it is ready")
        assert status() == 200


def tampered(shelves):
    path = shelves.artifacts.folder(shelves.releases.version(MODEL, 1).artifact_digest) / "model.skops"
    path.write_bytes(path.read_bytes()[:-1])


def older(shelves):
    released(shelves, 2, "2024-05-02", edition=2)
    shelves.reigns.begin(MODEL, 1, after=2, by="Ada", reason="r", at="2024-05-03T00:00:00+00:00", run_id="")


def offline(shelves):
    shelves.online.drop(VIEW)
    put_online(shelves, version=Version({**VERSIONS[VIEW].parts, "source.orders": "bb"}))


@pytest.mark.parametrize(
    ("done", "options", "told"),
    [
        (tampered, [], "ArtifactMismatch: model.skops of artifact"),
        (older, [], "ServiceRefused: returned version 1 has a contract of edition 1"),
        (offline, [], "NotMaterialized: nothing is online of feature view 'habits' but another version"),
        (lambda shelves: None, ["--host", "0.0.0.0"], "ServiceRefused: the service would listen on 0.0.0.0"),
    ],
)
def test_it_does_not_start_and_says_why(home, features, done, options, told):
    done(shelves_at(home))
    ended = subprocess.run(
        command(home, features, *options), env=environment(home), capture_output=True, text=True, timeout=90
    )
    assert ended.returncode == 1
    assert told in " ".join(ended.stderr.split())
    assert not list(log_folder(home, MODEL).glob("*"))


def sent_raw(service, *parts, pause=0.0, wait=15.0):
    """What is answered to bytes that are sent as they are; and after how many seconds the connection ends."""
    begun = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=wait)) as connection:
        answer = b""
        # Who is answered before all is sent may find nobody to send the rest to; the answer is there all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with suppress(ConnectionResetError):
            while found := connection.recv(65536):
                answer += found
        return answer, time.monotonic() - begun


def test_those_who_mean_no_good_are_sent_away_and_others_are_answered(home, features):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with running(home, features) as service, Load(service, connections=1) as load:
        until(lambda: load.answered, seconds=60, what="it answers")
        answer, _ = sent_raw(service, b"\x16\x03\x01 nothing like HTTP\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        # A head that never ends, in time and in bytes.
        answer, seconds = sent_raw(service, b"POST /predict HTTP/1.1\r\nX: y")
        assert answer == b""
        assert 4 < seconds < 12
        answer, _ = sent_raw(service, head, *[b"X-More: " + b"y" * 8000 + b"\r\n"] * 20)
        assert answer == b""
        # A body that is larger than it says, and larger than may be.
        answer, _ = sent_raw(service, head + b"Content-Length: 2000000\r\n\r\n", *[b" " * 10**6] * 2)
        assert answer.startswith(b"HTTP/1.1 413")
        chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
        answer, _ = sent_raw(service, head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 6)
        assert answer.startswith(b"HTTP/1.1 413")
        # A body that comes by and by.
        answer, seconds = sent_raw(service, head + b"Content-Length: 100\r\n\r\n", b" ", wait=20.0)
        assert answer.startswith(b"HTTP/1.1 408")
        assert 9 < seconds < 15
        load.end()
        assert load.failed == []


def test_hundreds_who_send_by_and_by_keep_nobody_else_waiting(home, features):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = head + b"Content-Length: 100000\r\n\r\n"
    with running(home, features) as service, ExitStack() as opened:

        def connect(begin):
            connection = opened.enter_context(closing(socket.create_connection(("127.0.0.1", service.port))))
            connection.sendall(begin)
            return connection

        heads = [connect(head) for _ in range(100)]
        # More than are answered at once.
        bodies = [connect(body) for _ in range(150)]
        begun = time.monotonic()
        with Load(service, connections=2) as load:
            while time.monotonic() - begun < 3:
                for connection in (*heads, *bodies):
                    connection.sendall(b"x")
                time.sleep(0.2)
        assert load.failed == []
        assert len(load.answered) > 10
        for connection, expected in (
            *((one, b"") for one in heads),
            *((one, b"HTTP/1.1 408") for one in bodies),
        ):
            connection.settimeout(20)
            with suppress(ConnectionResetError):
                assert connection.recv(65536)[:12] == expected
        assert service.get("/ready")[0] == 200


def test_what_was_answered_is_shown(home, features):
    with running(home, features) as service, Load(service, connections=1) as load:
        until(lambda: len(load.answered) >= 3, seconds=60, what="it answers")
    environ = environment(home)
    mlops = command(home, features)[0]
    shown = subprocess.run(
        [mlops, "predictions", "show", MODEL, "--last", "2"], env=environ, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert f"load-0-{len(load.answered)}" in shown.stdout
    assert "load-0-1 " not in shown.stdout
    # Some of it is in the asset by now, and some is not.
    kept = {one.request_id for one in taken_over(home)}
    with running(home, features) as service, Load(service, connections=1) as load:
        until(lambda: len(load.answered) >= 2, seconds=60, what="it answers")
    shown = subprocess.run(
        [mlops, "predictions", "show", MODEL, "--last", "1000", "--json"],
        env=environ,
        capture_output=True,
        text=True,
    )
    told = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {one["id"] for one in told if one["in"] == "asset"} == kept
    assert load.answered.keys() <= {one["id"] for one in told if one["in"] == "log"}
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)
    none = subprocess.run(
        [mlops, "predictions", "show", "other"], env=environ, capture_output=True, text=True
    )
    assert none.returncode == 1
    assert "no prediction of other was written down" in " ".join(none.stderr.split())
