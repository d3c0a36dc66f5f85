"""Over HTTP: what is answered, what is refused and how, what is written down, and what is measured."""

import asyncio
import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families
from scipy.spatial.distance import jensenshannon

from mlops_assets.errors import BadEnvironment, LogUnwritable, ServiceRefused
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.serialization import PROFILE
from mlops_assets.serving.access import Anyone, HolderOf, comes_from_a_page, require_guarded, token_of
from mlops_assets.serving.app import App, Limits
from mlops_assets.serving.metrics import Metrics
from mlops_assets.stores.prediction_log import read_log, segments
from mlops_assets_tests.serving.http import get, post, serving, together
from mlops_assets_tests.serving.test_request import ANY, NEARLY
from mlops_assets_tests.serving.world import (
    MODEL,
    ROW,
    asked,
    evaluated,
    put_online,
    released,
    shelves_at,
    trained,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    shelves = shelves_at(home)
    released(shelves, 1)
    put_online(shelves)
    return home


@pytest.fixture
def service(home, tmp_path):
    with serving(shelves_at(home), tmp_path / "log") as service:
        yield service


@pytest.fixture(scope="module")
def standing(home, tmp_path_factory):
    """The same for many examples."""
    with serving(shelves_at(home), tmp_path_factory.mktemp("log")) as service:
        yield App(service)


@pytest.fixture
def app(service):
    return App(service)


def logged(tmp_path):
    return list(read_log(segments(tmp_path / "log")))


def measured(app):
    """Every sample: (name, labels but the model) -> value."""
    return {
        (one.name, *(value for name, value in sorted(one.labels.items()) if name != "model")): one.value
        for family in text_string_to_metric_families(get(app, "/metrics").text)
        for one in family.samples
    }


def test_rows_are_answered_with_features_as_they_are_online(app, tmp_path):
    others = [{**ROW, "customer_id": 3, "amount": 80.0}, {**ROW, "channel": None}]
    answer = post(app, asked(ROW, *others, request_id="mine"))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["request_id"], told["model"], told["version"]) == ("mine", MODEL, 1)
    assert told["warnings"] == []
    (record,) = logged(tmp_path)
    assert record["features"][0] == {
        "habits__last": "2024-05-01T10:00:00+00:00",
        "habits__orders": 7,
        "habits__segment": "new",
        "habits__vip": False,
        "per_order__coupon_share": pytest.approx(2.5 / 7),
    }
    # The model itself, asked with the same rows as training has them.
    import pandas as pd

    rows = pd.DataFrame(
        [{**sent, **served} for sent, served in zip(record["request"], record["features"], strict=True)]
    )
    for moment in ("ordered", "habits__last"):
        rows[moment] = pd.to_datetime(rows[moment])
    model, _ = trained(1)
    expected = score(model.model, model.inputs, rows)
    found = [one["probability"] for one in told["predictions"]]
    assert found == pytest.approx(expected.tolist(), abs=1e-12)
    assert len(set(found)) > 1


def test_what_was_answered_is_what_was_written_down(app, tmp_path):
    answer = post(app, asked()).json()
    (record,) = logged(tmp_path)
    assert record["id"] == answer["request_id"]
    assert record["probability"] == [one["probability"] for one in answer["predictions"]]
    assert (record["model"], record["version"]) == (MODEL, 1)
    assert record["request"] == [{**ROW, "ordered": "2024-04-20T10:00:00+00:00"}]
    assert record["at"].startswith("2024-05-01T12:00:")
    assert 0 < record["milliseconds"] < 60_000


def test_what_is_not_online_is_null_and_told(app):
    unknown, expired = {**ROW, "customer_id": 10**9}, {**ROW, "customer_id": 19}
    told = post(app, asked(ROW, unknown, expired, {**ROW, "customer_id": None})).json()
    assert [(one["row"], one["field"], one["message"]) for one in told["warnings"]] == [
        (1, "habits", "has no row online: null"),
        (2, "habits", "is older than its TTL: null"),
        (3, "habits", "has no row online: null"),
    ]
    assert measured(app)["model_feature_nulls_total", "habits__orders"] == 3


