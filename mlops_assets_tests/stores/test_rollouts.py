"""Rollouts in both databases: each goes from a start to one end, step by step, and by no other way."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from mlops_assets.errors import BadRequest, RolloutConflict
from mlops_assets.governance.rollout import Beside, Counts, Limits
from mlops_assets.stores import ledger
from mlops_assets.stores.database import open_database, rollout
from mlops_assets.stores.rollouts import let_reign
from mlops_assets.stores.tallies import Tallies
from mlops_assets_tests.stores import ledger_world
from mlops_assets_tests.stores.ledger_world import found, opened

ASKED = {"by": "ada", "reason": "früher besser"}
LIMITS = Limits(at_least=10)


@pytest.fixture
def stores(database_url, tmp_path):
    """Versions 1 and 2, of which 2 reigns."""
    world = opened(tmp_path / "home", database_url)
    for number in (1, 2):
        ledger_world.release(world, number)
    return world


def start(stores, version=1, kind="canary", share=0.1):
    return stores.rollouts.start("model", version, kind, share, LIMITS, **ASKED)


def go_on(stores, seen, state, **more):
    return stores.rollouts.go_on(seen, state, **{**ASKED, **more})


def test_a_rollout_is_told_step_by_step(stores):
    begun = start(stores)
    assert (begun.number, begun.version, begun.reign, begun.share, begun.limits) == (1, 1, 2, 0.1, LIMITS)
    more = go_on(stores, begun, "share changed", share=0.5)
    assert stores.rollouts.current("model") == more
    ended = go_on(stores, more, "passed", evidence={"requests": 12, "apart": 0.01})
    assert stores.rollouts.current("model") is None
    assert [(one.state, one.share) for one in ended.steps] == [
        ("started", 0.1),
        ("share changed", 0.5),
        ("passed", 0.5),
    ]
    assert ended.last.evidence == {"requests": 12, "apart": 0.01}
    again = start(stores, share=0.2)
    assert stores.rollouts.history("model") == [ended, again]
    told = [(one.subject, one.by) for one in stores.ledger.newest(9, kind="rollout")]
    assert told == [("model:1", "ada")] * 4
    assert found(stores) == ()


def test_one_rollout_of_a_model_is_open(stores):
    ledger_world.release(stores, 3)
    start(stores)
    with pytest.raises(
        BadRequest, match="rollout 1 of model is open, of version 1; `mlops rollout stop model`"
    ):
        start(stores, 2)


def test_what_reigns_is_not_tried_beside_itself(stores):
    with pytest.raises(BadRequest, match="version 2 reigns since"):
        start(stores, 2)
    with pytest.raises(BadRequest, match="none does; release one first"):
        stores.rollouts.start("other", 1, "shadow", 1.0, LIMITS, **ASKED)


def test_one_beside_a_version_that_reigns_no_more_is_stopped_by_the_next(stores):
    begun = start(stores)
    ledger_world.release(stores, 3)
    again = start(stores, 2)
    before, now = stores.rollouts.history("model")
    assert (before.last.state, before.last.by) == ("stopped", "platform")
    assert before.last.reason.startswith("version 3 reigns since")
    assert (now, now.number, now.reign) == (again, 2, 3)
    with pytest.raises(RolloutConflict):
        go_on(stores, begun, "passed")
    assert found(stores) == ()


def test_of_twelve_that_judge_at_once_one_is_recorded(stores, database_url):
    begun = start(stores)

    def judge(number):
        own = opened(stores.places.home, database_url)
        try:
            go_on(own, begun, "failed", reason=f"judge {number}")
        except RolloutConflict:
            return "too late"
        return "recorded"

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(judge, range(12))) == ["recorded"] + ["too late"] * 11
    assert len(stores.rollouts.history("model")[0].steps) == 2
    assert len(stores.ledger.newest(99, kind="rollout")) == 2


def test_what_follows_a_step_is_done_with_it_or_neither_is(stores):
    begun = start(stores)
    stale = replace(begun, reign=1)
    with pytest.raises(Exception, match="another version was released"):
        go_on(stores, begun, "passed", follows=let_reign(stale, **ASKED))
    assert stores.rollouts.current("model") == begun
    go_on(stores, begun, "passed", follows=let_reign(begun, **ASKED))
    assert stores.reigns.current("model").version == 1
    assert found(stores) == ()


def raw(**changed):
    values = {
        "model": "model",
        "number": 1,
        "step": 2,
        "version": 1,
        "reign": 2,
        "kind": "canary",
        "limits": LIMITS.to_dict(),
        "state": "stopped",
        "share": 0.1,
        "by": "eve",
        "reason": "r",
        "evidence": {},
        "at": ledger.clock(),
    }
    return sa.insert(rollout).values(**{**values, **changed})


FIRST = {"number": 2, "step": 1, "state": "started"}
RAW = {
    "a step after the next": {"step": 3},
    "a step again": {"step": 1},
    "a second start": {"state": "started"},
    "a beginning that is none": {"number": 2, "step": 1},
    "another rollout beside the open one": FIRST,
    "a number that does not follow": {**FIRST, "number": 3},
    "a state unheard of": {"state": "paused"},
    "a kind unheard of": {"kind": "blue"},
    "a share above a half": {"state": "share changed", "share": 0.51},
    "a share of nothing": {"state": "share changed", "share": 0.0},
    "another version": {"version": 2},
    "another reign": {"reign": 1},
    "a canary that becomes a shadow": {"kind": "shadow"},
    "other limits": {"limits": Limits(at_least=1).to_dict()},
    "dated back": {"at": "2024-01-01T00:00:00.000000+00:00"},
    "dated ahead": {"at": "2999-01-01T00:00:00.000000+00:00"},
    "of a version that is none": {**FIRST, "model": "other"},
}


@pytest.mark.parametrize("name", RAW)
def test_the_database_refuses(stores, database_url, name):
    begun = start(stores)
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(raw(**RAW[name]))
    assert stores.rollouts.history("model") == [begun]


ENDED = {
    "a step after the end": {"step": 3},
    "a start of the one that reigns": {**FIRST, "version": 2},
    "a start beside another reign": {**FIRST, "reign": 1},
    "a shadow whose share changes": {"step": 3, "state": "share changed", "kind": "shadow"},
}


@pytest.mark.parametrize("name", ENDED)
def test_the_database_refuses_after_the_end(stores, database_url, name):
    go_on(stores, start(stores), "stopped")
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(raw(**ENDED[name]))


@pytest.mark.parametrize(
    "statement",
    [sa.update(rollout).values(state="passed"), sa.update(rollout).values(share=0.5), sa.delete(rollout)],
)
def test_the_database_refuses_to_change_or_forget_a_step(stores, database_url, statement):
    begun = start(stores)
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(statement)
    assert stores.rollouts.history("model") == [begun]


def test_the_database_takes_what_is_as_it_should_be(stores, database_url):
    start(stores)
    with open_database(database_url).begin() as connection:
        connection.execute(raw(at=ledger.clock()))
    assert stores.rollouts.current("model") is None
    # What the ledger knows nothing of, it says.
    assert found(stores) != ()


def test_tallies_of_processes_are_added_and_an_unfinished_one_is_passed_over(tmp_path):
    one, other = Tallies(tmp_path, "model", 1), Tallies(tmp_path, "model", 1)
    time.sleep(0.001)
    assert one.all() == []
    one.keep([Beside(0.1, Counts(5, 1), Counts(50))])
    one.keep([Beside(0.1, Counts(6, 1), Counts(60)), Beside(0.5, Counts(1), Counts(1))])
    other.keep([Beside(0.1, Counts(4), Counts(40))])
    folder = tmp_path / "rollouts" / "model" / "1"
    (folder / ".killed.json").write_text("[{")
    assert one.all() == [Beside(0.1, Counts(10, 1), Counts(100)), Beside(0.5, Counts(1), Counts(1))]
    assert Tallies(tmp_path, "model", 2).all() == []
