"""A log is shipped: everything, in order, however often who ships it is killed, while it is written and compacted."""

import subprocess
import sys
import time

import pytest

from mlops_assets.errors import NotMaterialized, NotShipped
from mlops_assets.steps.predictions import served
from mlops_assets.steps.shipping import ship
from mlops_assets.stores.bus import bus_at
from mlops_assets.stores.prediction_log import PredictionLog, log_folder, segments
from mlops_assets.stores.shipments import shipment
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.steps.compactor import MODEL, compact
from mlops_assets_tests.steps.test_predictions import FIRST, SECOND, record
from mlops_assets_tests.stores.test_bus import kept

DAYS = (FIRST, SECOND)
SHIPPER = [sys.executable, "-m", "mlops_assets_tests.steps.shipper"]


class Memory:
    """A bus that takes some deliveries. fails: the numbers of those that it does not confirm, though it keeps half."""

    def __init__(self, *fails):
        self.events, self.deliveries, self._fails = [], 0, fails

    def deliver(self, events):
        self.deliveries += 1
        if self.deliveries in self._fails:
            self.events += events[: len(events) // 2]
            raise NotShipped("the bus is away")
        self.events += events


def never():
    return False


def taken_over(stores):
    """The ids of requests that the table has, each as often as it has them."""
    return [one.request_id for said in served(stores, MODEL).values() for one in said]


def append(log, first, last):
    for number in range(first, last):
        log.append(record(f"r-{number}", number % 24, 0.5))


def test_what_was_not_confirmed_is_delivered_again_and_what_was_is_not(tmp_path):
    log = PredictionLog(tmp_path, max_bytes=2000)
    append(log, 0, 20)
    bus = Memory(2)
    with pytest.raises(NotShipped, match="away"):
        ship(tmp_path, bus, "a", again=never, together=6)
    assert ship(tmp_path, bus, "a", again=never, together=6) == 14
    ids = [one.record["id"] for one in bus.events]
    assert ids == [f"r-{number}" for number in [*range(6), 6, 7, 8, *range(6, 20)]]
    assert ship(tmp_path, bus, "a", again=never) == 0
    append(log, 20, 23)
    assert ship(tmp_path, bus, "a", again=never) == 3
    other = Memory()
    assert ship(tmp_path, other, "b", again=never) == 23, "each place has its own"
    log.close()


def test_who_is_told_to_end_ends_after_the_delivery_at_hand(tmp_path):
    log = PredictionLog(tmp_path)
    append(log, 0, 20)
    bus = Memory()
    assert ship(tmp_path, bus, "a", again=never, ends=lambda: bus.deliveries == 2, together=6) == 12
    assert ship(tmp_path, bus, "a", again=never, together=6) == 8
    assert [one.number for one in bus.events] == list(range(1, 21))
    log.close()


def test_a_log_that_is_none_is_told(tmp_path):
    with pytest.raises(NotMaterialized, match="run mlops serve none"):
        ship(tmp_path / "none", Memory(), "a", again=never)
    assert not (tmp_path / "none").exists()


def test_a_compaction_keeps_what_is_still_to_be_shipped(tmp_path):
    stores, folder = Stores.open(Places.below(tmp_path)), log_folder(tmp_path, MODEL)
    log = PredictionLog(folder, max_bytes=400)
    append(log, 0, 10)
    bus = Memory(2)
    with pytest.raises(NotShipped):
        ship(folder, bus, "a", again=never, together=3)
    append(log, 10, 20)
    log.close()
    count = len(segments(folder))
    compact(stores, *DAYS)
    assert len(taken_over(stores)) == 20
    assert 0 < len(segments(folder)) < count
    compact(stores, *DAYS)
    assert len(taken_over(stores)) == 20
    assert ship(folder, bus, "a", again=never) == 17
    assert {one.record["id"] for one in bus.events} == {f"r-{number}" for number in range(20)}
    compact(stores, *DAYS)
    assert segments(folder) == []


def test_killed_again_and_again_while_the_log_is_written_and_compacted_nothing_is_lost(tmp_path):
    stores, log, there = Stores.open(Places.below(tmp_path)), log_folder(tmp_path, MODEL), tmp_path / "there"
    writers = [PredictionLog(log, max_bytes=5000) for _ in range(2)]
    to = f"folder:{there}"
    with shipment(log, to):
        """From here on nothing may be lost."""
    command = [*SHIPPER, str(log), to]
    count = 0
    for attempt in range(4):
        before = count
        process = subprocess.Popen(command)
        try:
            deadline = time.monotonic() + 30
            # Once it ships, it is killed at another moment each time.
            while time.monotonic() < deadline and (count - before < 200 or not kept(there)):
                append(writers[count // 10 % 2], count, count + 10)
                count += 10
                time.sleep(0.02)
                if count % 100 == 0:
                    compact(stores, *DAYS)
            time.sleep(0.013 * attempt)
            assert process.poll() is None
        finally:
            process.kill()
            process.wait(timeout=20)
    for writer in writers:
        writer.close()
    ship(log, bus_at(to), to, again=never)
    found = kept(there)
    assert len(found) == 2
    for events in found.values():
        numbers = [int(one["sequence"]) for one in events]
        first_time = list(dict.fromkeys(numbers))
        assert first_time == list(range(1, len(first_time) + 1)), "in order, but for what came again"
    everything = {f"r-{n}" for n in range(count)}
    assert {one["id"] for events in found.values() for one in events} == everything
    compact(stores, *DAYS)
    assert segments(log) == []
    assert sorted(taken_over(stores)) == sorted(everything)
