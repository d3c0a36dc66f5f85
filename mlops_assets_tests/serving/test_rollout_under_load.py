"""Rollouts of services that are processes, while requests come all the time."""

import math
import signal
import sys
import time

import pytest

from mlops_assets.governance.rollout import Limits
from mlops_assets.steps import rollout
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.serving.processes import Load, running
from mlops_assets_tests.serving.test_serve import features, home, made, taken_over
from mlops_assets_tests.serving.world import MODEL, released, shelves_at

__all__ = ["features", "home", "made"]
pytestmark = pytest.mark.slow
ASKED = {"by": "ada", "reason": "früher besser"}
# Models of ten trees that were taught by chance score far apart, so they may.
LIMITS = Limits(at_least=10**6, apart=1.0)


@pytest.fixture
def shelves(home):
    """Version 1 reigns again after version 2."""
    found = shelves_at(home)
    released(found, 2, "2024-05-02")
    found.reigns.begin(MODEL, 1, after=2, by="ada", reason="r", at="2024-05-03T00:00:00+00:00", run_id="")
    return found


def start(shelves, kind="canary", share=0.3, limits=LIMITS):
    return rollout.start(shelves, MODEL, 2, kind, share, limits, **ASKED)


def last(shelves):
    return shelves.rollouts.history(MODEL)[-1]


def answered_by(load, version):
    return sum(one["version"] == version for one in list(load.answered.values()))


def faulty(how, version):
    """The command that serves with that version at fault."""
    return [sys.executable, "-m", "mlops_assets_tests.serving.faulty", how, str(version)]


def test_a_canary_has_its_share_a_kill_ends_nothing_and_a_stop_brings_the_champion_back(
    shelves, home, features
):
    start(shelves)
    for _ in range(2):
        with running(home, features) as service, Load(service) as load:
            until(lambda: len(load.answered) >= 400, seconds=120, what="it answers")
            service.signal(signal.SIGKILL)
            service.process.wait()
        requests, own = len(load.answered), answered_by(load, 2)
        assert abs(own - 0.3 * requests) < 5 * math.sqrt(requests * 0.3 * 0.7)
        assert last(shelves).is_open
    with running(home, features) as service, Load(service) as load:
        until(lambda: answered_by(load, 2) > 5, seconds=120, what="the canary answers")
        rollout.stop(shelves, MODEL, **ASKED)
        time.sleep(4)
        before = answered_by(load, 2)
        seen = len(load.answered)
        until(lambda: len(load.answered) > seen + 50, seconds=120, what="it goes on")
        load.end()
        assert load.failed == []
        assert answered_by(load, 2) == before
    service.process.wait()
    rows = {row.request_id: row.version for row in taken_over(home)}
    assert {rows[name] for name, one in load.answered.items() if one["version"] == 2} == {2}


@pytest.mark.parametrize(("how", "why"), [("fails", "it failed in"), ("slow", "it is slower")])
def test_a_canary_that_is_worse_is_stopped_by_itself_and_no_request_fails(shelves, home, features, how, why):
    with running(home, features, launched=faulty(how, 2)) as service, Load(service) as load:
        until(lambda: len(load.answered) > 20, seconds=120, what="it answers")
        start(shelves)
        until(lambda: not last(shelves).is_open, seconds=120, what="it is stopped")
        seen = len(load.answered)
        until(lambda: len(load.answered) > seen + 50, seconds=120, what="it goes on")
        load.end()
        assert load.failed == []
    assert (last(shelves).last.state, last(shelves).last.by) == ("failed", "rollout")
    assert why in last(shelves).last.reason
    assert shelves.reigns.current(MODEL).version == 1


def test_two_services_judge_what_both_saw_and_one_of_them_records_it(shelves, home, features):
    limits = Limits(at_least=150, apart=1.0, then="promote")
    with (
        running(home, features) as one,
        running(home, features) as other,
        Load(one, connections=2) as load,
        Load(other, connections=2) as more,
    ):
        start(shelves, limits=limits)
        until(lambda: not last(shelves).is_open, seconds=180, what="it passes")
        both = (one, other)
        until(
            lambda: [service.get("/ready")[1]["version"] for service in both] == [2, 2],
            seconds=120,
            what="version 2 answers",
        )
        for loaded in (load, more):
            loaded.end()
            assert loaded.failed == []
    found = last(shelves)
    assert [step.state for step in found.steps] == ["started", "passed"]
    assert found.last.evidence["candidate"]["requests"] >= 150
    assert [one.version for one in shelves.reigns.history(MODEL)] == [1, 2, 1, 2]


def test_a_version_that_fails_once_it_reigns_is_taken_back_and_no_request_fails(shelves, home, features):
    with running(home, features, launched=faulty("fails", 3)) as service, Load(service) as load:
        until(lambda: len(load.answered) > 20, seconds=120, what="it answers")
        released(shelves, 3, "2024-05-04")
        until(lambda: shelves.reigns.current(MODEL).number == 5, seconds=120, what="it is taken back")
        until(lambda: service.get("/ready")[1]["version"] == 1, seconds=120, what="version 1 answers")
        load.end()
        assert load.failed == []
    reign = shelves.reigns.current(MODEL)
    assert (reign.version, reign.by) == (1, "service")
    assert {one["version"] for one in load.answered.values()} == {1}


def test_a_rollback_is_followed_within_seconds_and_no_request_fails(shelves, home, features):
    with running(home, features) as service, Load(service) as load:
        until(lambda: len(load.answered) > 20, seconds=120, what="it answers")
        released(shelves, 3, "2024-05-04")
        until(lambda: service.get("/ready")[1]["version"] == 3, seconds=120, what="version 3 answers")
        at = shelves.ledger.now()
        shelves.reigns.begin(MODEL, 1, after=4, by="ada", reason="slow", at=at, run_id="")
        begun = time.monotonic()
        until(lambda: service.get("/ready")[1]["version"] == 1, seconds=120, what="it is back", every=0.02)
        took = time.monotonic() - begun
        load.end()
        assert load.failed == []
    # It looks each two seconds, and the version before is still loaded.
    assert took < 3
