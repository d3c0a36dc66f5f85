"""A candidate beside the champion, in one process: who answers, what is counted, and what callers never notice."""

import asyncio
import json
import math
import threading
import time
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops_assets.errors import BadEnvironment, NotProven
from mlops_assets.governance.rollout import Limits
from mlops_assets.serving import service as services
from mlops_assets.serving import trial as trials
from mlops_assets.serving.app import App
from mlops_assets.serving.batching import Batches
from mlops_assets.serving.service import Service
from mlops_assets.steps import rollout
from mlops_assets.stores.prediction_log import read_log, segments, shadow_folder
from mlops_assets.stores.tallies import Tallies
from mlops_assets_tests.serving.http import JSON, get, post, serving
from mlops_assets_tests.serving.world import MODEL, ROW, asked, put_online, released, shelves_at

ASKED = {"by": "ada", "reason": "früher besser"}


@pytest.fixture
def shelves(tmp_path):
    """Version 1 reigns again after version 2."""
    found = shelves_at(tmp_path / "home")
    released(found, 1)
    released(found, 2, "2024-05-02")
    put_online(found)
    found.reigns.begin(MODEL, 1, after=2, by="ada", reason="r", at="2024-05-03T00:00:00+00:00", run_id="")
    return found


@pytest.fixture
def service(shelves, tmp_path, monkeypatch):
    # A machine that is busy with other tests is waited for.
    monkeypatch.setattr(trials, "PATIENCE", 30.0)
    with serving(shelves, tmp_path / "log") as service:
        yield service


def start(shelves, kind="canary", share=0.5, version=2, **limits):
    """Models of ten trees that were taught by chance score far apart, so they may."""
    limits = Limits(**{"apart": 0.7, **limits})
    return rollout.start(shelves, MODEL, version, kind, share, limits, **ASKED)


