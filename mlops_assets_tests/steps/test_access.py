"""Who asks, and may they: by a token or an ID token, by the policy in force, and by nobody else's name."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.cli.policies import EXAMPLE
from mlops_assets.declaration.access import Policy, read_policy
from mlops_assets.errors import AccessDenied, BadRequest
from mlops_assets.governance.access import Who
from mlops_assets.steps.access import (
    Shown,
    adopt,
    make_token,
    require,
    require_own_name,
    revoke_token,
    who_asks,
)
from mlops_assets.steps.ledger import verify
from mlops_assets.stores.ledger import Draft
from mlops_assets_tests.governance import signing
from mlops_assets_tests.stores.ledger_world import opened

POLICY = read_policy(EXAMPLE)
USER = Who("root", "the machine's user")
NOTHING = Shown("", "", "root")
OTTO = "otto@example.org"


@pytest.fixture
def stores(database_url, tmp_path):
    return opened(tmp_path / "home", database_url)


@pytest.fixture
def otto(stores):
    """The example's policy is in force, and the operator has a token."""
    _, text = make_token(stores, USER, OTTO, scopes=[], days=30)
    adopt(stores, POLICY, by=OTTO, reason="the first")
    return who_asks(stores, Shown(text, "", "root"))


def token_of(stores, who, name, *scopes):
    return Shown(make_token(stores, who, name, scopes=scopes, days=30)[1], "", "root")


def test_without_a_policy_the_machines_user_may_do_everything(stores):
    who = who_asks(stores, NOTHING)
    assert who == USER
    require(stores, who, "rollback", "model:x")
    require_own_name(stores, who, "Ada")


def test_a_token_that_is_shown_is_a_good_one_also_without_a_policy(stores):
    shown = token_of(stores, USER, "Ana")
    assert who_asks(stores, shown).name == "ana"
    with pytest.raises(AccessDenied, match="not one of this platform"):
        who_asks(stores, replace(shown, token=f"{shown.token}x"))


def test_with_a_policy_nobody_is_somebody_without_showing_it(stores, otto):
    with pytest.raises(
        AccessDenied, match="policy 1 is in force, and nobody is known to ask; set MLOPS_TOKEN"
    ):
        who_asks(stores, NOTHING)
    with pytest.raises(AccessDenied, match="policy 1 is in force"):
        who_asks(stores, Shown("", "", OTTO))


def test_who_is_known_may_what_a_rule_lets_them(stores, otto):
    require(stores, otto, "rollback", "model:x")
    with pytest.raises(
        AccessDenied,
        match=r"otto@example.org may not run model:x: no rule .*roles that do: developer, robot \(policy 1\)",
    ):
        require(stores, otto, "run", "model:x")


def test_nobody_signs_as_another(stores, otto):
    require_own_name(stores, otto, f" {OTTO} ")
    for other in ("dana@example.org", "Otto@example.org", ""):
        with pytest.raises(AccessDenied, match="nobody signs as another"):
            require_own_name(stores, otto, other)


def test_a_token_is_for_its_scopes_and_makes_no_token_for_more(stores, otto):
    scoped = who_asks(stores, token_of(stores, otto, OTTO, "rollback@model:low", "token@*"))
    require(stores, scoped, "rollback", "model:low")
    with pytest.raises(AccessDenied, match="is for rollback@model:low, token@\\* only"):
        require(stores, scoped, "rollback", "model:high")
    with pytest.raises(AccessDenied, match="so it makes no tokens"):
        make_token(stores, scoped, OTTO, scopes=[], days=1)


def test_who_may_not_make_tokens_makes_none(stores, otto):
    dana = who_asks(stores, token_of(stores, otto, "dana@example.org"))
    for name in ("dana@example.org", OTTO, "svc:nightly"):
        with pytest.raises(AccessDenied, match=f"may not token token:{name}"):
            make_token(stores, dana, name, scopes=[], days=1)
    assert [one.name for one in stores.tokens.all()] == [OTTO, "dana@example.org"]


def test_a_service_is_known_and_never_approves(stores, otto):
    robot = who_asks(stores, token_of(stores, otto, "svc:nightly"))
    require(stores, robot, "run", "model:x")
    with pytest.raises(AccessDenied, match="service accounts never approve"):
        require(stores, robot, "approve:promote", "model:x")


