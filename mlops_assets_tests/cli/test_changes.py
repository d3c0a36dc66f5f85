"""``mlops changes`` as people meet it: one proposes, two others agree to what they saw, and it is applied."""

import json

import pytest

from mlops_assets_tests.cli.test_access import home, mlops

__all__ = ["home"]

POLICY = """
roles:
  author:
    - {resource: policy, actions: ["propose:policy"]}
  reviewer:
    - {resource: policy, actions: ["approve:policy"]}
  operator:
    - {resource: policy, actions: ["apply:policy"]}
    - {resource: "token:*", actions: [token]}
members:
  ada: [author, reviewer]
  "zoë": [reviewer]
  raul: [reviewer]
  otto: [operator]
  "svc:robot": [reviewer]
tiers:
  - {kind: policy, delay_minutes: 0}
"""
WHY = ("--reason", "read it")


@pytest.mark.slow
def test_a_policy_is_changed_by_three_people_and_by_no_fewer(home):
    (home / "policy.yaml").write_text(POLICY)
    (home / "other.yaml").write_text(POLICY.replace("otto: [operator]", "otto: [operator, reviewer]"))
    names = ("ada", "zoë", "raul", "otto", "svc:robot")
    tokens = {name: mlops("access", "token", name).stdout.strip() for name in names}
    adopted = mlops("access", "adopt", str(home / "policy.yaml"), "--by", "otto", "--reason", "we are many")
    assert adopted.exit_code == 0, adopted.output

    def asks(name, *arguments):
        return mlops("changes", *arguments, MLOPS_TOKEN=tokens[name])

    propose = ("propose", "policy", str(home / "other.yaml"), *WHY)
    assert "may not propose:policy policy" in asks("raul", *propose).stderr
    asked = asks("ada", *propose)
    assert "Request 1, policy of policy: waiting for two approvals; approve with" in asked.stdout
    shown = json.loads(mlops("changes", "show", "1", "--json").stdout)
    assert (shown["stage"], shown["by"], shown["payload"]["after"]) == ("waiting for approvals", "ada", 1)

    approve = ("approve", "1", "--digest", shown["digest"][:12], *WHY)
    assert "ada proposed it; somebody else has to say so" in asks("ada", *approve).stderr
    assert "service accounts never approve" in asks("svc:robot", *approve).stderr
    assert "not what was looked at" in asks("raul", "approve", "1", "--digest", "0" * 12, *WHY).stderr
    assert "may not approve:policy policy" in asks("otto", *approve).stderr
    assert "waiting for one more approval, zoë approved" in asks("zoë", *approve).stdout
    assert "one person has one voice" in asks("zoë", *approve).stderr
    assert "waiting for one more approval" in asks("otto", "apply", "1").stderr
    assert "is open: zoë and raul agreed" in asks("raul", *approve).stdout
    assert "may not apply:policy policy" in asks("ada", "apply", "1").stderr
    assert "was applied at" in asks("otto", "apply", "1").stdout
    assert "applied by otto" in asks("otto", "apply", "1").stderr

    in_force = json.loads(mlops("access", "show", "--json").stdout)["in_force"]
    assert (in_force["number"], in_force["request"]) == (2, 1)
    assert "request 1, agreed by zoë, raul" in in_force["reason"]
    assert mlops("changes", "list").stdout == "No change request waits.\n"
    assert "applied by otto" in mlops("changes", "list", "--all").stdout
    asks("ada", "propose", "policy", str(home / "policy.yaml"), *WHY)
    assert "is withdrawn" in asks("ada", "withdraw", "2", *WHY).stdout
    asks("ada", "propose", "policy", str(home / "policy.yaml"), *WHY)
    # Who was made a reviewer by the first request may refuse the third.
    assert "is refused" in asks("otto", "refuse", "3", *WHY).stdout
    shown = json.loads(mlops("ledger", "show", "--kind", "denial", "--json", "--limit", "99").stdout)
    denied = {(one["body"]["who"], one["body"]["action"], one["body"]["resource"]) for one in shown}
    # Of each and a day the first, whatever they tried again.
    assert denied == {
        ("raul", "propose:policy", "policy"),
        ("ada", "changes approve", ""),
        ("svc:robot", "approve:policy", "policy"),
        ("raul", "changes approve", ""),
        ("otto", "approve:policy", "policy"),
        ("zoë", "changes approve", ""),
        ("otto", "changes apply", ""),
        ("ada", "apply:policy", "policy"),
    }
    verified = mlops("ledger", "verify", "--json")
    assert json.loads(verified.stdout)["whole"], verified.stdout
