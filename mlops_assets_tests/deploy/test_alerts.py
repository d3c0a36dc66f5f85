"""What goes wrong with a running service reaches somebody: service, Prometheus, its alert manager and a webhook.

The faults are those of real life: a disk that takes no more, a store of features that stalls, a process that is killed.
"""

import resource
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from mlops_assets.stores.prediction_log import log_folder, read_log, segments
from mlops_assets_tests.deploy.servers import HERE, Webhook, alertmanager, free_port, prometheus
from mlops_assets_tests.deploy.servers import running as process
from mlops_assets_tests.deploy.tools import require
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.serving.processes import Load, running
from mlops_assets_tests.serving.world import (
    MODEL,
    evaluated,
    put_online,
    released,
    shelves_at,
    write_feature_repository,
)

pytestmark = pytest.mark.slow
SECONDS = 60


@contextmanager
def full_disk(pid):
    """No file of a process may grow: the kernel's answer is an error, as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def stalling(store):
    """A process that sleeps for most of each second."""
    ends = threading.Event()

    def stall():
        while not ends.is_set():
            store.send_signal(signal.SIGSTOP)
            time.sleep(0.8)
            store.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_what_goes_wrong_is_told_and_that_it_is_well_again(tmp_path):
    port = free_port()
    redis = [
        require("redis-server"),
        "--port",
        f"{port}",
        "--bind",
        HERE,
        "--save",
        "",
        "--dir",
        f"{tmp_path}",
    ]
    home, shelves = tmp_path / "home", shelves_at(tmp_path / "home")
    # Nearly all that it was evaluated on was positive, and half of what it is asked is not.
    released(shelves, 1, files=evaluated(95, 5))
    features = write_feature_repository(tmp_path / "feature_repo")
    with process(redis, tmp_path / "redis.log") as store, Webhook() as webhook:
        address = f"redis://{HERE}:{port}/0"
        until(
            lambda: "Ready to accept" in (tmp_path / "redis.log").read_text(), seconds=SECONDS, what="Redis"
        )
        put_online(shelves_at(tmp_path / "home", online=address))
        told = {"MLOPS_ONLINE": address, "MLOPS_SERVE_TOKEN": "s3cret"}
        with (
            running(home, features, **told) as service,
            alertmanager(tmp_path / "alertmanager", webhook.port) as manager,
            prometheus(tmp_path / "prometheus", service.port, "s3cret", manager) as server,
            Load(service, connections=4, pause=0.05) as load,
        ):

            def told_of(status, *names):
                until(
                    lambda: webhook.names(status).keys() >= set(names),
                    seconds=SECONDS,
                    what=f"{names} {status}",
                )

            until(
                lambda: server.ask("model:request_errors:ratio"), seconds=SECONDS, what="the rules are tried"
            )
            # Others may keep this machine busy.
            assert server.firing() <= {"ClassesDrift", "ProcessorBusy"}
            assert load.failed == []
            with full_disk(service.process.pid):
                told_of("firing", "RequestsFail", "PredictionLogFails")
            assert webhook.names("firing")["RequestsFail"] == "/page"
            assert "503" in load.failed[0]
            assert "'error': 'log'" in load.failed[0]
            assert "AnswersLate" not in webhook.names("firing")
            with stalling(store):
                told_of("firing", "AnswersLate")
                told_of("resolved", "RequestsFail")
            told_of("firing", "ClassesDrift")
            assert webhook.names("firing")["ClassesDrift"] == "/warn"
            told_of("resolved", "AnswersLate", "PredictionLogFails")
            service.signal(signal.SIGKILL)
            told_of("firing", "ServiceDown")
        said = {alert["labels"]["alertname"]: alert["annotations"]["summary"] for _, alert in webhook.told}
        assert said["ServiceDown"] == f"{HERE}:{service.port} cannot be asked for its measures"
        assert "ServiceNotReady" not in said
        assert "UpdateRefused" not in said
        kept = {one["id"] for one in read_log(segments(log_folder(home, MODEL)))}
        assert load.answered.keys() <= kept, "what was acknowledged before the disk was full, and after"
