"""A role that reads is held at once and for a time, is withdrawn at once, and by no other way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from mlops_assets.declaration.access import Policy
from mlops_assets.errors import AccessDenied, BadRequest, ChangeRefused
from mlops_assets.governance.access import Who, decide
from mlops_assets.governance.changes import spelled
from mlops_assets.steps import changes
from mlops_assets.steps.access import Shown, who_asks
from mlops_assets.steps.grants import ask_for_role, withdraw_grant
from mlops_assets.steps.standing import where
from mlops_assets.stores import ledger
from mlops_assets.stores.database import open_database, role_grant, role_withdrawal
from mlops_assets_tests.graph.test_settling import MemoryTracking
from mlops_assets_tests.stores.ledger_world import found, opened

READER = [{"resource": "model:*", "actions": ["read", "metrics"]}]
RULES = {
    "roles": {
        "asker": [{"resource": "model:*", "actions": ["propose:grant", "run"]}],
        "reader": READER,
        "owner": [{"resource": "*", "actions": ["ungrant", "approve:*", "propose:*"]}],
    },
    "members": {"zoë": ["asker"], "ada": ["owner"], "bo": ["owner"], "cy": ["owner"]},
    "tiers": [
        {"kind": "grant", "resource": "model:secret", "approvals": 1, "delay_minutes": 0},
        {"kind": "grant", "approvals": 0, "delay_minutes": 0},
        {"kind": "policy", "delay_minutes": 0},
    ],
}
ZOE, ADA = Who("zoë", "token 1"), Who("ada", "token 2")
CHURN = "model:churn"


@pytest.fixture
def stores(database_url, tmp_path):
    world = opened(tmp_path / "home", database_url)
    world.policies.adopt(Policy.model_validate(RULES), after=0, by="ada", reason="first", at=ledger.clock())
    return world


def held(stores, who=ZOE, resource=CHURN, role="reader", days=7):
    """The number of a grant that was asked for, and given where nobody else is asked."""
    asked = ask_for_role(stores, who, role, resource, days=days, reason="an ïncident")
    if where(stores, stores.changes.of(asked.number), stores.ledger.now()).stage == "open":
        apply(stores, asked.number)
    return asked.number


def apply(stores, number):
    return changes.apply(stores, MemoryTracking(), number, by="zoë", run_id="")


def may_read(stores, name="zoë", resource=CHURN):
    who = Who(name, held=stores.grants.held(name, stores.ledger.now()))
    return decide(stores.policies.current().policy, who, "read", resource).allowed


def at_days(monkeypatch, days):
    moment = spelled(datetime.fromisoformat(ledger.clock()) + timedelta(days=days))
    monkeypatch.setattr(ledger, "clock", lambda: moment)


def test_who_asks_holds_it_at_once_and_the_ledger_says_why(stores):
    assert not may_read(stores)
    number = held(stores)
    assert may_read(stores)
    assert not may_read(stores, resource="model:other")
    assert not may_read(stores, name="bo")
    (given,) = stores.grants.all()
    assert (given.number, given.name, given.role, given.resource) == (number, "zoë", "reader", CHURN)
    assert given.reason == f"an ïncident; request {number}, agreed by nobody, as the policy allows"
    assert [(one.kind, one.by) for one in reversed(stores.ledger.newest(3))] == [
        ("change_request", "zoë"),
        ("application", "zoë"),
        ("role_grant", "zoë"),
    ]
    assert found(stores) == ()


def test_who_shows_a_token_is_known_with_what_they_hold(stores):
    _, text = stores.tokens.make("zoë", days=1, by="ada", at=stores.ledger.now())
    number = held(stores)
    assert [one.number for one in who_asks(stores, Shown(text, "", "root")).held] == [number]


def test_it_ends_by_itself_and_a_clock_that_is_set_back_does_not_bring_it_back(stores, monkeypatch):
    held(stores, days=7)
    with monkeypatch.context() as later:
        at_days(later, 6.9)
        assert may_read(stores)
    with monkeypatch.context() as later:
        at_days(later, 7.01)
        assert not may_read(stores)
        stores.ledger.append(ledger.Draft("note", "x", {}))
    assert not may_read(stores)
    assert stores.grants.all()[0].state(stores.ledger.now()) == "expired"


def test_it_is_withdrawn_at_once_by_who_holds_it_or_whom_the_policy_lets(stores):
    first = held(stores)
    with pytest.raises(AccessDenied, match="bö may not ungrant"):
        withdraw_grant(stores, Who("bö"), first, reason="mine now")
    with pytest.raises(BadRequest, match="needs the reason"):
        withdraw_grant(stores, ZOE, first, reason=" ")
    assert withdraw_grant(stores, ZOE, first, reason="dône").withdrawn.endswith(": dône")
    assert not may_read(stores)
    with pytest.raises(BadRequest, match="withdrawn before: by zoë"):
        withdraw_grant(stores, ADA, first, reason="again")
    second = held(stores)
    withdraw_grant(stores, ADA, second, reason="she left")
    assert not may_read(stores)
    with pytest.raises(BadRequest, match="no grant 99"):
        withdraw_grant(stores, ADA, 99, reason="x")
    assert found(stores) == ()


def test_who_holds_it_does_not_hold_it_twice_and_of_many_at_once_one_is_given(stores):
    asked = [
        ask_for_role(stores, ZOE, "reader", CHURN, days=7, reason=f"reason {number}").number
        for number in range(6)
    ]

    def attempt(number):
        try:
            apply(stores, number)
        except ChangeRefused as refused:
            return str(refused)
        return "given"

    with ThreadPoolExecutor(6) as pool:
        said = sorted(pool.map(attempt, asked))
    assert said.count("given") == 1
    assert all(
        "is overtaken: zoë holds role reader on model:churn until" in one for one in said if one != "given"
    )
    assert len(stores.grants.all()) == 1
    with pytest.raises(BadRequest, match="zoë holds role reader on model:churn until"):
        held(stores)
    held(stores, resource="model:other")


def test_where_the_policy_asks_somebody_it_waits_for_them(stores):
    number = held(stores, resource="model:secret")
    assert not may_read(stores, resource="model:secret")
    with pytest.raises(ChangeRefused, match="waiting for one approval"):
        apply(stores, number)
    changes.vote(stores, number, "approve", who=ADA, seen=None, reason="she is on call")
    apply(stores, number)
    assert may_read(stores, resource="model:secret")
    assert "agreed by ada" in stores.grants.get(number).reason


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"role": "asker"}, "no role of the policy that only reads"),
        ({"role": "owner"}, "no role of the policy that only reads"),
        ({"role": "lësen"}, "no role of the policy that only reads"),
        ({"resource": "model:*"}, "expected one by its name"),
        ({"days": 31}, "expected 1 to 30"),
    ],
)
def test_what_cannot_be_held_is_not_asked_for(stores, asked, why):
    with pytest.raises(BadRequest, match=why):
        held(stores, **asked)
    assert stores.changes.all() == []


def test_who_may_not_ask_holds_nothing_and_nobody_does_without_a_policy(stores, tmp_path):
    with pytest.raises(AccessDenied, match="rita may not propose:grant model:churn"):
        held(stores, who=Who("rita"))
    with pytest.raises(AccessDenied, match="propose:grant table:raw/flights"):
        held(stores, resource="table:raw/flights")
    with pytest.raises(BadRequest, match="needs the reason"):
        ask_for_role(stores, ZOE, "reader", CHURN, days=7, reason=" ")
    bare = opened(tmp_path / "bare", f"sqlite:///{tmp_path}/bare.db")
    with pytest.raises(BadRequest, match="no policy is in force"):
        held(bare)


def test_a_role_that_writes_by_now_gives_nobody_more_and_is_given_no_more(stores):
    held(stores)
    waits = held(stores, resource="model:secret")
    changes.vote(stores, waits, "approve", who=ADA, seen=None, reason="yes")
    roles = {**RULES["roles"], "reader": [{"resource": "model:*", "actions": ["read", "run"]}]}
    other = Policy.model_validate({**RULES, "roles": roles})
    payload = changes.policy_payload(stores, other)
    number = changes.propose(stores, "policy", "policy", payload, by="ada", reason="more").number
    for name in ("bo", "cy"):
        changes.vote(stores, number, "approve", who=Who(name), seen=None, reason="yes")
    apply(stores, number)
    who = Who("zoë", held=stores.grants.held("zoë", stores.ledger.now()))
    policy = stores.policies.current().policy
    assert decide(policy, who, "read", CHURN).allowed
    assert not decide(policy, Who("without roles", held=who.held), "run", CHURN).allowed
    with pytest.raises(
        ChangeRefused, match="is overtaken: 'reader' is no role of the policy that only reads"
    ):
        apply(stores, waits)


# What somebody writes who has the database and goes past the platform.


def raw(number, **other):
    now = datetime.fromisoformat(ledger.clock())
    values = {
        "request_id": number,
        "name": "zoë",
        "role": "reader",
        "resource": CHURN,
        "reason": "",
        "at": spelled(now),
        "expires": spelled(now + timedelta(days=7)),
    }
    return sa.insert(role_grant).values(**{**values, **other})


def far(days):
    return spelled(datetime.fromisoformat(ledger.clock()) + timedelta(days=days))


RAW = {
    "of a request that was not applied": (lambda number: raw(number), "nobody agreed"),
    "of a role that writes": (lambda number: raw(number, role="asker"), "no role that only reads"),
    "of a role that there is not": (lambda number: raw(number, role="nobödy"), "no role that only reads"),
    "for ever": (lambda number: raw(number, expires=far(40)), "too long"),
    "dated back": (lambda number: raw(number, at=far(-1), expires=far(6)), "dated before"),
    "dated ahead": (lambda number: raw(number, at=far(1)), "in the future"),
}


@pytest.mark.parametrize("name", RAW)
def test_the_database_refuses_a_grant(stores, database_url, name):
    number = ask_for_role(stores, ZOE, "reader", CHURN, days=7, reason="x").number
    written, why = RAW[name]
    with pytest.raises(sa.exc.IntegrityError, match=why), open_database(database_url).begin() as connection:
        connection.execute(written(number))
    assert stores.grants.all() == []


def test_the_database_refuses_to_change_a_grant_and_the_ledger_tells_one_that_went_past_it(
    stores, database_url
):
    number = held(stores)
    database = open_database(database_url)
    for written in (
        sa.update(role_grant).values(expires=far(400)),
        sa.update(role_grant).values(name="bo"),
        sa.delete(role_grant),
        raw(number),
    ):
        with pytest.raises(sa.exc.IntegrityError), database.begin() as connection:
            connection.execute(written)
    withdraw_grant(stores, ZOE, number, reason="done")
    with pytest.raises(sa.exc.IntegrityError), database.begin() as connection:
        connection.execute(sa.delete(role_withdrawal))
    other = held(stores)
    with database.begin() as connection:
        values = {"request_id": other, "by": "mallory", "reason": "", "at": ledger.clock()}
        connection.execute(sa.insert(role_withdrawal).values(values))
    (finding,) = found(stores)
    assert (finding.tampering, finding.subject) == ("state added", f"role_withdrawal {other}")


@pytest.mark.parametrize("table", [role_grant, role_withdrawal], ids=lambda one: one.name)
@pytest.mark.parametrize("statement", ["UPDATE {table} SET reason = 'mine'", "DELETE FROM {table}"])
def test_what_was_held_and_withdrawn_stays_as_it_is(stores, database_url, table, statement):
    withdraw_grant(stores, ZOE, held(stores), reason="done")
    edit = sa.text(statement.format(table=f'"{table.name}"'))
    database = open_database(database_url)
    with pytest.raises(sa.exc.IntegrityError, match="stay as they are"), database.begin() as connection:
        connection.execute(edit)
    assert found(stores) == ()
