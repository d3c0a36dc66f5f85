"""The release record: judged once, numbered without gaps, and one winner when many release at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mlops_assets.errors import ReleaseConflict
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.looks import Look
from mlops_assets.governance.reasons import Reason
from mlops_assets.stores.database import open_database
from mlops_assets.stores.overrides import Override, Overrides, Subject
from mlops_assets.stores.reigns import Reigns
from mlops_assets.stores.releases import Against, Candidate, Releases

YES = Decision("promote", (Reason("floor", "promote", "good enough"),))
NO = Decision("hold", (Reason("floor", "hold", "not good enough"),))


EVIDENCE = Evidence("model", "2024-01-01", "a", 100, 20, "2023-12-01", "2023-12-31", {"roc_auc": 0.7}, {})


@pytest.fixture
def releases(database_url):
    return Releases(open_database(database_url))


# What the gate asked beside the evidence.
GATES = "gates and objections"


def candidate(as_of: str, digest: str = "a", evidence: str = "e") -> Candidate:
    return Candidate(
        "model",
        as_of,
        digest,
        f"files of {digest}",
        evidence,
        f"mlflow run of {digest}",
        "features",
        {"view": "sql=1"},
        "contract",
    )


def record(
    releases: Releases,
    who: Candidate,
    what: Decision,
    against: Against | None = None,
    evidence: Evidence = EVIDENCE,
    by: str | Override = GATES,
):
    """against: as it is now, unless a test says what it was when the decision was taken."""
    against = releases.against(who.model) if against is None else against
    return releases.record(
        who, evidence, what, against=against, by=by, at="2024-01-01T00:00:00+00:00", run_id="run"
    )


def test_the_first_release_is_version_one_and_reigns(releases):
    judged = record(releases, candidate("2024-01-01"), YES)
    assert judged.release == releases.champion("model")
    assert judged.release.version == 1
    assert judged.decision == YES


def test_a_model_that_is_held_has_a_verdict_and_no_version(releases):
    judged = record(releases, candidate("2024-01-01"), NO)
    assert judged.release is None
    assert releases.champion("model") is None
    (told,) = releases.history("model")
    assert Evidence.from_dict(told["measured"]) == EVIDENCE
    assert (told["verdict"], told["version"], told["reasons"]) == ("hold", None, [vars(NO.reasons[0])])


def test_a_candidate_is_judged_once_on_the_same_evidence(releases):
    record(releases, candidate("2024-01-01"), YES)
    again = record(releases, candidate("2024-01-01"), NO)
    assert again.decision == YES
    assert len(releases.history("model")) == 1
    assert releases.judged(candidate("2024-01-01"), GATES) == again


def test_a_model_that_is_a_version_keeps_it_on_new_evidence(releases):
    record(releases, candidate("2024-01-01"), YES)
    again = record(releases, candidate("2024-01-01", evidence="other"), YES)
    assert again.release.version == 1
    assert len(releases.versions("model")) == 1


def test_a_decision_taken_against_another_champion_is_refused_and_leaves_nothing(releases):
    record(releases, candidate("2024-01-01"), YES)
    with pytest.raises(ReleaseConflict, match="another version was released"):
        record(releases, candidate("2024-02-01", "b"), YES, Against())
    assert releases.judged(candidate("2024-02-01", "b"), GATES) is None
    assert [release.version for release in releases.versions("model")] == [1]


def test_of_many_that_release_at_once_one_wins_and_the_others_are_told(releases):
    record(releases, candidate("2024-01-01"), YES)
    before = releases.against("model")

    def attempt(number: int) -> str:
        try:
            record(releases, candidate("2024-02-01", f"rival {number}"), YES, before)
        except ReleaseConflict:
            return "refused"
        return "released"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(attempt, range(12)))
    assert sorted(outcomes) == ["refused"] * 11 + ["released"]
    assert [release.version for release in releases.versions("model")] == [1, 2]


def test_the_version_to_beat_is_the_one_that_was_there_at_the_as_of_date(releases):
    record(releases, candidate("2024-01-01"), YES)
    record(releases, candidate("2024-02-01", "b"), YES)
    record(releases, candidate("2024-03-01", "c"), YES)
    assert releases.predecessor("model", as_of="2024-01-01", model_digest="a") is None
    assert releases.predecessor("model", as_of="2024-02-15", model_digest="x").version == 2
    assert releases.predecessor("model", as_of="2024-03-01", model_digest="c").version == 2
    assert releases.predecessor("model", as_of="2024-03-01", model_digest="changed").version == 3


def test_a_verdict_stands_while_the_same_rival_would_be_met_again(releases):
    assert not releases.stands("model", "2024-01-01")
    record(releases, candidate("2024-01-01"), NO)
    assert releases.stands("model", "2024-01-01")
    record(releases, candidate("2024-01-01", "b"), YES)
    assert releases.stands("model", "2024-01-01")
    beside_first = replace(EVIDENCE, champion=Comparison(1, {}, {}))
    record(releases, candidate("2024-03-01", "d"), YES, evidence=beside_first)
    # A later champion changes nothing for a date that precedes it.
    assert releases.stands("model", "2024-01-01")
    assert releases.stands("model", "2024-03-01")
    record(releases, candidate("2024-05-01", "e"), NO, evidence=beside_first)
    assert not releases.stands("model", "2024-05-01")
    assert not releases.stands("other", "2024-03-01")


def test_models_do_not_see_each_other(releases):
    record(releases, candidate("2024-01-01"), YES)
    assert releases.champion("another") is None
    assert releases.history("another") == []


def test_each_challenger_that_was_compared_with_the_champion_is_a_look_at_it(releases):
    record(releases, candidate("2024-01-01"), YES)
    compared = replace(NO, spent=0.01)
    record(releases, candidate("2024-02-01", "b"), compared)
    record(releases, candidate("2024-02-02", "c"), NO)
    record(releases, candidate("2024-02-03", "d"), replace(compared, spent=0.002))
    assert releases.against("model").looks == (Look("2024-02-01", 0.01), Look("2024-02-03", 0.002))


def test_of_two_that_look_at_one_champion_at_once_one_is_refused(releases):
    record(releases, candidate("2024-01-01"), YES)
    before, compared = releases.against("model"), replace(NO, spent=0.01)
    record(releases, candidate("2024-02-01", "b"), compared, before)
    with pytest.raises(ReleaseConflict, match="another model judged"):
        record(releases, candidate("2024-02-01", "c"), compared, before)
    assert len(releases.history("model")) == 2


def test_after_a_rollback_the_version_to_beat_is_the_one_that_reigns_again(releases, database_url):
    record(releases, candidate("2024-01-01"), YES)
    record(releases, candidate("2024-02-01", "b"), YES)
    reigns = Reigns(open_database(database_url))
    reigns.begin("model", 1, after=2, by="Ada", reason="late flights", at="2024-03-01", run_id="")
    assert releases.champion("model").version == 1
    assert releases.predecessor("model", as_of="2024-03-01", model_digest="x").version == 1
    assert releases.reigned("model", until="2024-03-01").version == 1
    # What was held back once may come back, on other evidence, under the number it has.
    again = record(releases, candidate("2024-02-01", "b", evidence="new"), YES)
    assert (again.release.version, releases.champion("model").version) == (2, 2)
    assert [one.version for one in reigns.history("model")] == [1, 2, 1, 2]


def test_what_a_person_releases_is_a_verdict_of_its_own_beside_that_of_the_gate(releases, database_url):
    held = record(releases, candidate("2024-01-01"), NO)
    override = Overrides(open_database(database_url)).give(
        Subject("model/release", "2024-01-01", "a", "gate"),
        by="Ada",
        reason="the test set is odd",
        at="2024-01-02",
    )
    decision = NO.overridden(override.by, override.reason)
    against = releases.against("model")
    judged = releases.record(
        candidate("2024-01-01"),
        EVIDENCE,
        decision,
        against=against,
        by=override,
        at="2024-01-02",
        run_id="r",
    )
    assert judged.release.version == 1
    assert [one["verdict"] for one in releases.history("model")] == ["hold", "override"]
    assert releases.judged(candidate("2024-01-01"), GATES) == held
    (reign,) = Reigns(open_database(database_url)).history("model")
    assert (reign.by, reign.reason) == ("Ada", "the test set is odd")


def test_evidence_is_judged_anew_by_other_gates_and_is_no_second_look(releases):
    record(releases, candidate("2024-01-01"), YES)
    late, looked = candidate("2024-02-01", "b"), replace(NO, spent=0.01)
    before = releases.against("model")
    assert releases.taken(late, before) == 0
    record(releases, late, looked)
    assert releases.taken(late, before) == 0.01
    assert record(releases, late, YES, by="other gates").release.version == 2
    assert releases.judged(late, GATES).decision.verdict == "hold"
    assert [look.spent for look in releases.against("model").looks] == []
    assert releases.taken(candidate("2024-02-01", "b", "other evidence"), before) == 0