def test_an_explanation_is_the_difference_that_each_input_alone_makes(app):
    told = post(app, asked({**ROW, "amount": 200.0}, explain=True)).json()["predictions"][0]
    without = post(app, asked({**ROW, "amount": 200.0})).json()["predictions"][0]
    assert "explanation" not in without
    assert told["probability"] == without["probability"]
    explained = told["explanation"]
    assert explained["amount"] > 0.1
    reference = app.service.current.released.golden.reference["amount"]
    at_reference = post(app, asked({**ROW, "amount": reference})).json()["predictions"][0]
    assert explained["amount"] == pytest.approx(told["probability"] - at_reference["probability"])


@given(ANY | NEARLY)
def test_no_json_makes_the_service_fail(standing, body):
    assert post(standing, json.dumps(body).encode()).status_code in (200, 400, 422)


def test_a_refusal_names_row_and_field_and_is_counted(app, tmp_path):
    answer = post(app, asked(ROW, {**ROW, "gift": 1}))
    assert answer.status_code == 422
    told = answer.json()
    assert told["errors"] == [{"row": 1, "field": "gift", "found": "1", "expected": "true or false, or null"}]
    assert logged(tmp_path) == []
    assert measured(app)["model_errors_total", "invalid"] == 1
    assert measured(app)["model_requests_total", "422"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("POST", "/ready", 405), ("GET", "/", 404), ("GET", "/predict/", 404)],
)
def test_what_is_asked_in_another_way_is_refused(app, method, path, status):
    (answer,) = together(app, (method, path, None))
    assert answer.status_code == status
    assert answer.json()["message"]
    assert ("allow" in answer.headers) == (status == 405)


