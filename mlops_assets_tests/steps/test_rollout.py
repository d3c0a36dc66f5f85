"""A version is tried: who may be, what people say of it, and what follows when it passed."""

import pytest

from mlops_assets.errors import ArtifactMismatch, BadRequest, ReleaseConflict, RolloutConflict
from mlops_assets.governance.rollout import Judged, Limits
from mlops_assets.steps import changes, rollout, standing, tried
from mlops_assets.stores import ledger
from mlops_assets.stores.database import open_database
from mlops_assets.stores.rollouts import tried_first
from mlops_assets_tests.steps.test_changes import RULES, agree, apply, patched, released, tracking
from mlops_assets_tests.stores import ledger_world
from mlops_assets_tests.stores.ledger_world import found, opened

__all__ = ["tracking"]
PROMOTE = Limits(at_least=10, then="promote")
ASKED = {"by": "ada", "reason": "früher besser"}
PASSED = Judged("passed", "1,000 requests beside 9,000 of the champion", {"seconds": 60.0})


@pytest.fixture
def stores(database_url, tmp_path):
    """Version 1 reigned, 2 reigns, no policy is in force."""
    world = opened(tmp_path / "home", database_url)
    for number in (1, 2):
        ledger_world.release(world, number)
    return world


def start(stores, version=1, kind="canary", share=0.1, limits=PROMOTE, **asked):
    return rollout.start(stores, "model", version, kind, share, limits, **{**ASKED, **asked})


def rule(stores):
    stores.policies.adopt(RULES, after=0, by="ada", reason="we are many", at=ledger.clock())


def test_what_passed_is_promoted_and_both_are_one_act(stores):
    ended = tried.settle(stores, start(stores), PASSED)
    reign = stores.reigns.current("model")
    assert (reign.version, reign.number, reign.by, reign.reason) == (1, 3, "rollout", PASSED.sentence)
    assert (ended.last.state, ended.last.evidence) == ("passed", PASSED.evidence)
    assert ended.last.reason.endswith("; version 1 reigns")
    assert found(stores) == ()


@pytest.mark.parametrize("answer", ["passed", "failed"])
def test_where_the_champion_is_to_stay_or_the_candidate_failed_it_stays(stores, answer):
    limits = Limits() if answer == "passed" else PROMOTE
    tried.settle(stores, start(stores, limits=limits), Judged(answer, "so it is"))
    assert stores.reigns.current("model").version == 2
    assert stores.rollouts.history("model")[0].last.state == answer


def test_a_version_that_was_released_is_a_canary_first_and_reigns_when_it_passed(stores):
    ledger_world.release(stores, 3, instead=tried_first(0.2, PROMOTE))
    begun = stores.rollouts.current("model")
    assert (begun.version, begun.kind, begun.share, begun.reign) == (3, "canary", 0.2, 2)
    assert (begun.last.by, begun.last.reason) == ("gate", "promote")
    assert stores.reigns.current("model").version == 2
    release = stores.releases.version("model", 3)
    assert standing.waits_for(stores, release) == (
        "rollout 1: it is a canary of 20% of the requests, and reigns after 10 of its own unless it is surely worse"
    )
    tried.settle(stores, begun, PASSED)
    assert (stores.reigns.current("model").version, stores.reigns.current("model").by) == (3, "rollout")
    assert standing.waits_for(stores, release) is None
    assert found(stores) == ()


def test_a_version_that_is_released_meanwhile_is_tried_in_place_of_the_one_before(stores):
    for number in (3, 4):
        ledger_world.release(stores, number, instead=tried_first(0.2, PROMOTE))
    # Judged once more, by other gates say, it goes on.
    again, against = stores.releases.version("model", 4), stores.releases.against("model")
    with open_database(stores.places.database).begin() as connection:
        assert tried_first(0.2, PROMOTE)(connection, again, against, "gate", "promote") == []
    before, begun = stores.rollouts.history("model")
    assert (before.last.state, before.last.reason) == ("stopped", "version 4 is tried in its place")
    assert (begun.number, begun.version, begun.is_open) == (2, 4, True)
    assert stores.reigns.current("model").version == 2
    assert found(stores) == ()


def test_what_is_tried_otherwise_is_no_canary_that_may_reign(stores):
    ledger_world.release(stores, 3, instead=tried_first(0.2, PROMOTE))
    rollout.stop(stores, "model", **ASKED)
    start(stores, 3, kind="shadow", share=1.0, limits=Limits())
    release, against = stores.releases.version("model", 3), stores.releases.against("model")
    with open_database(stores.places.database).begin() as connection:
        ledger.append(connection, *tried_first(0.2, PROMOTE)(connection, release, against, "gate", "promote"))
    _, shadow, begun = stores.rollouts.history("model")
    assert shadow.last.state == "stopped"
    assert (begun.version, begun.kind, begun.limits, begun.is_open) == (3, "canary", PROMOTE, True)
    assert found(stores) == ()


