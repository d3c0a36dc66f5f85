"""``mlops predictions ship``, as it is run: to the end, or until it is told to stop."""

import signal
import subprocess

import pytest
from rich.console import Console

from mlops_assets.cli import shipping
from mlops_assets.errors import BadRequest
from mlops_assets.steps.shipping import TOGETHER
from mlops_assets.stores.bus_folder import FolderBus
from mlops_assets.stores.prediction_log import PredictionLog, log_folder
from mlops_assets.stores.stores import Places
from mlops_assets_tests.end_to_end.deployment import BIN, until
from mlops_assets_tests.serving.processes import environment
from mlops_assets_tests.steps.test_predictions import record
from mlops_assets_tests.stores.test_bus import kept

MODEL = "returned"


def command(to, *options):
    return [str(BIN / "mlops"), "predictions", "ship", MODEL, "--to", to, *options]


def run(home, to, *options):
    done = subprocess.run(
        command(to, *options), env=environment(home), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_what_was_answered_is_shipped_once_and_what_follows_until_it_is_stopped(tmp_path):
    home, there = tmp_path / "home", tmp_path / "there"
    to = f"folder:{there}"
    code, said = run(home, to)
    assert (code, "run mlops serve returned" in said) == (1, True), said
    log = PredictionLog(log_folder(home, MODEL))
    log.append(record("first", 1, 0.5))
    assert run(home, to) == (0, f"1 events of returned are shipped to {to}\n")
    process = subprocess.Popen(command(to, "--follow"), env=environment(home))
    try:
        log.append(record("second", 2, 0.5))
        until(lambda: len(_ids(there)) == 2, seconds=60, what="the second is shipped", every=0.05)
        code, said = run(home, to)
        assert (code, "another process ships" in said) == (1, True), said
        log.append(record("third", 3, 0.5))
        until(lambda: len(_ids(there)) == 3, seconds=60, what="the third is shipped", every=0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait(timeout=20)
    log.close()
    assert _ids(there) == ["first", "second", "third"]
    assert run(home, to, "--end") == (0, f"Nothing of returned is shipped to {to} any more\n")
    code, said = run(home, to, "--end")
    assert (code, "it is to no place" in said) == (1, True), said


@pytest.fixture
def handlers():
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


class Stopping:
    """A bus under whose first delivery the process is told to stop."""

    def __init__(self):
        self.events = []

    def deliver(self, events):
        self.events += events
        signal.raise_signal(signal.SIGTERM)


def test_who_is_told_to_stop_within_a_backlog_ends_the_delivery_at_hand(tmp_path, monkeypatch, handlers):
    log, bus = PredictionLog(log_folder(tmp_path, MODEL)), Stopping()
    for number in range(TOGETHER + 1):
        log.append(record(f"r-{number}", 1, 0.5))
    log.close()
    monkeypatch.setattr(shipping, "bus_at", lambda *_, **__: bus)
    shipping.ship_predictions(Places.below(tmp_path), MODEL, "folder:/a", follow=True, console=Console())
    assert len(bus.events) == TOGETHER


def test_another_setting_of_who_sends_is_no_other_shipment(tmp_path, monkeypatch):
    log, places, kafka = (
        PredictionLog(log_folder(tmp_path, MODEL)),
        Places.below(tmp_path),
        "kafka://a:1/answered",
    )
    bus = FolderBus.at(str(tmp_path / "there"))
    monkeypatch.setattr(shipping, "bus_at", lambda *_, **__: bus)
    for number, to in enumerate((kafka, f"{kafka}?message.max.bytes=2000000")):
        log.append(record(f"r-{number}", 1, 0.5))
        shipping.ship_predictions(places, MODEL, to, follow=False, console=Console())
    log.close()
    assert _ids(tmp_path / "there") == ["r-0", "r-1"]
    shipping.end_shipping(places, MODEL, f"{kafka}?linger.ms=9", console=Console())
    with pytest.raises(BadRequest, match="it is to no place"):
        shipping.end_shipping(places, MODEL, kafka, console=Console())


def _ids(there):
    return [one["id"] for events in kept(there).values() for one in events]