def test_anybody_may_revoke_their_own_token_and_others_whom_the_policy_lets(stores, otto):
    shown = token_of(stores, otto, "dana@example.org")
    dana = who_asks(stores, shown)
    first, own = stores.tokens.all()
    with pytest.raises(AccessDenied, match=f"may not revoke token:{OTTO}"):
        revoke_token(stores, dana, first.id, reason="mine now")
    with pytest.raises(BadRequest, match="needs the reason"):
        revoke_token(stores, dana, own.id, reason=" ")
    revoke_token(stores, dana, own.id, reason="lost")
    with pytest.raises(AccessDenied, match="was revoked"):
        who_asks(stores, shown)
    other = token_of(stores, otto, "dana@example.org")
    newest = next(one for one in stores.tokens.all() if one.name != OTTO and not one.revoked)
    revoke_token(stores, otto, newest.id, reason="she left")
    with pytest.raises(AccessDenied, match="she left"):
        who_asks(stores, other)
    assert verify(stores).findings == ()


def test_a_policy_is_adopted_once_by_name_and_for_a_reason(stores):
    token_of(stores, USER, OTTO)
    for by, reason in (("", "x"), ("Ada", " "), ("gate", "x")):
        with pytest.raises(BadRequest):
            adopt(stores, POLICY, by=by, reason=reason)
    adopted = adopt(stores, POLICY, by="Otto@example.org", reason="the first")
    assert (adopted.number, adopted.by) == (1, OTTO)
    with pytest.raises(BadRequest, match=r"policy 1 is in force, adopted by otto@example\.org"):
        adopt(stores, POLICY, by=OTTO, reason="another")
    assert verify(stores).findings == ()


def test_a_policy_under_which_nobody_could_work_is_not_adopted(stores):
    with pytest.raises(BadRequest, match="nobody of this policy could say who they are"):
        adopt(stores, POLICY, by=OTTO, reason="the first")
    token_of(stores, USER, "svc:nightly")
    with pytest.raises(BadRequest, match="nobody of this policy could say who they are"):
        adopt(stores, POLICY, by=OTTO, reason="the first")
    with pytest.raises(BadRequest, match="nobody could change this policy again"):
        adopt(stores, Policy(roles={}), by=OTTO, reason="the first")
    assert stores.policies.current() is None


def test_an_id_token_says_who_asks_where_a_policy_names_its_provider(stores):
    policy = Policy.model_validate(
        POLICY.model_dump(mode="json") | {"identity": signing.policy().model_dump(mode="json")["identity"]}
    )
    adopt(stores, policy, by=OTTO, reason="the first")
    now = int(datetime.now(UTC).timestamp())
    shown = Shown("", signing.signed(signing.claims(iat=now, exp=now + 600)), "root")
    who = who_asks(stores, shown)
    assert (who.name, who.provider, who.groups) == ("ana@example.org", "company", ("ml",))
    require(stores, who, "run", "model:x")
    with pytest.raises(AccessDenied, match="may not rollback"):
        require(stores, who, "rollback", "model:x")
    old = signing.signed(signing.claims(iat=now - 7200, exp=now - 3600))
    with pytest.raises(AccessDenied, match="expired"):
        who_asks(stores, replace(shown, id_token=old))
    with pytest.raises(AccessDenied, match="both set"):
        who_asks(stores, replace(shown, token="mlops_x_y"))


def test_a_clock_that_is_set_back_makes_no_token_good_again(stores, monkeypatch):
    later = datetime.now(UTC) + timedelta(days=40)
    shown = token_of(stores, USER, "ana")

    class Later(datetime):
        @classmethod
        def now(cls, zone=None):
            return later.astimezone(zone)

    with monkeypatch.context() as patch:
        patch.setattr("mlops_assets.stores.ledger.datetime", Later)
        stores.ledger.append(Draft("note", "x", {}))
    assert stores.ledger.now() >= later.isoformat(timespec="microseconds")
    with pytest.raises(AccessDenied, match="expired"):
        who_asks(stores, shown)
    assert json.loads(stores.ledger.head().body) == {}
