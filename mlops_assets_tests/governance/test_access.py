"""Denied unless a rule allows it; a rule that denies wins; and what a change needs."""

from dataclasses import replace

import pytest

from mlops_assets.cli.policies import EXAMPLE
from mlops_assets.declaration.access import Policy, read_policy
from mlops_assets.errors import BadRequest
from mlops_assets.governance.access import (
    STRICTEST,
    Who,
    decide,
    known_as,
    locked_out,
    roles_of,
    scope,
    tier_of,
)

POLICY = Policy.model_validate(
    {
        "roles": {
            "developer": [
                {"resource": "service:*", "actions": ["read", "write"]},
                {"resource": "config:*", "actions": ["read"]},
            ],
            "reviewer": [{"resource": "model:*", "actions": ["approve:*"]}],
            "all": [{"resource": "*", "actions": ["*"]}],
            "not_secret": [{"resource": "model:secret", "actions": ["*"], "deny": True}],
        },
        "members": {
            "ana": ["developer"],
            "Ben": ["all", "not_secret"],
            "svc:robot": ["all"],
            "rita": ["reviewer"],
        },
        "identity": {
            "company": {
                "issuer": "https://login.example.org",
                "audience": "mlops",
                "jwks": {"keys": [{"kty": "OKP", "kid": "one"}]},
                "groups": {"ml": ["reviewer"]},
            }
        },
        "tiers": [
            {"kind": "promote", "resource": "model:low", "gate": True},
            {"kind": "promote", "approvals": 3},
            {"kind": "policy", "approvals": 0, "delay_minutes": 5},
        ],
    }
)


@pytest.mark.parametrize(
    ("who", "action", "resource", "allowed", "said"),
    [
        (
            "ana",
            "write",
            "service:x",
            True,
            "ana may write service:x: role developer: read, write on service:* says",
        ),
        ("ANA", "read", "config:x", True, "role developer: read on config:*"),
        (
            "ana",
            "write",
            "config:x",
            False,
            "no rule of their roles (developer) allows it; roles that do: all",
        ),
        ("ana", "write", "service", False, "no rule"),
        ("ana", "WRITE", "service:x", False, "no rule"),
        ("zoe", "read", "service:x", False, "their roles (none)"),
        ("ben", "run", "model:open", True, "role all"),
        (
            "ben",
            "run",
            "model:secret",
            False,
            "ben may not run model:secret: role not_secret: deny * on model:secret says so",
        ),
        ("rita", "approve:promote", "model:x", True, "role reviewer"),
        ("svc:robot", "run", "model:x", True, "role all"),
        ("svc:robot", "approve:promote", "model:x", False, "service accounts never approve"),
        ("SVC:ROBOT", "approve:policy", "policy", False, "service accounts never approve"),
    ],
)
def test_every_answer_names_its_rule(who, action, resource, allowed, said):
    answer = decide(POLICY, known_as(who), action, resource)
    assert answer.allowed is allowed
    assert said in answer.sentence
    assert bool(answer.rule) or "no rule" in answer.sentence


def test_an_empty_policy_allows_nothing_to_anybody():
    empty = Policy(roles={})
    assert not decide(empty, known_as("ana"), "read", "service:x").allowed


def test_groups_give_the_roles_that_their_own_provider_has_for_them():
    zoe = Who("zoe", provider="company", groups=("ml", "other"))
    assert roles_of(POLICY, zoe) == ("reviewer",)
    assert decide(POLICY, zoe, "approve:promote", "model:x").allowed
    assert not decide(POLICY, replace(zoe, provider="other"), "approve:promote", "model:x").allowed
    assert not decide(POLICY, replace(zoe, groups=()), "approve:promote", "model:x").allowed


def test_a_token_is_for_no_more_than_it_was_made_for():
    ben = replace(known_as("ben"), how="token 1", scopes=(scope("run@model:*"), scope("*@features")))
    assert decide(POLICY, ben, "run", "model:x").allowed
    assert decide(POLICY, ben, "apply", "features").allowed
    answer = decide(POLICY, ben, "rollback", "model:x")
    assert not answer.allowed
    assert answer.sentence == "ben may not rollback model:x: token 1 is for run@model:*, *@features only"
    # What it is for gives nobody more than they may.
    assert not decide(POLICY, ben, "run", "model:secret").allowed


@pytest.mark.parametrize("text", ["run", "@model:x", "run@", "run@model:[x]", "run@a b", "run@ü"])
def test_a_scope_is_an_action_and_a_resource(text):
    with pytest.raises(BadRequest, match="expected ACTION@RESOURCE"):
        scope(text)


def test_the_first_tier_that_fits_counts_and_what_none_fits_needs_the_most():
    assert tier_of(POLICY, "promote", "model:low").gate
    assert tier_of(POLICY, "promote", "model:other").approvals == 3
    assert tier_of(POLICY, "unheard of", "model:low") == STRICTEST
    assert STRICTEST.approvals == 2


def test_a_change_of_the_policy_needs_two_whatever_a_tier_says():
    tier = tier_of(POLICY, "policy", "policy")
    assert (tier.approvals, tier.delay_minutes, tier.gate) == (2, 5, False)
    for first in ({"kind": "*", "gate": True}, {"kind": "*", "approvals": 1}):
        other = Policy.model_validate({"roles": {}, "tiers": [first]})
        assert (tier_of(other, "policy", "policy").approvals, tier_of(other, "policy", "policy").gate) == (
            2,
            False,
        )


def test_a_policy_that_nobody_could_change_again_is_known():
    example = read_policy(EXAMPLE)
    assert locked_out(example) is None
    without = {name: roles for name, roles in example.members.items() if name != "rita@example.org"}
    assert "found raul@example.org, rosa@example.org and raul@example.org, rosa@example.org" in locked_out(
        example.model_copy(update={"members": without})
    )
    # Another author makes two approvers enough; a service may propose, and never approve.
    robots = {**without, "svc:author": ("reviewer",)}
    assert locked_out(example.model_copy(update={"members": robots})) is None
    assert locked_out(Policy(roles={})) is not None


def test_a_group_that_may_approve_is_enough():
    roles = {"r": [{"resource": "policy", "actions": ["propose:policy", "approve:policy"]}]}
    company = POLICY.identity["company"].model_dump() | {"groups": {"ml": ["r"]}}
    said = {"roles": roles, "identity": {"company": company}}
    assert locked_out(Policy.model_validate(said)) is None
    said["identity"]["company"]["services"] = True
    assert locked_out(Policy.model_validate(said)) is not None