def test_a_verdict_against_a_reign_that_has_ended_tries_nothing(stores):
    against = stores.releases.against("model")
    stores.reigns.begin("model", 1, after=2, by="ada", reason="r", at=ledger.clock(), run_id="")
    with patched(stores.releases, "against", lambda model: against), pytest.raises(ReleaseConflict):
        ledger_world.release(stores, 3, instead=tried_first(0.2, PROMOTE))
    assert stores.rollouts.history("model") == []
    assert stores.releases.version("model", 3) is None
    assert found(stores) == ()


def test_where_others_have_to_agree_what_passed_waits_for_the_request_that_is_there(stores, tracking):
    rule(stores)
    released(stores, 3)
    ended = tried.settle(stores, start(stores, 3), PASSED)
    assert stores.reigns.current("model").version == 2
    assert "version 3 waits for request 1: waiting for two approvals" in ended.last.reason
    assert [one.request.number for one in stores.changes.all()] == [1]
    agree(stores)
    apply(stores, tracking)
    assert stores.reigns.current("model").version == 3


def test_where_no_request_waits_one_is_made_and_asks_for_exactly_this_version(stores, tracking):
    rule(stores)
    released(stores, 3)
    withdrawn = changes.vote(stores, 1, "refuse", who=changes.Who("rosa"), seen=None, reason="try it first")
    assert withdrawn.answer == "refuse"
    ended = tried.settle(stores, start(stores, 3), PASSED)
    assert "waits for the request that was made" in ended.last.reason
    asked = stores.changes.of(2).request
    assert (asked.proposal.kind, asked.proposal.by, asked.proposal.payload["version"]) == (
        "promote",
        "rollout",
        3,
    )
    agree(stores, 2)
    apply(stores, tracking, 2)
    assert stores.reigns.current("model").version == 3
    assert found(stores) == ()


def test_under_a_policy_what_reigned_before_reigns_again_at_once(stores):
    rule(stores)
    tried.settle(stores, start(stores, 1), PASSED)
    assert stores.reigns.current("model").version == 1


def test_what_is_judged_twice_is_recorded_once(stores):
    begun = start(stores)
    tried.settle(stores, begun, Judged("failed", "slow"))
    for judged in (PASSED, Judged("failed", "slow")):
        with pytest.raises(RolloutConflict, match="went on or ended"):
            tried.settle(stores, begun, judged)
    assert stores.reigns.current("model").version == 2


def test_what_passed_beside_a_version_that_reigns_no_more_is_not_promoted(stores):
    begun = start(stores)
    ledger_world.release(stores, 3)
    with pytest.raises(ReleaseConflict):
        tried.settle(stores, begun, PASSED)
    assert stores.reigns.current("model").version == 3
    assert stores.rollouts.current("model") == begun


def test_people_change_the_share_and_stop_it(stores):
    start(stores)
    assert rollout.change_share(stores, "model", 0.5, **ASKED).share == 0.5
    assert rollout.stop(stores, "model", **ASKED).last.state == "stopped"
    for act in (
        lambda: rollout.stop(stores, "model", **ASKED),
        lambda: rollout.change_share(stores, "model", 0.5, **ASKED),
    ):
        with pytest.raises(BadRequest, match="no rollout of model is open"):
            act()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"version": 9}, "no version 9; released ones: 1, 2"),
        ({"version": 2}, "reigns since"),
        ({"share": 0.0}, "above 0 and at most 0.5"),
        ({"share": 0.6}, "above 0 and at most 0.5"),
        ({"share": float("nan")}, "above 0 and at most 0.5"),
        ({"by": " "}, "found one of them empty"),
        ({"reason": ""}, "found one of them empty"),
        ({"by": "Rollout"}, "expected the name of who says it"),
        ({"limits": Limits(at_least=0)}, "found at least 0 requests"),
        ({"limits": Limits(seconds=float("inf"))}, "for inf s"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_recorded(stores, asked, why):
    with pytest.raises(BadRequest, match=why):
        start(stores, **asked)
    assert stores.rollouts.history("model") == []


def test_a_shadow_has_no_share_to_change(stores):
    start(stores, kind="shadow", share=1.0)
    with pytest.raises(BadRequest, match="is a shadow, which sees all requests"):
        rollout.change_share(stores, "model", 0.5, **ASKED)


def test_files_that_are_not_the_ones_that_were_released_are_not_tried(stores):
    digest = stores.releases.version("model", 1).artifact_digest
    path = stores.artifacts.folder(digest) / "model"
    path.chmod(0o644)
    path.write_bytes(b"other bytes")
    with pytest.raises(ArtifactMismatch):
        start(stores)
