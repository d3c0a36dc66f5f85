"""Versions of the shop's model with and without evidence for the tests of its ML Test Score."""

import json
from dataclasses import replace
from functools import partial

from mlops_assets.declaration.access import Policy
from mlops_assets.governance.access import Who
from mlops_assets.governance.certificate import Certificate
from mlops_assets.governance.changes import Proposal
from mlops_assets.governance.evidence import Group, Slice
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.reasons import Reason
from mlops_assets.monitoring.performance import PerformanceReport
from mlops_assets.steps import changes
from mlops_assets.steps.standing import where
from mlops_assets.stores.carried import carry_out
from mlops_assets.stores.releases import promised
from mlops_assets.stores.retrainings import RetrainingDecision, VerifiedRelease
from mlops_assets_tests.steps.audit_world import AS_OF, DAYS, MOMENT, NEXT, evidence, release
from mlops_assets_tests.steps.audit_world import write as write_at
from mlops_assets_tests.stores.ledger_world import opened

GATES = ("baseline", "slices", "fairness", "numeric", "latency")
TREATED = [{"value": one} for one in ("web", "app")]


def bare(home, url):
    """A version of which nothing is recorded but that it was judged."""
    stores = opened(home, url)
    learned = write_at(stores, "returned/training_set", {AS_OF: ()})
    measured = replace(evidence(AS_OF), slices=[], groups=[])
    release(
        stores,
        AS_OF,
        tuple(learned),
        Decision("promote", (Reason("rows", "promote", "enough"),)),
        measured=measured,
    )
    return stores


def full(home, url, *, answers=None, verdict="promote", gates=GATES, at=MOMENT, **bad):
    """A version that has evidence for all that is recorded.

    answers: of gates, where they are not ``promote``. bad: what does not pass.
    """
    stores = opened(home, url)
    write = partial(write_at, at=at)
    for day in (DAYS[0], AS_OF):
        write(stores, "validated/orders", {day: ()}, passed=not bad.get("invariants") or day == DAYS[0])
    write(stores, "validated/customers", {"all": ()})
    learned = write(stores, "returned/training_set", {AS_OF: ()})
    beside = {
        "importance": json.dumps({"amount": 0.2, "channel": -0.1 if bad.get("useless") else 0.1}),
        "stale": json.dumps([{"as_of": DAYS[0], "days": 2, "metrics": {}}]),
    }
    report = write(stores, "returned/evaluation_report", {AS_OF: tuple(learned)}, **beside)
    reasons = [Reason(gate, (answers or {}).get(gate, "promote"), f"{gate} – said") for gate in gates]
    measured = replace(
        evidence(AS_OF),
        slices=[Slice("channel", "web", 100, 10, too_few=bool(bad.get("few")))],
        groups=[
            Group("channel", TREATED[: 1 if bad.get("few") else 2], [], 0.9, [0.8, 1.0], 0.1, [0.0, 0.2])
        ],
    )
    decision = Decision(verdict, tuple(reasons))
    release(stores, AS_OF, (*learned, *report), decision, measured=measured, searched=True, at=at)
    write(stores, "returned/parity", {"all": ()}, passed=not bad.get("skew"), checks=("wide", "parity"))
    said = "decayed" if bad.get("decay") else "not enough data" if bad.get("few") else "steady"
    found = PerformanceReport(NEXT, 1, "m", said, "why", 0.99, 3, (), ())
    write(
        stores,
        "returned/performance_report",
        {NEXT: ()},
        passed=said != "decayed",
        checks=("wide", "decay"),
        as_of=NEXT,
        report=json.dumps(found.to_dict()),
    )
    one = stores.releases.version("returned", 1)
    differs = 0.5 if bad.get("differs") else 0.0
    stores.certificates.keep(
        Certificate("returned", 1, one.artifact_digest, "m", "m", 9, differs, (), (), at)
    )
    answer = "rolled back" if bad.get("worse") else "kept"
    stores.retrainings.add_verification(
        VerifiedRelease("returned", 1, 1, NEXT, answer, "as good", {NEXT: 0.1}, at, "run")
    )
    by = bad.get("by", "verification")
    for kind, asker in (("changed", "sensor"), ("look", "sensor"), ("person", "Ada")):
        stores.retrainings.decide(RetrainingDecision("returned", NEXT, kind, kind, False, "r", asker, at))
    stores.reigns.begin("returned", 1, after=1, by=by, reason="worse", at=at, run_id="run")
    agreed(
        stores,
        approvals=bad.get("approvals", 1),
        **({"artifact_digest": bad["artifact"]} if "artifact" in bad else {}),
    )
    return stores


def agreed(stores, *, approvals, **other):
    """A change request that the version reigns, which so many others agree to. other: than the release promised."""
    tier = {"kind": "promote", "approvals": approvals, "delay_minutes": 0}
    policy = Policy.model_validate(
        {
            "roles": {"reviewer": [{"resource": "*", "actions": ["approve:*"]}]},
            "members": {"rosa": ["reviewer"]},
            "tiers": [tier],
        }
    )
    stores.policies.adopt(policy, after=0, by="Ada", reason="first", at=MOMENT)
    payload = {**promised(stores.releases.version("returned", 1), after=2), **other}
    asked = stores.changes.propose(
        lambda at: Proposal.under(
            policy.tiers[0], "promote", "model:returned", payload, by="ada", reason="better", at=at
        )
    )
    if approvals:
        changes.vote(stores, asked.number, "approve", who=Who("rosa"), seen=None, reason="read it")
    stores.changes.apply(
        asked.number,
        by="ada",
        run_id="run",
        stands=lambda recorded, now: where(stores, recorded, now),
        carry_out=carry_out,
    )
