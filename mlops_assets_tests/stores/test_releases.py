"""The release record: judged once, numbered without gaps, and one winner when many release at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mlops_assets.errors import ReleaseConflict
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.gates import Decision, Reason
from mlops_assets.stores.database import open_database
from mlops_assets.stores.releases import Candidate, Releases

YES = Decision("promote", (Reason("floor", "promote", "good enough"),))
NO = Decision("hold", (Reason("floor", "hold", "not good enough"),))


EVIDENCE = Evidence("model", "2024-01-01", "a", 100, 20, "2023-12-01", "2023-12-31", {"roc_auc": 0.7}, {})


@pytest.fixture
def releases(database_url):
    return Releases(open_database(database_url))


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
    )


def record(
    releases: Releases, who: Candidate, what: Decision, champion: int | None, evidence: Evidence = EVIDENCE
):
    return releases.record(
        who, evidence, what, champion=champion, at="2024-01-01T00:00:00+00:00", run_id="run"
    )


def test_the_first_release_is_version_one_and_reigns(releases):
    judged = record(releases, candidate("2024-01-01"), YES, None)
    assert judged.release == releases.champion("model")
    assert judged.release.version == 1
    assert judged.decision == YES


def test_a_model_that_is_held_has_a_verdict_and_no_version(releases):
    judged = record(releases, candidate("2024-01-01"), NO, None)
    assert judged.release is None
    assert releases.champion("model") is None
    (told,) = releases.history("model")
    assert Evidence.from_dict(told["measured"]) == EVIDENCE
    assert (told["verdict"], told["version"], told["reasons"]) == ("hold", None, [vars(NO.reasons[0])])


def test_a_candidate_is_judged_once_on_the_same_evidence(releases):
    record(releases, candidate("2024-01-01"), YES, None)
    again = record(releases, candidate("2024-01-01"), NO, 1)
    assert again.decision == YES
    assert len(releases.history("model")) == 1
    assert releases.judged(candidate("2024-01-01")) == again


def test_a_model_that_is_a_version_keeps_it_on_new_evidence(releases):
    record(releases, candidate("2024-01-01"), YES, None)
    again = record(releases, candidate("2024-01-01", evidence="other"), YES, 1)
    assert again.release.version == 1
    assert len(releases.versions("model")) == 1


def test_a_decision_taken_against_another_champion_is_refused_and_leaves_nothing(releases):
    record(releases, candidate("2024-01-01"), YES, None)
    with pytest.raises(ReleaseConflict, match="as of 2024-02-01"):
        record(releases, candidate("2024-02-01", "b"), YES, None)
    assert releases.judged(candidate("2024-02-01", "b")) is None
    assert [release.version for release in releases.versions("model")] == [1]


def test_of_many_that_release_at_once_one_wins_and_the_others_are_told(releases):
    record(releases, candidate("2024-01-01"), YES, None)

    def attempt(number: int) -> str:
        try:
            record(releases, candidate("2024-02-01", f"rival {number}"), YES, 1)
        except ReleaseConflict:
            return "refused"
        return "released"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(attempt, range(12)))
    assert sorted(outcomes) == ["refused"] * 11 + ["released"]
    assert [release.version for release in releases.versions("model")] == [1, 2]


def test_the_version_to_beat_is_the_one_that_was_there_at_the_as_of_date(releases):
    record(releases, candidate("2024-01-01"), YES, None)
    record(releases, candidate("2024-02-01", "b"), YES, 1)
    record(releases, candidate("2024-03-01", "c"), YES, 2)
    assert releases.predecessor("model", as_of="2024-01-01", model_digest="a") is None
    assert releases.predecessor("model", as_of="2024-02-15", model_digest="x").version == 2
    assert releases.predecessor("model", as_of="2024-03-01", model_digest="c").version == 2
    assert releases.predecessor("model", as_of="2024-03-01", model_digest="changed").version == 3


def test_a_verdict_stands_while_the_same_rival_would_be_met_again(releases):
    assert not releases.stands("model", "2024-01-01")
    record(releases, candidate("2024-01-01"), NO, None)
    assert releases.stands("model", "2024-01-01")
    record(releases, candidate("2024-01-01", "b"), YES, None)
    assert releases.stands("model", "2024-01-01")
    beside_first = replace(EVIDENCE, champion=Comparison(1, {}, {}))
    record(releases, candidate("2024-03-01", "d"), YES, 1, beside_first)
    # A later champion changes nothing for a date that precedes it.
    assert releases.stands("model", "2024-01-01")
    assert releases.stands("model", "2024-03-01")
    record(releases, candidate("2024-05-01", "e"), NO, 2, beside_first)
    assert not releases.stands("model", "2024-05-01")
    assert not releases.stands("other", "2024-03-01")


def test_models_do_not_see_each_other(releases):
    record(releases, candidate("2024-01-01"), YES, None)
    assert releases.champion("another") is None
    assert releases.history("another") == []