def test_another_content_type_is_refused(app):
    assert post(app, asked(), **{"content-type": "text/plain"}).status_code == 415
    assert post(app, asked(), **{"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


def sent_in_parts(app, parts, *, headers=(), pause=0.0):
    """The status of a body that comes in parts, and how many of them were taken."""
    taken, sent = 0, []

    async def receive():
        nonlocal taken
        await asyncio.sleep(pause)
        taken += 1
        return {"type": "http.request", "body": parts[taken - 1], "more_body": taken < len(parts)}

    async def send(message):
        sent.append(message)

    head = [(b"host", b"localhost:80"), (b"content-type", b"application/json"), *headers]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": head}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], taken, dict(sent[0]["headers"])


def test_a_body_is_counted_while_it_comes_whatever_its_head_says(service):
    app = App(service, limits=Limits(body=1000))
    assert sent_in_parts(app, [b" " * 300] * 10, headers=[(b"content-length", b"5")])[:2] == (413, 4)
    assert sent_in_parts(app, [b""], headers=[(b"content-length", b"1001")])[:2] == (413, 0)
    assert sent_in_parts(app, [b""], headers=[(b"content-length", b"9" * 5000)])[:2] == (413, 0)
    body = asked()
    assert sent_in_parts(app, [body[:10], body[10:]])[0] == 200


def test_a_body_that_comes_slowly_is_refused(service):
    app = App(service, limits=Limits(body_seconds=0.2))
    status, _, headers = sent_in_parts(app, [b" "] * 100, pause=0.05)
    assert (status, headers[b"connection"]) == (408, b"close")
    assert measured(app)["model_errors_total", "slow"] == 1


def coming(app, *bodies):
    """The statuses of requests of whose bodies the last byte comes when a whole request has been answered; and its."""

    async def ask():
        rest, found = asyncio.Event(), []

        async def slow(body):
            parts = [body[:-1], body[-1:]]

            async def receive():
                if len(parts) == 1:
                    await rest.wait()
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

            await app(scope, receive, send)

        async def send(message):
            found.append(message.get("status"))

        async def whole():
            return {"type": "http.request", "body": asked(), "more_body": False}

        head = [(b"host", b"localhost:80"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": head}
        waiting = [asyncio.create_task(slow(body)) for body in bodies]
        await asyncio.sleep(0.01)
        await app(scope, whole, send)
        rest.set()
        await asyncio.gather(*waiting)
        return [status for status in found if status]

    return asyncio.run(ask())


def test_bodies_that_are_still_coming_take_nobodys_place(service):
    app = App(service, limits=Limits(at_once=1))
    # The first to be answered is the one that has come; of the three then only one at once.
    assert coming(app, *[asked()] * 3) == [200, 503, 503, 200]


def test_bodies_that_are_still_coming_have_so_many_bytes_together(service):
    body = asked(request_id="a" * 64)
    app = App(service, limits=Limits(coming=2 * len(body)))
    # The third is sent away; what comes at once is not.
    assert coming(app, body, body, body) == [503, 200, 200, 200]
    assert coming(app, body, body) == [200, 200, 200]
    assert app._coming == 0


def test_who_hangs_up_is_not_answered_as_if_all_had_come(app):
    async def receive():
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    head = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": head}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400


def test_more_than_can_be_answered_at_once_is_sent_away_for_a_second(service):
    app = App(service, limits=Limits(at_once=2))
    answers = together(app, *[("POST", "/predict", asked())] * 5)
    assert sorted(one.status_code for one in answers) == [200, 200, 503, 503, 503]
    assert {one.headers["retry-after"] for one in answers if one.status_code == 503} == {"1"}


def test_requests_that_come_together_are_answered_together_each_its_own(app, monkeypatch):
    sizes = []
    work = app.service._batches._work

    def counted(batch):
        sizes.append(len(batch))
        return work(batch)

    monkeypatch.setattr(app.service._batches, "_work", counted)
    bodies = [asked({**ROW, "amount": float(amount)}, request_id=f"r{amount}") for amount in range(1, 40)]
    found = together(app, *(("POST", "/predict", body) for body in bodies))
    alone = [post(app, body).json() for body in bodies]
    assert [one.json() for one in found] == alone
    assert max(sizes) > 10


def test_a_token_is_asked_for_where_one_is_set(service):
    app = App(service, HolderOf("s3cret"))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
        answers = [
            post(app, asked(), **headers),
            *(get(app, path, **headers) for path in ("/contract", "/metrics")),
        ]
        assert {one.status_code for one in answers} == {401}
        assert answers[0].headers["www-authenticate"] == "Bearer"
    shown = {"authorization": "Bearer s3cret"}
    assert post(app, asked(), **shown).status_code == 200
    assert get(app, "/openapi.json", **shown).json()["security"] == [{"token": []}]
    assert get(app, "/ready").status_code == get(app, "/health").status_code == 200


def test_without_a_token_pages_that_had_their_name_rebound_are_refused(app):
    assert post(app, asked(), host="evil.example:8080").status_code == 421
    assert post(app, asked(), host="localhost:8080").status_code == 200
    assert [comes_from_a_page({b"host": one}) for one in (b"[::1]:80", b"[::1]", b"127.0.0.1", b"")] == [
        False,
        False,
        False,
        True,
    ]


def test_an_address_that_others_reach_needs_a_token():
    with pytest.raises(ServiceRefused, match="MLOPS_SERVE_TOKEN"):
        require_guarded("0.0.0.0", Anyone())
    require_guarded("0.0.0.0", HolderOf("x"))
    require_guarded("localhost", Anyone())
    assert token_of({b"authorization": b"bearer  x "}) == "x"
    assert token_of({b"authorization": b"Bearer"}) is None


def test_the_description_is_true(app):
    described = get(app, "/openapi.json").json()
    assert described["openapi"] == "3.1.0"

    def fits(schema, value):
        whole = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
        return jsonschema.Draft202012Validator(whole).is_valid(value)

    for body in (asked(), asked({**ROW, "gift": None}, request_id="a", explain=True)):
        assert fits("Request", json.loads(body))
        assert fits("Answer", post(app, body).json())
    for body in (
        asked({**ROW, "gift": 1}),
        asked({**ROW, "more": 1}),
        asked(request_id="a b"),
        asked(*[ROW] * 51, explain=True),
        b'{"rows": []}',
    ):
        assert not fits("Request", json.loads(body))
        assert fits("Refusal", post(app, body).json())
    assert fits("State", get(app, "/ready").json())
    assert {"/predict", "/health", "/ready", "/contract", "/openapi.json", "/metrics"} == described[
        "paths"
    ].keys()
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            (answer,) = together(app, (method.upper(), path, asked() if method == "post" else None))
            assert str(answer.status_code) in one["responses"]
            assert answer.headers["content-type"].partition(";")[0] in one["responses"]["200"]["content"]


@given(NEARLY)
def test_what_does_not_fit_the_description_is_not_answered(standing, body):
    described = get(standing, "/openapi.json").json()
    whole = {"$ref": "#/components/schemas/Request", "components": described["components"]}
    fits = jsonschema.Draft202012Validator(whole).is_valid(body)
    assert fits or post(standing, json.dumps(body).encode()).status_code in (400, 422)


def test_the_contract_is_shown_with_its_version(app):
    told = get(app, "/contract").json()
    assert (told["version"], told["model"], told["keys"]) == (
        1,
        MODEL,
        {"coupon": "number", "customer_id": "integer"},
    )
    assert len(told["digest"]) == 64


def test_what_is_measured_agrees_with_what_was_asked(app):
    bodies = [
        asked({**ROW, "amount": amount}, {**ROW, "amount": amount, "channel": "fax"})
        for amount in (1.0, 500.0)
    ]
    for body in (*bodies, b"nothing"):
        post(app, body)
    found = measured(app)
    assert found["model_requests_total", "200"] == 2
    assert found["model_errors_total", "unreadable"] == 1
    assert found["model_request_duration_seconds_count",] == 3
    assert found["model_request_duration_seconds_bucket", "0.5"] >= 0
    assert found["model_request_rows_sum",] == 4
    assert found["model_request_bytes_count",] == 3
    assert found["model_request_bytes_sum",] == sum(map(len, bodies)) + len(b"nothing")
    assert found["model_objective", "p95_ms"] == 500
    # Of nothing that was asked for yet, so that its first is an increase.
    assert found["model_requests_total", "500"] == found["model_requests_total", "503"] == 0
    assert found["model_predictions_total", "positive"] == found["model_predictions_total", "negative"] == 2
    assert found["model_score_count",] == 4
    assert found["model_input_warnings_total", "channel"] == 2
    assert found["model_ready",] == 1
    assert found["prediction_log_failures_total",] == 0
    assert found["service_memory_bytes",] > 10**7
    assert 0 <= found["machine_cpu_ratio",] <= 1
    (info,) = [key for key in found if key[0] == "model_version_info"]
    assert info[1:] == ("2024-05-01", trained(1)[0].digest, "compiled trees", "1")


def test_the_last_hour_is_held_against_where_the_version_was_evaluated(tmp_path):
    shelves = shelves_at(tmp_path / "home")
    released(shelves, 1, files=evaluated(25, 75))
    put_online(shelves)
    with serving(shelves, tmp_path / "log") as service:
        app = App(service)
        found = measured(app)
        assert (found["model_base_class_ratio", "positive"], found["model_base_class_ratio", "negative"]) == (
            0.25,
            0.75,
        )
        assert ("model_class_js_divergence",) not in found
        post(app, asked({**ROW, "amount": 1.0}, {**ROW, "amount": 500.0}))
        found = measured(app)
        assert found["model_predictions_last_hour",] == 2
        assert found["model_class_js_divergence",] == pytest.approx(
            jensenshannon([0.25, 0.75], [0.5, 0.5], base=2) ** 2
        )
        released(shelves, 2, "2024-05-02", files=evaluated(1, 3))
        asyncio.run(service.look())
        # What another version predicted is nothing that this one did.
        assert measured(app)["model_predictions_last_hour",] == 0


def test_a_version_that_keeps_no_readable_profile_is_served_without_a_base(tmp_path):
    shelves = shelves_at(tmp_path / "home")
    released(shelves, 1, files={PROFILE: b'{"format": 1}'})
    put_online(shelves)
    with serving(shelves, tmp_path / "log") as service:
        app = App(service)
        assert post(app, asked()).status_code == 200
        assert measured(app)["model_predictions_last_hour",] == 1
        assert not [
            one for one in measured(app) if one[0] in ("model_class_js_divergence", "model_base_class_ratio")
        ]


def test_who_looks_often_sees_no_moments_of_the_processor(monkeypatch):
    now, busy = 0.0, iter([0.0, 40.0, 90.0])
    monkeypatch.setattr("psutil.Process.cpu_percent", lambda self: next(busy))
    metrics = Metrics(MODEL, lambda: 0, lambda: now)

    def cores():
        return metrics.registry.get_sample_value("service_cpu_cores", {"model": MODEL})

    assert cores() == 0.0
    now = 6.0
    assert cores() == 0.4
    now = 8.0
    assert cores() == 0.4
    now = 11.0
    assert cores() == 0.9


def test_a_store_of_features_that_cannot_be_reached_is_told_as_that(app, monkeypatch):
    def gone(*asked):
        raise BadEnvironment("no Redis answers at 127.0.0.1:1")

    monkeypatch.setattr(app.service._shelves.online, "rows", gone)
    answer = post(app, asked())
    assert (answer.status_code, answer.json()["error"]) == (503, "features")
    monkeypatch.setattr(app.service._shelves.online, "versions", gone)
    asyncio.run(app.service.look())
    assert get(app, "/ready").json()["reasons"] == ["no Redis answers at 127.0.0.1:1"]


@pytest.mark.parametrize(("declared", "status"), [("required", 503), ("wanted", 200)])
def test_an_answer_that_cannot_be_written_down_is_none_where_the_contract_says_so(
    tmp_path, monkeypatch, declared, status
):
    shelves = shelves_at(tmp_path / "home")
    released(shelves, 1, prediction_log=declared)
    put_online(shelves)
    with serving(shelves, tmp_path / "log") as service:
        app = App(service)

        def full(record):
            raise LogUnwritable("No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(service._log, "append", full)
            answer = post(app, asked())
        assert answer.status_code == status
        assert "predictions" in answer.json() or answer.json()["error"] == "log"
        assert post(app, asked()).status_code == 200


def test_a_contract_that_requires_the_log_is_not_served_without(home, tmp_path):
    with (
        pytest.raises(ServiceRefused, match="requires that predictions are logged"),
        serving(shelves_at(home), tmp_path, log=False),
    ):
        pass


def test_fsync_waits_for_the_disk(home, tmp_path, monkeypatch):
    with serving(shelves_at(home), tmp_path / "log", durability="fsync") as service:
        waited = []
        sync = service._log.sync_up_to
        monkeypatch.setattr(service._log, "sync_up_to", lambda number: (sync(number), waited.append(number)))
        assert post(App(service), asked()).status_code == 200
        assert waited == [1]


def test_what_fails_inside_is_told_without_its_inside(app, monkeypatch, caplog):
    def broken(batch):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(app.service._batches, "_work", broken)
    answer = post(app, asked())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "the secret of the house" in caplog.text
    assert measured(app)["model_errors_total", "internal"] == 1


def test_only_the_request_that_cannot_be_answered_fails(app, monkeypatch):
    work = app.service._batches._work

    def picky(batch):
        if any(request.id == "bad" for _, request in batch):
            raise RuntimeError("not this one")
        return work(batch)

    monkeypatch.setattr(app.service._batches, "_work", picky)
    names = ["a", "b", "bad", "c", "d"]
    found = together(app, *(("POST", "/predict", asked(request_id=name)) for name in names))
    assert [one.status_code for one in found] == [200, 200, 500, 200, 200]


def test_a_draining_service_is_not_ready_and_answers(app):
    app.service.drain()
    assert get(app, "/ready").status_code == 503
    assert get(app, "/ready").json()["reasons"] == ["it is going down"]
    assert get(app, "/health").status_code == 200
    assert post(app, asked()).status_code == 200
    assert measured(app)["model_ready",] == 0


def test_a_request_that_waits_is_answered_by_the_version_that_read_it(app):
    first = app.service.current
    second = replace(
        first, released=replace(first.released, release=replace(first.released.release, version=2))
    )
    found = app.service._work(
        [(first, _request(app, "a")), (second, _request(app, "b")), (first, _request(app, "c"))]
    )
    assert len(found) == 3
    assert found[0].probabilities == found[1].probabilities


def _request(app, name):
    from mlops_assets.serving.request import read_request

    return read_request(asked(request_id=name), app.service.current.released.fields)
