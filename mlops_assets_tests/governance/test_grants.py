"""A role that is held for a time lets its holder read one resource, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.declaration.access import READING, Grant, Policy
from mlops_assets.governance.access import Who, decide, scope
from mlops_assets.governance.grants import Held, why_not_held

UNTIL = "2024-02-01T00:00:00.000000+00:00"
POLICY = Policy.model_validate(
    {
        "roles": {
            "reader": [{"resource": "model:*", "actions": ["read", "metrics"]}],
            "writer": [{"resource": "model:*", "actions": ["read", "run"]}],
            "anything": [{"resource": "*", "actions": ["*"]}],
            "like_read": [{"resource": "*", "actions": ["read*"]}],
            "denies": [
                {"resource": "*", "actions": ["read"]},
                {"resource": "model:secret", "actions": ["read"], "deny": True},
            ],
            "not_secret": [{"resource": "model:secret", "actions": ["*"], "deny": True}],
            "empty": [],
        },
        "members": {"zoë": [], "ben": ["not_secret"]},
    }
)
HELD = Held(7, "reader", "model:churn", UNTIL)
ZOE = Who("zoë", "token 1", held=(HELD,))


def test_who_holds_a_role_may_read_what_it_is_held_on_and_the_answer_names_the_grant():
    answer = decide(POLICY, ZOE, "read", "model:churn")
    assert answer.allowed
    assert answer.sentence == (
        f"zoë may read model:churn: role reader on model:churn until {UNTIL} (grant 7): read, metrics on model:churn "
        "says so"
    )
    other = decide(POLICY, ZOE, "read", "model:other")
    assert not other.allowed
    assert f"no rule of their roles (role reader on model:churn until {UNTIL} (grant 7))" in other.sentence


def test_a_rule_that_denies_wins_and_a_token_stays_within_its_scopes():
    secret = replace(HELD, resource="model:secret")
    assert decide(POLICY, Who("zoë", held=(secret,)), "read", "model:secret").allowed
    assert not decide(POLICY, Who("ben", held=(secret,)), "read", "model:secret").allowed
    scoped = replace(ZOE, scopes=(scope("metrics@model:*"),))
    assert decide(POLICY, scoped, "metrics", "model:churn").allowed
    assert not decide(POLICY, scoped, "read", "model:churn").allowed


@pytest.mark.parametrize(
    "role", ["writer", "anything", "like_read", "denies", "not_secret", "empty", "unknown", ""]
)
def test_a_role_that_does_more_than_read_is_held_by_nobody(role):
    said = why_not_held(POLICY, role, "model:churn", 7)
    assert f"{role!r} is no role of the policy that only reads (read, metrics); those are: reader" in said


@pytest.mark.parametrize("resource", ["model:*", "*", "", "modèle:x", "model:churn\n"])
def test_a_role_is_held_on_one_resource_by_its_name(resource):
    assert "expected one by its name" in why_not_held(POLICY, "reader", resource, 7)


@pytest.mark.parametrize("days", [0, -1, 31])
def test_a_role_is_held_for_days_and_not_for_ever(days):
    assert f"found {days} days, expected 1 to 30" in why_not_held(POLICY, "reader", "model:churn", days)


def test_a_role_says_something_of_what_it_is_held_on():
    assert (
        why_not_held(POLICY, "reader", "table:raw/flights", 7)
        == "role reader says nothing of table:raw/flights"
    )
    assert why_not_held(POLICY, "reader", "model:churn", 30) is None


actions = st.sampled_from(["read", "metrics", "run", "*", "re*", "approve:*", "rollback"])
resources = st.sampled_from(["*", "model:*", "model:a", "model:b", "policy"])
grants = st.builds(Grant, resource=resources, actions=st.lists(actions, min_size=1, max_size=3).map(tuple))


@given(
    st.lists(grants, max_size=4).map(tuple),
    st.sampled_from(["model:a", "policy"]),
    st.sampled_from(["read", "metrics", "run", "rollback", "approve:policy", "propose:policy"]),
    st.sampled_from(["model:a", "model:b", "policy"]),
)
def test_whatever_a_role_says_by_now_who_holds_it_for_a_time_only_reads_only_that(role, on, action, resource):
    policy = Policy(roles={"role": role})
    allowed = decide(policy, Who("zoë", held=(Held(1, "role", on, UNTIL),)), action, resource).allowed
    assert not allowed or (action in READING and resource == on)
    assert not allowed or decide(
        policy.model_copy(update={"members": {"zoë": ("role",)}}), Who("zoë"), action, on
    )
