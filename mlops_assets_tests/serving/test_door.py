"""Who may ask a service where a policy is in force: whom it lets, by a token that is good at that moment."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlops_assets.declaration.access import Policy
from mlops_assets.errors import LedgerBroken
from mlops_assets.governance.access import Who, scope
from mlops_assets.governance.changes import spelled
from mlops_assets.serving import door as doors
from mlops_assets.serving.access import Anyone, HolderOf, require_guarded
from mlops_assets.serving.app import App
from mlops_assets.serving.door import Door
from mlops_assets.steps import changes
from mlops_assets.steps.grants import ask_for_role
from mlops_assets.stores import ledger
from mlops_assets.stores.prediction_log import read_log, segments
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.governance import signing
from mlops_assets_tests.graph.test_settling import MemoryTracking
from mlops_assets_tests.serving.http import JSON, get, post, serving
from mlops_assets_tests.serving.processes import running
from mlops_assets_tests.serving.world import MODEL, asked, write_feature_repository
from mlops_assets_tests.stores.ledger_world import Owner

ON = f"model:{MODEL}"
COMPANY = signing.policy().model_dump(mode="json")["identity"]["company"]
RULES = {
    "roles": {
        "caller": [{"resource": ON, "actions": ["predict"]}],
        "asker": [{"resource": "model:*", "actions": ["propose:grant"]}],
        "reader": [{"resource": "model:*", "actions": ["read", "metrics"]}],
    },
    "members": {"svc:shop": ["caller"], "zoë": ["asker"], "prometheus": ["reader"], "ada": []},
    "identity": {"company": {**COMPANY, "groups": {"ml": ["caller"]}}},
    "tiers": [{"kind": "grant", "approvals": 0, "delay_minutes": 0}],
}


def adopted(shelves, rules=RULES):
    policy = Policy.model_validate(rules)
    return shelves.policies.adopt(policy, after=0, by="ada", reason="first", at=ledger.clock())


def token(shelves, name, *scopes, days=1):
    at = shelves.ledger.now()
    made, text = shelves.tokens.make(name, scopes=[scope(one) for one in scopes], days=days, by="ada", at=at)
    return made.id, {"authorization": f"Bearer {text}"}


@pytest.fixture
def app(shelves, tmp_path):
    """A service under a policy, and the keeper of its door as ``app.door``."""
    adopted(shelves)
    with serving(shelves, tmp_path / "log") as service:
        yield guarded(service, shelves)


def guarded(service, shelves, otherwise=None):
    made = App(service, Door(shelves, MODEL, otherwise or Anyone()))
    made.door = made._gatekeeper
    return made


def refusal(answer):
    return answer.status_code, answer.json()["error"], answer.json()["message"]


def test_who_may_is_answered_and_written_down_by_name_and_who_may_not_is_told_why(app, shelves, tmp_path):
    _, shop = token(shelves, "svc:shop", f"predict@{ON}")
    app.door.look()
    assert post(app, asked(request_id="mine"), **shop).status_code == 200
    (record,) = read_log(segments(tmp_path / "log"))
    assert record["by"] == "svc:shop"
    assert not [one for one in (shop["authorization"], shop["authorization"][-20:]) if one in str(record)]
    for path, action in (("/metrics", "metrics"), ("/contract", "read"), ("/openapi.json", "read")):
        status, kind, said = refusal(get(app, path, **shop))
        assert (status, kind) == (403, "forbidden")
        assert said.startswith(f"svc:shop may not {action} {ON}: token ")
        assert said.endswith(f"is for predict@{ON} only (policy 1)")
    assert get(app, "/ready").status_code == get(app, "/health").status_code == 200


def test_measures_are_an_action_of_their_own(app, shelves):
    _, prometheus = token(shelves, "prometheus", "metrics@model:*")
    app.door.look()
    assert get(app, "/metrics", **prometheus).status_code == 200
    assert get(app, "/contract", **prometheus).status_code == 403
    status, _, said = refusal(post(app, asked(), **prometheus))
    assert (status, "prometheus may not predict" in said) == (403, True)


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"authorization": "Basic x"},
        {"authorization": "Bearer mlops_0_x"},
        {"authorization": "Bearer s3cret"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": b"Bearer mlops_\xff_\xfe"},
        {"authorization": "Bearer " + "e" * 20_000},
    ],
)
def test_who_is_not_known_is_not_answered_also_with_the_token_from_before_the_policy(
    shelves, tmp_path, shown
):
    adopted(shelves)
    with serving(shelves, tmp_path / "log") as service:
        app = guarded(service, shelves, HolderOf("s3cret"))
        answer = post(app, asked(), **shown)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"] == "unauthorized"
    assert list(read_log(segments(tmp_path / "log"))) == []


def test_a_token_that_is_revoked_in_the_middle_is_good_for_nothing_at_the_next_look(app, shelves):
    made, shop = token(shelves, "svc:shop")
    app.door.look()
    assert post(app, asked(), **shop).status_code == 200
    shelves.tokens.revoke(made, by="ada", reason="löst", at=ledger.clock())
    app.door.look()
    status, kind, said = refusal(post(app, asked(), **shop))
    assert (status, kind) == (401, "unauthorized")
    assert f"token {made} of svc:shop was revoked: by ada" in said
    assert "löst" in said


def test_who_is_let_in_while_it_looks_is_asked_again_by_what_it_found(app, shelves, monkeypatch):
    made, shop = token(shelves, "svc:shop")
    app.door.look()
    shelves.tokens.revoke(made, by="ada", reason="lost", at=ledger.clock())
    current, while_it_looked = type(shelves.policies).current, []

    def asked_meanwhile(policies):
        while_it_looked.append(post(app, asked(), **shop).status_code)
        return current(policies)

    with monkeypatch.context() as patch:
        patch.setattr(type(shelves.policies), "current", asked_meanwhile)
        app.door.look()
    assert while_it_looked == [200]
    assert post(app, asked(), **shop).status_code == 401


def test_a_token_that_expired_is_good_for_nothing_also_when_the_clock_is_set_back(app, shelves, monkeypatch):
    _, shop = token(shelves, "svc:shop", days=1)
    app.door.look()
    assert post(app, asked(), **shop).status_code == 200
    app.door._known.admitted.clear()
    later = spelled(datetime.now(UTC) + timedelta(days=1, seconds=1))
    with monkeypatch.context() as patch:
        patch.setattr(doors, "clock", lambda: later)
        assert "expired at" in refusal(post(app, asked(), **shop))[2]
        patch.setattr(ledger, "clock", lambda: later)
        shelves.ledger.append(ledger.Draft("note", "x", {}))
    app.door.look()
    assert "expired at" in refusal(post(app, asked(), **shop))[2]


def test_an_id_token_is_verified_as_commands_do(app):
    now = int(datetime.now(UTC).timestamp())

    def shown(**claims):
        return {
            "authorization": f"Bearer {signing.signed(signing.claims(**{'iat': now, 'exp': now + 600, **claims}))}"
        }

    assert post(app, asked(), **shown()).status_code == 200
    assert get(app, "/metrics", **shown()).status_code == 403
    assert "expired" in refusal(post(app, asked(), **shown(iat=now - 7200, exp=now - 3600)))[2]
    assert refusal(post(app, asked(), **shown(groups=[])))[0] == 403


def test_a_policy_that_is_adopted_while_it_serves_holds_at_the_next_look(shelves, tmp_path):
    with serving(shelves, tmp_path / "log") as service:
        app = guarded(service, shelves)
        assert post(app, asked()).status_code == 200
        assert "security" not in get(app, "/openapi.json").json()
        adopted(shelves)
        app.door.look()
        assert post(app, asked()).status_code == 401
        require_guarded("0.0.0.0", app.door)
    (record,) = read_log(segments(tmp_path / "log"))
    assert "by" not in record


def test_a_role_that_is_held_for_a_time_reads_until_it_is_withdrawn(app, shelves, tmp_path):
    _, zoe = token(shelves, "zoë")
    app.door.look()
    assert get(app, "/metrics", **zoe).status_code == 403
    stores = Stores.open(Places.below(tmp_path / "home"))
    number = ask_for_role(stores, Who("zoë"), "reader", ON, days=1, reason="an incident").number
    changes.apply(stores, MemoryTracking(), number, by="zoë", run_id="")
    app.door.look()
    assert get(app, "/metrics", **zoe).status_code == get(app, "/contract", **zoe).status_code == 200
    assert post(app, asked(), **zoe).status_code == 403
    shelves.grants.withdraw(number, by="zoë", reason="done")
    app.door.look()
    assert get(app, "/metrics", **zoe).status_code == 403


def test_no_request_asks_the_database(app, shelves):
    _, shop = token(shelves, "svc:shop")
    app.door.look()
    asked_of_it = []
    engine = shelves.tokens._database
    sa.event.listen(engine, "before_cursor_execute", lambda *said: asked_of_it.append(said[2]))
    for _ in range(5):
        assert post(app, asked(), **shop).status_code == 200
        assert post(app, asked()).status_code == 401
        assert get(app, "/metrics", **shop).status_code == 403
    assert [one for one in asked_of_it if "token" in one or "policy" in one or "ledger" in one] == []


def test_refusals_are_noted_once_whoever_asks_how_often(app, shelves):
    _, shop = token(shelves, "svc:shop")
    app.door.look()
    for _ in range(3):
        for number in range(20):
            assert post(app, asked(), authorization=f"Bearer mlops_{number}_x").status_code == 401
        assert get(app, "/metrics", **shop).status_code == 403
        app.door.look()
    noted = [(one.who, one.action, one.resource) for _, one in shelves.denials.all()]
    assert noted == [("", "predict", ON), ("svc:shop", "metrics", ON)]


def test_where_the_database_does_not_answer_it_goes_on_and_not_for_ever(app, shelves, monkeypatch):
    _, shop = token(shelves, "svc:shop")
    app.door.look()

    def gone(*_):
        raise OSError("no route to it")

    monkeypatch.setattr(type(shelves.policies), "current", gone)
    monkeypatch.setattr(type(shelves.denials), "note", gone)
    assert post(app, asked()).status_code == 401
    app.door.look()
    assert post(app, asked(), **shop).status_code == 200
    late = time.monotonic() + doors.LONGEST_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: late)
    status, kind, said = refusal(post(app, asked(), **shop))
    assert (status, kind, "does not answer" in said) == (503, "access", True)


def test_a_policy_that_was_edited_lets_nobody_in(app, shelves, tmp_path):
    _, shop = token(shelves, "svc:shop")
    app.door.look()
    owner = Owner(f"sqlite:///{tmp_path / 'home' / 'platform.db'}")
    owner.run("""UPDATE policy SET body = replace(body, 'reader', 'caller')""")
    app.door.look()
    status, kind, said = refusal(post(app, asked(), **shop))
    assert (status, kind, "policy 1 is not what was adopted" in said) == (503, "access", True)
    with pytest.raises(LedgerBroken):
        Door(shelves, MODEL, Anyone())


def test_it_looks_by_itself(shelves, tmp_path):
    adopted(shelves)
    made, shown = token(shelves, "svc:shop")
    text = shown["authorization"].removeprefix("Bearer ")

    async def revoked():
        door = Door(shelves, MODEL, Anyone(), look_seconds=0.02)
        assert door.admit(text, "predict") == "svc:shop"
        watching = asyncio.create_task(door.watch())
        shelves.tokens.revoke(made, by="ada", reason="lost", at=ledger.clock())
        for _ in range(200):
            await asyncio.sleep(0.02)
            try:
                door.admit(text, "predict")
            except Exception as refused:
                watching.cancel()
                return str(refused)
        return "it was let in for four seconds"

    assert "was revoked" in asyncio.run(revoked())


@pytest.mark.slow
def test_the_command_asks_the_policy_and_hears_of_a_revocation_within_seconds(shelves, tmp_path):
    adopted(shelves)
    made, shop = token(shelves, "svc:shop", f"predict@{ON}")
    with running(tmp_path / "home", write_feature_repository(tmp_path / "features")) as service:
        connection = service.connect()

        def status(**shown):
            connection.request("POST", "/predict", asked(), {**JSON, **shown})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert [status(**shop), status()] == [200, 401]
        shelves.tokens.revoke(made, by="ada", reason="lost", at=ledger.clock())
        until(lambda: status(**shop) == 401, seconds=20, what="the revocation holds")
        noted = {("", "predict"), ("svc:shop", "predict")}
        until(
            lambda: {(one.who, one.action) for _, one in shelves.denials.all()} == noted,
            seconds=20,
            what="the refusals are noted",
        )
        connection.close()
