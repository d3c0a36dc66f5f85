"""The loop's record: each reason to look is answered once, whoever asks and however many at once."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import pytest

from mlops_assets.errors import ReleaseConflict
from mlops_assets.stores import retrainings as module
from mlops_assets.stores.database import open_database
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.retrainings import RetrainingDecision, Retrainings, VerifiedRelease
from mlops_assets_tests.stores.test_reigns import begin, reigns  # noqa: F401

LOOK = RetrainingDecision(
    "model", "2024-04-01", "digest", "look", True, "drift (error)", "sensor", "2024-04-01T06:00:00+00:00"
)
WAITS = VerifiedRelease(
    "model", 2, 2, "2024-04-01", "waiting", "3 days", {"2024-03-31": 0.1}, "2024-04-01T06:00:00+00:00", "run"
)
WORSE = replace(WAITS, answer="rolled back", sentence="it lost more")


@pytest.fixture
def retrainings(database_url):
    return Retrainings(open_database(database_url))


def answer_in_a_process(url, number):
    answer = replace(LOOK, trains=number % 2 == 0, reason=f"answer {number}", at=f"{number}")
    return Retrainings(open_database(url)).decide(answer)


def test_an_answer_stands_whoever_answers_again(retrainings):
    assert retrainings.decide(LOOK) == LOOK
    assert retrainings.decide(replace(LOOK, trains=False, reason="no", at="later")) == LOOK
    assert retrainings.of("model", "2024-04-01", "digest") == LOOK
    assert retrainings.history("model") == [LOOK]


def test_of_eight_threads_that_answer_at_once_one_is_heard_by_all(retrainings):
    answers = [replace(LOOK, trains=number % 2 == 0, reason=f"answer {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(retrainings.decide, answers))
    assert len(set(heard)) == 1
    assert retrainings.history("model") == heard[:1]


def test_of_processes_that_answer_at_once_one_is_heard_by_all(database_url):
    open_database(database_url).dispose()
    with ProcessPoolExecutor(4) as pool:
        heard = list(pool.map(answer_in_a_process, [database_url] * 8, range(8)))
    assert len(set(heard)) == 1
    assert Retrainings(open_database(database_url)).history("model") == heard[:1]


@pytest.mark.parametrize("other", [{"evidence": "another"}, {"as_of": "2024-04-02"}, {"model": "other"}])
def test_other_evidence_is_another_question(retrainings, other):
    retrainings.decide(LOOK)
    second = replace(LOOK, **other, trains=False)
    assert retrainings.decide(second) == second
    assert retrainings.of(second.model, second.as_of, second.evidence) == second
    assert retrainings.of("model", "2024-04-01", "digest") == LOOK
    assert LOOK.run_key != second.run_key


def test_what_nobody_decided_is_none(retrainings):
    assert retrainings.of("model", "2024-04-01", "digest") is None
    assert retrainings.history("model") == retrainings.verifications("model") == []


def test_answers_are_told_in_the_order_they_were_given_whatever_they_are_about(retrainings):
    days = ["2024-04-09", "2024-04-02", "2024-04-05"]
    for number, day in enumerate(days):
        retrainings.decide(replace(LOOK, as_of=day, at=f"2024-05-0{9 - number}"))
    assert [one.as_of for one in retrainings.history("model")] == days


def test_two_persons_that_ask_the_same_are_two(retrainings):
    ada = replace(
        LOOK, kind="person", evidence="of ada", by="Ada", reason='"; DROP TABLE retraining; -- 退货'
    )
    bob = replace(ada, evidence="of bob", by="Bob")
    assert [retrainings.decide(one) for one in (ada, bob)] == [ada, bob]
    assert retrainings.history("model") == [ada, bob]


def test_the_same_said_of_a_release_is_said_once(retrainings):
    retrainings.add_verification(WAITS)
    retrainings.add_verification(replace(WAITS, at="later", run_id="another", daily={}))
    assert retrainings.verifications("model") == [WAITS]


def test_of_eight_that_say_the_same_of_a_release_one_is_written(retrainings):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(retrainings.add_verification, [WAITS] * 8))
    assert retrainings.verifications("model") == [WAITS]


def test_what_is_said_of_a_release_is_told_in_order_and_by_model(retrainings):
    said = [
        WAITS,
        replace(WAITS, as_of="2024-04-09", sentence="8 days"),
        replace(WAITS, as_of="2024-04-09", sentence="8 days", answer="worse"),
        replace(WAITS, reign=3),
    ]
    for one in said:
        retrainings.add_verification(one)
    retrainings.add_verification(replace(WAITS, model="other"))
    assert retrainings.verifications("model") == said
    assert len(retrainings.verifications("other")) == 1


@pytest.fixture
def reigning(reigns):  # noqa: F811
    """Version 2, after version 1."""
    begin(reigns, 1, 0)
    begin(reigns, 2, 1)
    return reigns


def test_a_release_is_taken_back_and_said_to_be_in_one(retrainings, reigning, database_url):
    retrainings.take_back(WORSE, 1)
    assert retrainings.verifications("model") == [WORSE]
    reign = reigning.current("model")
    assert (reign.number, reign.version, reign.by, reign.reason) == (3, 1, "verification", "it lost more")
    newest = Ledger(open_database(database_url)).newest(2)
    assert [one.kind for one in newest] == ["reign", "verification"]


def test_of_a_release_that_another_overtook_nothing_is_said(retrainings, reigning, database_url):
    begin(reigning, 3, 2)
    before = Ledger(open_database(database_url)).head()
    with pytest.raises(ReleaseConflict):
        retrainings.take_back(WORSE, 1)
    assert retrainings.verifications("model") == []
    assert reigning.current("model").version == 3
    assert Ledger(open_database(database_url)).head() == before


def test_who_is_killed_while_a_release_is_taken_back_has_said_and_done_nothing(
    retrainings, reigning, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        retrainings.take_back(WORSE, 1)
    assert retrainings.verifications("model") == []
    assert reigning.current("model").version == 2


def test_of_eight_that_take_a_release_back_one_does(retrainings, reigning):
    def taken_back(_):
        try:
            retrainings.take_back(WORSE, 1)
        except ReleaseConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken_back, range(8))) == 1
    assert retrainings.verifications("model") == [WORSE]
    assert reigning.current("model").number == 3
