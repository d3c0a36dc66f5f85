"""Points come from what is recorded, each with its place; what has expired, failed or is not there counts nothing."""

import json
from dataclasses import asdict

import pytest

from mlops_assets.errors import BadRequest
from mlops_assets.governance.ml_test_score import NAMES
from mlops_assets.governance.rollout import Limits
from mlops_assets.steps.ml_test_score import attest, score_of
from mlops_assets.steps.ml_test_score_page import link, page, to_dict
from mlops_assets.stores.rollouts import Rollout, Step
from mlops_assets_tests.steps.audit_world import AS_OF, MOMENT, shop
from mlops_assets_tests.steps.score_world import GATES, bare, full
from mlops_assets_tests.stores.ledger_world import found as tampered
from mlops_assets_tests.stores.ledger_world import opened

SOON = "2024-04-11T00:00:00+00:00"
# Decisions and verifications are dated by the world; what the ledger appends, by the clock.
EXPIRED = "2124-04-10T00:00:00+00:00"

# Test -> the points of the evidence that is recorded of it, and the table where that is.
RECORDED = {
    "feature_schema": (1, "validated/orders"),
    "features_beneficial": (1, "returned/evaluation_report"),
    "specs_reviewed": (0.5, "returned/release"),
    "offline_online": (1, "returned/verification"),
    "tuned": (1, "returned/model"),
    "staleness_known": (1, "returned/evaluation_report"),
    "simpler_model": (1, "returned/release"),
    "slices": (1, "returned/release"),
    "inclusion": (1, "returned/release"),
    "reproducible": (0.5, "returned/model"),
    "validated": (1, "returned/release"),
    "rollback": (1, "returned/release"),
    "dependencies": (1, "returned/retraining_log"),
    "invariants": (1, "validated/orders"),
    "skew": (1, "returned/parity"),
    "not_stale": (1, "returned/retraining_log"),
    "numerically_stable": (1, "returned/release"),
    "computing_performance": (1, "returned/release"),
    "prediction_quality": (1, "returned/performance_report"),
}
BY_HAND = [name for name in NAMES if name not in RECORDED]


def standings(stores, at=SOON):
    project = shop()
    found = score_of(stores, project.catalog, project.model("returned"), at=at)
    return {one.test.name: one for one in found.standings}


def scored(stores, at=SOON):
    return score_of(stores, shop().catalog, shop().model("returned"), at=at)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    home = tmp_path_factory.mktemp("scored")
    return standings(full(home / "home", f"sqlite:///{home}/p.db")), standings(
        opened(home / "home", f"sqlite:///{home}/p.db"), at=EXPIRED
    )


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    home = tmp_path_factory.mktemp("bare")
    return standings(bare(home / "home", f"sqlite:///{home}/p.db"))


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/platform.db"


@pytest.mark.parametrize("name", RECORDED)
def test_evidence_that_is_there_counts_and_is_placed(whole, name):
    points, table = RECORDED[name]
    one = whole[0][name]
    assert (one.points, one.why, one.found.place.table) == (points, "there", table)
    assert one.found.at
    assert one.found.said
    assert link(one.found.place).startswith(f"/assets/{table}")


@pytest.mark.parametrize("name", RECORDED)
def test_evidence_that_has_expired_counts_nothing_and_is_told(whole, name):
    one = whole[1][name]
    assert (one.points, one.why) == (0, "expired")
    assert one.found is not None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "validated"])
def test_evidence_that_is_not_there_is_absent_with_the_way_to_it(without, name):
    one = without[name]
    assert (one.points, one.why, one.found) == (0, "absent", None)
    assert one.way("returned")


def test_without_a_champion_nothing_is_there(tmp_path, url):
    assert {one.why for one in standings(opened(tmp_path / "home", url)).values()} == {"absent"}


@pytest.mark.parametrize("name", NAMES)
def test_a_person_may_attest_each_for_half_a_point_and_for_so_long(tmp_path, url, name):
    stores = opened(tmp_path / "home", url)
    model = shop().model("returned")
    attest(stores, model, name, by="Zoë 王", evidence="https://wiki/ö?a=1", days=30, at=MOMENT)
    one = standings(stores)[name]
    assert (one.points, one.why, link(one.found.place)) == (0.5, "there", "https://wiki/ö?a=1")
    assert standings(stores, at="2024-05-10T00:00:00+00:00")[name].why == "expired"
    assert tampered(stores) == ()


def test_an_attestation_is_kept_on_either_database_and_told_in_the_ledger(database_url, tmp_path):
    stores = opened(tmp_path / "home", database_url)
    given = attest(
        stores, shop().model("returned"), "privacy", by=" Ada ", evidence="read it", days=9, at=MOMENT
    )
    assert stores.attestations.of("returned") == [given]
    entry = stores.ledger.head()
    assert (entry.kind, entry.subject, entry.by) == ("attestation", "returned@privacy", "Ada")
    assert json.loads(entry.body).items() >= asdict(given).items()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"test": "privicy"}, "Did you mean 'privacy'"),
        ({"days": 0}, "expected 1 to 365"),
        ({"days": 400}, "expected 1 to 365"),
        ({"by": " "}, "found one of them empty"),
        ({"evidence": ""}, "found one of them empty"),
        ({"by": "Gate"}, "expected the name of who says it"),
    ],
)
def test_what_nobody_can_attest_is_refused(tmp_path, url, asked, said):
    stores = opened(tmp_path / "home", url)
    given = {"test": "privacy", "by": "Ada", "evidence": "x", "days": 9, **asked}
    with pytest.raises(BadRequest, match=said):
        attest(stores, shop().model("returned"), given.pop("test"), at=MOMENT, **given)
    assert stores.attestations.of("returned") == []


