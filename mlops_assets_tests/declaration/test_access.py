"""The policy of access as a team writes it."""

import json
from datetime import datetime

import pytest
from pydantic import ValidationError

from mlops_assets.cli.policies import EXAMPLE
from mlops_assets.declaration.access import (
    MACHINES,
    Policy,
    Tier,
    Window,
    is_service,
    one_spelling,
    read_policy,
)
from mlops_assets.errors import DeclarationError
from mlops_assets.stores.ledger import PLATFORM
from mlops_assets.stores.policies import spelled
from mlops_assets.stores.reigns import GATE, ROLLOUT, SENSOR, SERVICE, VERIFICATION

PUBLIC = {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


@pytest.mark.parametrize(
    ("said", "spelled"),
    [
        ("Ana@Example.org", "ana@example.org"),
        ("Zoe\u0308", "zoë"),
        ("ZO\u00cb", "zoë"),
        ("Мария", "мария"),
        ("山田 太郎", "山田 太郎"),
        ("svc:Nightly", "svc:nightly"),
    ],
)
def test_a_name_has_one_spelling(said, spelled):
    assert one_spelling(said) == spelled
    assert one_spelling(spelled) == spelled


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ana",
        "ana\n",
        "a\u200bna",
        "a\u202ena",
        "\uff41na",
        "ﬁnn",
        "ana\u00a0b",
        "x" * 201,
        "gate",
        "Sensor",
        "PLATFORM",
    ],
)
def test_a_name_that_could_be_taken_for_another_is_none(said):
    with pytest.raises(ValueError, match="found"):
        one_spelling(said)


def test_nobody_is_called_as_what_signs_for_itself():
    assert {GATE, VERIFICATION, SENSOR, ROLLOUT, SERVICE, PLATFORM} <= MACHINES


def test_a_service_is_known_by_its_name():
    assert is_service("SVC:nightly")
    assert not is_service("nightly")


def test_the_example_is_a_policy_and_is_itself_in_its_one_spelling():
    policy = read_policy(EXAMPLE)
    assert Policy.model_validate(json.loads(spelled(policy))) == policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "roles: {a: []}\nmember: {}",
            r"policy.yaml:2: member: unknown field 'member'. Did you mean 'members'",
        ),
        ("roles: {a: []}\nmembers:\n  ana: [b]", r"policy.yaml:3: members.ana: there is no role 'b'"),
        (
            "roles: {a: []}\nmembers:\n  ana: [a]\n  ANA: [a]",
            r"policy.yaml:4: members.ANA: 'ana' is the same name",
        ),
        ("roles: {a: []}\nmembers:\n  ana: [a]\n  ana: [a]", r"policy.yaml:4: .*'ana' is given twice"),
        ("roles: {a: []}\nmembers:\n  gate: [a]", "policy.yaml:3: .*signs its own verdicts"),
        ("roles:\n  a: [{resource: '*', actions: []}]", r"policy.yaml:2: roles.a.0.actions"),
        ("roles:\n  a: [{resource: 'a[bc]', actions: [x]}]", r"policy.yaml:2: roles.a.0.resource"),
        ("roles: {a: [{resource: x, actions: [y], deny: 'no'}]}", "deny"),
        ("roles: {}\ntiers: [{kind: x, approvals: '2'}]", r"approvals"),
        ("roles: {}\ntiers: [{kind: x, approvals: 2, gate: true}]", r"expected 0 or no gate"),
        ("roles: {}\ntiers: [{kind: x, delay_minutes: 1440, expires_days: 1}]", r"before its delay is over"),
        ("roles: {}\ntiers: [{kind: x, window: {begin: '16:00', end: '09:00'}}]", r"end after the begin"),
        (
            "roles: {}\ntiers: [{kind: x, window: {begin: 9:00, end: '10:00'}}]",
            r"hours and minutes in quotes",
        ),
        ("- a", "expected one YAML document"),
        ("roles: {}\n---\nroles: {}", "expected one YAML document"),
        ("roles: &a {}\nmembers: *a", "anchors and aliases are not allowed"),
        ("roles: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (f"roles: {'[' * 60}{']' * 60}", "nested too deeply"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path, text, said):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(DeclarationError, match=said):
        read_policy(path)


IDENTITY = """roles: {r: []}
identity:
  company:
    issuer: https://login.example.org
    audience: mlops
    jwks: keys.json
"""


def with_keys(folder, keys, text=IDENTITY):
    (folder / "keys.json").write_text(keys if isinstance(keys, str) else json.dumps({"keys": keys}))
    (folder / "policy.yaml").write_text(text)
    return read_policy(folder / "policy.yaml")


def test_the_keys_of_a_provider_become_part_of_the_policy(tmp_path):
    one, other = (with_keys(tmp_path, [{**PUBLIC, "kid": kid}]) for kid in ("one", "other"))
    assert one.identity["company"].jwks.keys == (PUBLIC,)
    assert spelled(one) != spelled(other)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}], "signs for anybody"),
        ([{**PUBLIC, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}], "signs for anybody"),
        ([PUBLIC, PUBLIC], "all different"),
        ([{"kty": "RSA"}], "all different"),
        ([], "keys"),
        (
            "no json",
            r"policy.yaml:6: identity.company.jwks: found 'keys.json', expected a file of public keys",
        ),
    ],
)
def test_keys_that_prove_nothing_are_refused(tmp_path, keys, said):
    with pytest.raises(DeclarationError, match=said) as refused:
        with_keys(tmp_path, keys)
    assert "nWGxne" not in str(refused.value)


def test_one_issuer_has_one_name_for_an_audience(tmp_path):
    again = IDENTITY + IDENTITY.partition("identity:\n")[2].replace("company", "other")
    with pytest.raises(DeclarationError, match="'company' has this issuer and audience"):
        with_keys(tmp_path, [PUBLIC], again)


def test_a_gate_needs_no_people():
    assert Tier(kind="promote", gate=True).approvals == 0
    assert Tier(kind="promote").approvals == 2
    with pytest.raises(ValidationError):
        Tier(kind="promote", approvals=11)


def test_a_window_is_open_by_the_clock_of_its_zone():
    window = Window(begin="09:00", end="16:00", timezone="Europe/Berlin")
    moments = {
        "2024-03-29T08:00:00+00:00": True,  # a Friday, an hour behind
        "2024-03-29T07:59:59+00:00": False,
        "2024-03-29T15:00:00+00:00": False,
        "2024-03-30T10:00:00+00:00": False,  # a Saturday
        "2024-04-01T07:00:00+00:00": True,  # summer time began
    }
    assert {one: window.is_open(datetime.fromisoformat(one)) for one in moments} == moments