def ask(service, count, *, looks=1, first=0, at_once=8, explain=False):
    """Looks, then so many requests in order of their number, a few at once, looking now and then; their answers."""

    async def asking():
        transport = httpx.ASGITransport(App(service), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await service.look()
            found = []
            for begin in range(first, first + count, at_once):
                names = range(begin, min(begin + at_once, first + count))
                bodies = [
                    asked({**ROW, "amount": 1.0 + name % 97}, request_id=f"r{name}", explain=explain)
                    for name in names
                ]
                found += await asyncio.gather(
                    *(client.post("/predict", content=body, headers=JSON) for body in bodies)
                )
                if begin % (at_once * max(1, count // (at_once * looks))) == 0:
                    await service.look()
            trial = service._trials._trial
            while trial is not None and trial._shadows:
                await asyncio.sleep(0.01)
            await service.look()
            while service._trials._ending:
                await asyncio.sleep(0.01)
            return found

    return asyncio.run(asking())


def last(shelves):
    return shelves.rollouts.history(MODEL)[-1]


def measured(service):
    """Samples of rollouts: (name, role, outcome) -> value."""
    text = get(App(service), "/metrics").text
    return {
        (one.name, one.labels.get("role"), one.labels.get("outcome")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name.startswith("model_rollout") and "le" not in one.labels
    }


def broken(service, monkeypatch, version, scores):
    """That version scores so from now on, once it is verified."""
    load = services.load_released

    def loaded(shelves, features, model, number, **options):
        found = load(shelves, features, model, number, **options)
        if number != version:
            return found
        engine = replace(found.engine, scores=lambda records: scores(found.engine.scores, records))
        return replace(found, engine=engine)

    monkeypatch.setattr(services, "load_released", loaded)


def fails(scores, records):
    raise ValueError("no such tree")


def is_slow(scores, records):
    time.sleep(1.0)
    return scores(records)


def is_stuck(scores, records):
    time.sleep(2.0)
    return scores(records)


def is_certain(scores, records):
    return scores(records) * 0 + 0.999


def test_a_canary_answers_its_share_and_answer_record_and_measure_say_which_version(
    shelves, service, tmp_path
):
    start(shelves, share=0.3)
    answers = ask(service, 400)
    assert {one.status_code for one in answers} == {200}
    told = {one.json()["request_id"]: one.json()["version"] for one in answers}
    own = sum(version == 2 for version in told.values())
    # Further from 120 than five standard deviations is one in a million.
    assert abs(own - 120) < 5 * math.sqrt(400 * 0.3 * 0.7)
    written = {one["id"]: one["version"] for one in read_log(segments(tmp_path / "log"))}
    assert written == told
    found = measured(service)
    assert found["model_rollout_requests_total", "candidate", "answered"] == own
    assert found["model_rollout_requests_total", "champion", "answered"] == 400 - own
    assert found["model_rollout_share", None, None] == 0.3
    assert found["model_rollout_score_count", "candidate", None] == own


def test_a_request_that_comes_again_meets_the_same_version_and_a_share_that_grows_keeps_whom_it_had(
    shelves, service
):
    start(shelves, share=0.2)
    before = [one.json()["version"] for one in ask(service, 200)]
    assert [one.json()["version"] for one in ask(service, 200)] == before
    rollout.change_share(shelves, MODEL, 0.5, **ASKED)
    after = [one.json()["version"] for one in ask(service, 200)]
    assert after.count(2) > before.count(2)
    assert all(now == 2 for was, now in zip(before, after, strict=True) if was == 2)
    ask(service, 50, first=200)
    # Whoever comes again is no chance, and counts once.
    counted = service._trials._trial.counted()
    assert [(one.even, one.candidate.requests + one.champion.requests) for one in counted] == [
        (0.2, 200),
        (0.5, 50),
    ]


@pytest.mark.parametrize("kind", ["canary", "shadow"])
def test_what_a_table_answers_at_once_it_answers_so_beside_the_champion_too(
    shelves, service, monkeypatch, kind
):
    monkeypatch.setattr(Service, "_is_quick", lambda *_: True)
    # Whoever asked a worker would fail.
    monkeypatch.setattr(Batches, "ask", None)
    start(shelves, kind, 0.5 if kind == "canary" else 1.0)
    assert {one.status_code for one in ask(service, 60)} == {200}
    (counted,) = service._trials._trial.counted()
    assert counted.candidate.requests > 10
    assert counted.candidate.errors == 0


def test_a_canary_that_hangs_holds_few_places_and_is_not_waited_for_again(shelves, service, monkeypatch):
    monkeypatch.setattr(trials, "PATIENCE", 0.3)
    asked_of_it = []

    def hangs(scores, records):
        asked_of_it.append(len(records))
        time.sleep(3.0)
        return scores(records)

    broken(service, monkeypatch, 2, hangs)
    start(shelves)
    begun = time.monotonic()
    answers = ask(service, 60, at_once=60)
    assert measured(service)["model_rollout_requests_total", "candidate", "left out"] > 0
    answers += ask(service, 60, first=60)
    assert {(one.status_code, one.json()["version"]) for one in answers} == {(200, 1)}
    assert len(asked_of_it) == 1
    assert time.monotonic() - begun < 60 * 0.3
    assert last(shelves).last.state == "failed"


def test_what_a_table_answers_is_no_failure_while_the_worker_is_at_something_long(
    shelves, service, monkeypatch
):
    monkeypatch.setattr(trials, "PATIENCE", 0.3)
    monkeypatch.setattr(Service, "_is_quick", lambda service, request, current: not request.explain)

    def explains_for_long(scores, records):
        if len(records) > 1:
            time.sleep(1.5)
        return scores(records)

    broken(service, monkeypatch, 2, explains_for_long)
    start(shelves)
    ask(service, 8, explain=True)
    answers = ask(service, 60, first=8)
    assert {one.json()["version"] for one in answers} == {1, 2}
    (counted,) = service._trials._trial.counted()
    assert counted.candidate.errors <= 8
    assert last(shelves).is_open


@pytest.mark.parametrize("kind", ["canary", "shadow"])
def test_a_candidate_that_never_comes_back_has_failed_and_ends_nothing_else(
    shelves, service, monkeypatch, kind
):
    monkeypatch.setattr(trials, "PATIENCE", 0.2)
    monkeypatch.setattr(trials, "HUNG_SECONDS", 1.0)
    ends = threading.Event()
    broken(service, monkeypatch, 2, lambda scores, records: ends.wait(60) and scores(records))
    start(shelves, kind, 0.5 if kind == "canary" else 1.0)
    asyncio.run(service.look())
    assert [post(App(service), asked(request_id=f"r{number}")).status_code for number in range(4)] == [
        200
    ] * 4
    time.sleep(1.2)
    asyncio.run(service.look())
    assert last(shelves).last.state == "failed"
    assert last(shelves).last.reason.startswith("it has not come back from what it was asked ")
    begun = time.monotonic()
    service.close()
    assert time.monotonic() - begun < 10
    ends.set()


def test_counts_that_cannot_be_kept_stop_no_look(shelves, service, monkeypatch):
    def full(tallies, counted):
        raise OSError(28, "No space left on device")

    start(shelves)
    with monkeypatch.context() as patched:
        patched.setattr(Tallies, "keep", full)
        asyncio.run(service.look())
        (why,) = service.state.reasons
        assert why == "what rollout 1 counted cannot be kept or read: [Errno 28] No space left on device"
        assert service.state.is_ready
    asyncio.run(service.look())
    assert service.state.reasons == []
    assert last(shelves).is_open


@pytest.mark.parametrize("error", [BadEnvironment("no Redis answers"), NotProven("it ended with -9")])
def test_a_candidate_that_cannot_be_loaded_for_now_is_tried_again_and_has_not_failed(
    shelves, service, monkeypatch, error
):
    loads, load = [error], service._trials._load

    def loaded(version):
        if loads:
            raise loads.pop()
        return load(version)

    monkeypatch.setattr(service._trials, "_load", loaded)
    start(shelves)
    asyncio.run(service.look())
    assert service.tries is None
    assert service.state.reasons == [f"version 2 is not tried yet: {type(error).__name__}: {error}"]
    assert service.state.is_ready
    monkeypatch.setattr(service._trials, "_not_before", 0.0)
    asyncio.run(service.look())
    assert service.tries == 2
    assert service.state.reasons == []
    assert last(shelves).is_open


def test_a_view_that_goes_online_by_other_code_is_asked_so_by_all_who_are_loaded(
    shelves, service, monkeypatch
):
    start(shelves, version=2)
    asyncio.run(service.look())
    others = dict.fromkeys(service.current.versions, "other")
    monkeypatch.setattr(service, "_online", lambda released: others)
    asyncio.run(service.look())
    assert service.current.versions == service._trials._trial.candidate.versions == others


def test_the_hour_that_is_compared_with_the_champions_is_the_champions(shelves, service):
    start(shelves)
    answers = ask(service, 60)
    own = [one.json()["version"] for one in answers].count(1)
    assert 0 < own < 60
    assert f'model_predictions_last_hour{{model="{MODEL}"}} {own}.0' in get(App(service), "/metrics").text


def test_both_versions_answer_as_they_do_alone(shelves, service):
    start(shelves)
    answers = [one.json() for one in ask(service, 60, explain=True)]
    alone = {}
    for version in (1, 2):
        current = service.current if version == 1 else service._trials._trial.candidate
        alone[version] = current.released.engine
    assert {one["version"] for one in answers} == {1, 2}
    rollout.stop(shelves, MODEL, **ASKED)
    champions = [one.json() for one in ask(service, 60, explain=True)]
    for one, other in zip(answers, champions, strict=True):
        assert (one["version"] == 1) == (one["predictions"] == other["predictions"])


@pytest.mark.parametrize("scores", [None, fails, is_slow, is_certain])
def test_a_shadow_never_changes_an_answer_whatever_it_does(shelves, service, monkeypatch, scores):
    before = [one.json()["predictions"] for one in ask(service, 80)]
    if scores is not None:
        broken(service, monkeypatch, 2, scores)
    start(shelves, "shadow", 1.0)
    answers = ask(service, 80)
    assert [one.status_code for one in answers] == [200] * 80
    assert [one.json()["predictions"] for one in answers] == before
    assert {one.json()["version"] for one in answers} == {1}


def test_a_shadow_scores_what_the_champion_answers_into_a_log_of_its_own(shelves, service, tmp_path):
    start(shelves, "shadow", 1.0)
    answers = {one.json()["request_id"]: one.json()["predictions"] for one in ask(service, 60)}
    rollout.stop(shelves, MODEL, **ASKED)
    ask(service, 1)
    shadow = list(read_log(segments(shadow_folder(shelves.home, MODEL), finished=True)))
    assert {one["id"] for one in shadow} == answers.keys()
    assert {(one["version"], one["rollout"]) for one in shadow} == {(2, 1)}
    assert all(one["at"].startswith("2024-05-01T12:") for one in shadow)
    assert any(one["probability"] != [answers[one["id"]][0]["probability"]] for one in shadow)
    assert {one["version"] for one in read_log(segments(tmp_path / "log"))} == {1}
    (counted,) = [one.to_dict() for one in Tallies(shelves.home, MODEL, 1).all()]
    assert counted["candidate"]["requests"] == counted["champion"]["requests"] == 60


def test_what_a_shadow_has_no_room_for_is_left_out_and_counted(shelves, service, monkeypatch):
    monkeypatch.setattr(trials, "MOST_WAITING", 5)
    broken(service, monkeypatch, 2, is_slow)
    start(shelves, "shadow", 1.0)
    answers = ask(service, 60)
    assert {one.status_code for one in answers} == {200}
    found = measured(service)
    out = found["model_rollout_requests_total", "candidate", "left out"]
    assert out > 10
    assert found["model_rollout_requests_total", "candidate", "answered"] == 60 - out


@pytest.mark.parametrize(
    ("kind", "scores", "why"),
    [
        ("canary", fails, "it failed in"),
        ("shadow", fails, "it failed in"),
        ("canary", is_slow, "it is slower"),
        ("shadow", is_slow, "it is slower"),
        ("canary", is_certain, "bits from the champion's"),
        ("shadow", is_certain, "bits from the champion's"),
    ],
)
def test_a_candidate_that_is_worse_is_stopped_by_itself_and_no_request_fails(
    shelves, service, monkeypatch, kind, scores, why
):
    broken(service, monkeypatch, 2, scores)
    start(shelves, kind, 0.5 if kind == "canary" else 1.0, at_least=100_000, then="promote")
    answers = ask(service, 240, looks=15)
    assert {one.status_code for one in answers} == {200}
    ended = last(shelves).last
    assert (ended.state, ended.by) == ("failed", "rollout")
    assert why in ended.reason
    assert shelves.reigns.current(MODEL).version == 1
    # Back with the champion at once, all of it.
    assert {one.json()["version"] for one in ask(service, 40, first=1000)} == {1}
    if scores is fails:
        assert ended.evidence["first_error"] == "ValueError: no such tree"
        assert ended.evidence["candidate"]["errors"] < 40


def test_a_canary_that_is_stuck_is_not_waited_for(shelves, service, monkeypatch):
    monkeypatch.setattr(trials, "PATIENCE", 1.0)
    broken(service, monkeypatch, 2, is_stuck)
    start(shelves)
    begun = time.monotonic()
    answers = ask(service, 64, at_once=32)
    assert {one.status_code for one in answers} == {200}
    assert {one.json()["version"] for one in answers} == {1}
    # Those that wait do so for one second at most, and not for two.
    assert time.monotonic() - begun < 60
    assert last(shelves).last.state == "failed"
    assert last(shelves).last.evidence["first_error"] == "no answer within 1 s"


def test_one_that_is_not_worse_passes_and_is_promoted_and_answers_without_being_loaded_again(
    shelves, service, monkeypatch
):
    start(shelves, at_least=100, then="promote", seconds=0.0)
    ask(service, 320, looks=10)
    ended = last(shelves)
    assert ended.last.state == "passed", ended.last
    assert ended.last.reason.endswith("; version 2 reigns")
    assert ended.last.evidence["candidate"]["requests"] >= 100
    reign = shelves.reigns.current(MODEL)
    assert (reign.version, reign.by) == (2, "rollout")
    assert {one.json()["version"] for one in ask(service, 40, first=1000)} == {2}


def test_one_that_passed_where_the_champion_is_to_stay_leaves_it(shelves, service):
    start(shelves, at_least=50)
    ask(service, 200, looks=10)
    assert last(shelves).last.state == "passed"
    assert shelves.reigns.current(MODEL).version == 1
    assert {one.json()["version"] for one in ask(service, 20)} == {1}


def test_one_that_may_not_be_served_has_failed_before_anybody_asked_it(shelves, service):
    version = shelves.releases.version(MODEL, 2)
    start(shelves)
    path = shelves.artifacts.folder(version.artifact_digest) / "model.skops"
    path.write_bytes(path.read_bytes()[:-1])
    assert {one.json()["version"] for one in ask(service, 40)} == {1}
    ended = last(shelves).last
    assert (ended.state, ended.by) == ("failed", "rollout")
    assert "it may not be served: ArtifactMismatch: model.skops" in ended.reason
    assert service.state.reasons == []


def test_one_that_breaks_callers_is_not_tried(shelves, service):
    released(shelves, 3, "2024-05-04", output={"probability": "double from 0 to 1"})
    shelves.reigns.begin(MODEL, 1, after=4, by="ada", reason="r", at="2024-05-05T00:00:00+00:00", run_id="")
    start(shelves, version=3)
    ask(service, 4)
    assert "'version' is gone from output" in last(shelves).last.reason


def test_it_ends_when_another_version_reigns(shelves, service):
    start(shelves)
    ask(service, 10)
    released(shelves, 3, "2024-05-04")
    assert {one.json()["version"] for one in ask(service, 20)} == {3}
    ended = last(shelves).last
    assert (ended.state, ended.by) == ("stopped", "platform")
    assert ended.reason.startswith("version 3 reigns since")
    assert get(App(service), "/ready").json()["reasons"] == []


def test_a_service_that_begins_again_goes_on_with_what_was_counted(shelves, service, tmp_path):
    start(shelves, share=0.5, at_least=150)
    ask(service, 200, looks=10)
    counted = Tallies(shelves.home, MODEL, 1).all()
    assert last(shelves).is_open
    with serving(shelves, tmp_path / "other") as again:
        ask(again, 200, looks=10)
    assert last(shelves).last.state == "passed"
    assert last(shelves).last.evidence["candidate"]["requests"] > counted[0].candidate.requests


def test_a_machine_that_stalls_is_no_fault_of_the_candidate(shelves, service, monkeypatch):
    """Both take longer than is waited for: of the candidate that is a failure, and so it is of the champion."""
    monkeypatch.setattr(trials, "PATIENCE", 0.1)
    answer = services.answers

    def late(*arguments):
        time.sleep(0.2)
        return answer(*arguments)

    monkeypatch.setattr(services, "answers", late)
    start(shelves)
    answers = ask(service, 80, looks=5)
    assert {one.json()["version"] for one in answers} == {1}
    (counted,) = service._trials._trial.counted()
    assert counted.candidate.errors == counted.candidate.requests > 0
    assert counted.champion.errors == counted.champion.requests > 20
    assert last(shelves).is_open


def test_where_both_fail_it_is_nobodys_own_failure(shelves, service, monkeypatch):
    start(shelves)
    ask(service, 20)
    before = service._trials._trial.counted()[0].candidate.errors
    shelves.online.drop("habits")
    answers = ask(service, 20)
    assert {one.status_code for one in answers} == {503}
    assert before == 0
    assert all(one.candidate.errors == 0 for one in service._trials._trial.counted())


def test_a_version_that_fails_after_it_took_over_is_taken_back_and_callers_do_not_notice(
    shelves, service, monkeypatch
):
    broken(service, monkeypatch, 3, fails)
    released(shelves, 3, "2024-05-04")
    answers = ask(service, 80, looks=10)
    assert {one.status_code for one in answers} == {200}
    reign = shelves.reigns.current(MODEL)
    assert (reign.version, reign.by) == (1, "service")
    assert "version 3 failed in" in reign.reason
    assert "which version 1 answered" in reign.reason
    assert {one.json()["version"] for one in answers} == {1}
    assert {one.json()["version"] for one in ask(service, 10)} == {1}
    assert len(shelves.reigns.history(MODEL)) == 5


def test_a_version_that_is_as_good_is_not_taken_back_and_what_reigned_before_is_not_watched(shelves, service):
    released(shelves, 3, "2024-05-04")
    assert {one.json()["version"] for one in ask(service, 80, looks=10)} == {3}
    assert service._succession.watch.requests == 80
    former = service._succession.watch.former
    shelves.reigns.begin(MODEL, 1, after=4, by="ada", reason="r", at="2024-05-05T00:00:00+00:00", run_id="")
    assert {one.json()["version"] for one in ask(service, 20)} == {1}
    assert service.current.released is former.released
    assert service._succession.watch is None


def test_a_failure_of_both_versions_takes_nothing_back(shelves, service, monkeypatch):
    released(shelves, 3, "2024-05-04")
    ask(service, 4)
    shelves.online.drop("habits")
    assert {one.status_code for one in ask(service, 40, looks=5)} == {503}
    assert shelves.reigns.current(MODEL).version == 3
    assert service._succession.watch.errors == 0


def test_without_a_rollout_a_request_is_answered_as_ever(service):
    assert json.loads(post(App(service), asked()).content)["version"] == 1