BAD = {
    "features_beneficial": {"useless": True},
    "offline_online": {"worse": True},
    "simpler_model": {"answers": {"baseline": "hold"}},
    "slices": {"answers": {"slices": "hold"}},
    "inclusion": {"answers": {"fairness": "not enough data"}},
    "reproducible": {"differs": True},
    "validated": {"verdict": "override"},
    "invariants": {"invariants": True},
    "skew": {"skew": True},
    "numerically_stable": {"answers": {"numeric": "hold"}},
    "computing_performance": {"answers": {"latency": "hold"}},
    "prediction_quality": {"decay": True},
}


@pytest.mark.parametrize("name", BAD)
def test_a_test_that_did_not_pass_counts_nothing(tmp_path, url, name):
    one = standings(full(tmp_path / "home", url, **BAD[name]))[name]
    assert (one.points, one.why) == (0, "not passed")


def test_a_version_that_was_not_made_again_is_not_reproducible_by_the_word_of_a_person(tmp_path, url):
    stores = full(tmp_path / "home", url, differs=True)
    model = shop().model("returned")
    attest(stores, model, "reproducible", by="Ada", evidence="I saw it", days=365, at=SOON)
    one = standings(stores, at="2024-04-12T00:00:00+00:00")["reproducible"]
    assert (one.points, one.why) == (0, "not passed")


def test_what_had_too_little_to_test_on_was_not_tested(tmp_path, url):
    found = standings(full(tmp_path / "home", url, few=True))
    assert {name: found[name].why for name in ("slices", "inclusion", "prediction_quality")} == dict.fromkeys(
        ("slices", "inclusion", "prediction_quality"), "absent"
    )


def test_groups_that_are_measured_and_not_judged_count_half(tmp_path, url):
    gates = tuple(gate for gate in GATES if gate != "fairness")
    one = standings(full(tmp_path / "home", url, gates=gates))["inclusion"]
    assert (one.points, "no gate judges them" in one.found.said) == (0.5, True)


def test_what_nobody_agreed_to_or_what_was_agreed_to_of_other_files_was_not_reviewed(tmp_path, url):
    for number, asked in enumerate(({"approvals": 0}, {"artifact": "other"})):
        home = tmp_path / f"{number}"
        home.mkdir()
        stores = full(home / "home", f"sqlite:///{home}/p.db", **asked)
        assert len(stores.changes.all()) == 1
        assert standings(stores)["specs_reviewed"].why == "absent"


@pytest.mark.parametrize(
    ("kind", "version", "state", "points", "why"),
    [
        ("canary", 1, "passed", 1, "there"),
        ("canary", 1, "failed", 0, "not passed"),
        ("canary", 1, "stopped", 0, "absent"),
        ("canary", 1, "share changed", 0, "absent"),
        ("canary", 2, "passed", 0, "absent"),
        ("shadow", 1, "passed", 0, "absent"),
    ],
)
def test_a_canary_of_the_champion_that_was_decided_counts(
    tmp_path, url, monkeypatch, kind, version, state, points, why
):
    stores = bare(tmp_path / "home", url)
    steps = (
        Step(1, "started", 0.1, "ada", "try it", MOMENT),
        Step(2, state, 0.1, "rollout", "no worse", MOMENT),
    )
    tried = Rollout("returned", 1, version, 1, kind, Limits(), steps)
    monkeypatch.setattr(type(stores.rollouts), "history", lambda self, model: [tried])
    one = standings(stores)["canaried"]
    assert (one.points, one.why) == (points, why)


@pytest.mark.parametrize(
    ("by", "points"), [("Ada", 0.5), ("verification", 1), ("service", 1), ("rollout", 1)]
)
def test_a_rollback_by_hand_counts_half_and_by_a_machine_one(tmp_path, url, by, points):
    assert standings(full(tmp_path / "home", url, by=by))["rollback"].points == points


def test_all_of_it_on_either_database_for_people_and_for_programs(database_url, tmp_path):
    stores = full(tmp_path / "home", database_url)
    model = shop().model("returned")
    for name in BY_HAND:
        attest(stores, model, name, by="Ada", evidence="<b>seen</b>", days=30, at=MOMENT)
    found = scored(stores)
    assert found.sections == {"data": 4.5, "model": 6.5, "infrastructure": 4.5, "monitoring": 7.0}
    assert found.total == 4.5
    told = json.loads(json.dumps(to_dict(found)))
    assert (told["score"], len(told["tests"])) == (4.5, 28)
    assert all(one["evidence"] or one["way"] for one in told["tests"])
    text = page(found, ui="http://ui/")
    assert text.count("<a href=") == 28
    at = f"view=partitions&amp;partition={AS_OF}"
    assert f'<a href="http://ui/assets/returned/release?{at}">1</a>' in text
    assert "checkDetail=parity" in text
    assert "<b>seen" not in text
