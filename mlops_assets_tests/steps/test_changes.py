"""What a policy in force asks: a release waits, two others agree, and nothing reigns that nobody agreed to."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from mlops_assets.declaration.access import Policy, Tier
from mlops_assets.errors import BadRequest, ChangeRefused, MlopsError, ReleaseConflict
from mlops_assets.governance.access import Who, tier_of
from mlops_assets.governance.changes import Proposal
from mlops_assets.steps import changes, standing
from mlops_assets.steps.access import require_own_name
from mlops_assets.steps.trace import trace_impact
from mlops_assets.stores import ledger
from mlops_assets.stores.database import (
    change_request,
    open_database,
    override,
    policy,
    reign,
    release,
)
from mlops_assets.stores.overrides import Subject
from mlops_assets.stores.releases import asked_first
from mlops_assets_tests.graph.test_settling import MemoryTracking
from mlops_assets_tests.steps import appliers
from mlops_assets_tests.stores import ledger_world
from mlops_assets_tests.stores.ledger_world import found, opened

RULES = Policy(
    roles={
        "author": [{"resource": "*", "actions": ["propose:*"]}],
        "reviewer": [{"resource": "*", "actions": ["approve:*"]}],
    },
    members={
        "ada": ["author", "reviewer"],
        "rosa": ["reviewer"],
        "raül": ["reviewer"],
        "rita": ["reviewer", "author"],
        "svc:robot": ["reviewer"],
    },
    tiers=[
        {"kind": "promote", "resource": "model:low_*", "gate": True},
        {"kind": "promote", "resource": "model:*", "delay_minutes": 0},
        {"kind": "rollback", "delay_minutes": 0},
        {"kind": "override", "delay_minutes": 0},
        {"kind": "policy", "delay_minutes": 0},
    ],
)
MODEL = "model:model"
ROSA, RAUL = Who("rosa"), Who("raül")


@pytest.fixture
def tracking():
    return MemoryTracking()


@pytest.fixture
def stores(database_url, tmp_path):
    """A model whose version 1 reigned before the policy came, and version 2 waits."""
    world = opened(tmp_path / "home", database_url)
    ledger_world.release(world, 1)
    world.policies.adopt(RULES, after=0, by="ada", reason="we are many", at=ledger.clock())
    released(world, 2)
    return world


def released(stores, number):
    """What the release of a model records while the policy asks people to agree."""
    tier = standing.asked_for(stores, "promote", MODEL)
    ledger_world.release(stores, number, instead=asked_first(tier) if tier else None)


@contextmanager
def patched(owner, name, value):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def the_request(stores, number=1):
    return stores.changes.of(number).request


def approve(stores, who, number=1):
    seen = the_request(stores, number).digest[:12]
    return changes.vote(stores, number, "approve", who=who, seen=seen, reason="read it")


def agree(stores, number=1):
    for who in (ROSA, RAUL):
        approve(stores, who, number)


def apply(stores, tracking, number=1):
    return changes.apply(stores, tracking, number, by="otto", run_id="")


def stage(stores, number=1):
    return standing.where(stores, stores.changes.of(number), stores.ledger.now()).stage


def change_policy(stores, tracking, **changed):
    """Another policy, by a request that two agreed to."""
    current = stores.policies.current()
    other = Policy.model_validate({**current.policy.model_dump(mode="json"), **changed})
    payload = changes.policy_payload(stores, other)
    asked = changes.propose(stores, "policy", "policy", payload, by="ada", reason="we changed")
    voters = [Who("rita"), RAUL]
    for who in voters:
        approve(stores, who, asked.number)
    apply(stores, tracking, asked.number)


def test_a_release_waits_in_the_name_of_the_gate_and_says_for_what(stores):
    assert stores.releases.champion("model").version == 1
    second = stores.releases.version("model", 2)
    said = the_request(stores).proposal
    assert (said.kind, said.resource, said.by, said.payload["version"]) == ("promote", MODEL, "gate", 2)
    assert said.payload["artifact_digest"] == second.artifact_digest
    assert "waiting for two approvals; approve with" in standing.waits_for(stores, second)


def test_two_agree_and_it_reigns_and_is_shown(stores, tracking):
    agree(stores)
    apply(stores, tracking)
    (_, reigning) = stores.reigns.history("model")
    assert (reigning.version, reigning.by) == (2, "gate")
    assert "request 1, agreed by rosa, raül" in reigning.reason
    assert tracking.shown == [(2, True)]
    assert standing.waits_for(stores, stores.releases.version("model", 2)) is None
    assert found(stores) == ()


def test_without_a_policy_nothing_is_asked(database_url, tmp_path):
    world = opened(tmp_path / "home", database_url)
    released(world, 1)
    assert world.releases.champion("model").version == 1
    assert standing.listed(world) == []
    with pytest.raises(BadRequest, match="needs no change request"):
        changes.propose(world, "promote", MODEL, {}, by="ada", reason="why not")


def test_a_tier_whose_gate_decides_asks_nobody(stores):
    assert standing.asked_for(stores, "promote", "model:low_risk") is None
    assert standing.asked_for(stores, "promote", MODEL).approvals == 2
    assert standing.asked_for(stores, "unheard of", "anything").approvals == 2


def test_who_lost_the_role_between_approval_and_apply_does_not_count(stores, tracking):
    agree(stores)
    members = RULES.model_dump(mode="json")["members"]
    change_policy(stores, tracking, members={**members, "rosa": []})
    assert stage(stores) == "waiting for approvals"
    with pytest.raises(ChangeRefused, match="rosa approved and may no more"):
        apply(stores, tracking)
    approve(stores, Who("rita"))
    apply(stores, tracking)
    assert stores.releases.champion("model").version == 2


def test_a_policy_changes_by_request_only(stores, tracking):
    change_policy(stores, tracking, tiers=[{"kind": "promote", "approvals": 3, "delay_minutes": 0}])
    adopted = stores.policies.current()
    assert (adopted.number, adopted.request, adopted.by) == (2, 2, "ada")
    agree(stores)
    with pytest.raises(ChangeRefused, match="waiting for one more approval"):
        apply(stores, tracking)
    with pytest.raises(sa.exc.IntegrityError):
        stores.policies.adopt(RULES, after=2, by="mallory", reason="mine", at=ledger.clock())


def test_a_policy_that_nobody_could_change_again_is_refused(stores):
    with pytest.raises(BadRequest, match="nobody could change this policy again"):
        changes.policy_payload(stores, RULES.model_copy(update={"members": {"ada": ("author",)}}))


def test_what_was_overtaken_is_told_and_not_applied(stores, tracking):
    released(stores, 3)
    agree(stores, 1)
    agree(stores, 2)
    apply(stores, tracking, 1)
    assert stage(stores, 2) == "overtaken"
    with pytest.raises(ChangeRefused, match="version 2 reigns since"):
        apply(stores, tracking, 2)
    # It is asked for again after what reigns now.
    again = changes.reign_payload(stores, "model", 3)
    number = changes.propose(stores, "promote", MODEL, again, by="ada", reason="better").number
    with pytest.raises(ChangeRefused, match="ada proposed it"):
        approve(stores, Who("ada"), number)
    agree(stores, number)
    apply(stores, tracking, number)
    assert [one.version for one in stores.reigns.history("model")] == [1, 2, 3]


def test_swapped_files_are_not_what_was_agreed_to(stores, tracking):
    agree(stores)
    digest = stores.releases.version("model", 2).artifact_digest
    (file,) = [path for path in stores.places.home.rglob("model") if digest in str(path)]
    file.chmod(0o644)
    file.write_bytes(b"other bytes")
    with pytest.raises(MlopsError):
        apply(stores, tracking)
    assert stores.releases.champion("model").version == 1


def test_a_rollback_to_what_reigned_needs_nobody_and_to_what_never_did_two(stores, tracking):
    agree(stores)
    apply(stores, tracking)
    ask = {"by": "ada", "reason": "slow"}
    assert changes.ask_to_roll_back(stores, "model", 1, **ask) is None
    stores.reigns.begin("model", 1, after=2, by="ada", reason="slow", at=ledger.clock(), run_id="")
    released(stores, 3)
    asked = changes.ask_to_roll_back(stores, "model", 3, **ask)
    assert asked.proposal.kind == "rollback"
    with pytest.raises(ReleaseConflict):
        stores.reigns.begin("model", 3, after=3, by="ada", reason="slow", at=ledger.clock(), run_id="")
    agree(stores, asked.number)
    apply(stores, tracking, asked.number)
    assert stores.reigns.current("model").version == 3


def test_an_override_is_asked_for_and_then_given(stores, tracking):
    subject = Subject("validated/t", "2024-01-01", "f", "late")
    give = {"by": "ada", "reason": "an outage", "at": ledger.clock()}
    asked = changes.allow_or_ask(stores, subject, "table:validated/t", **give)
    with pytest.raises(ChangeRefused, match="asks others to agree"):
        stores.overrides.give(subject, **give)
    agree(stores, asked.number)
    apply(stores, tracking, asked.number)
    given = changes.allow_or_ask(stores, subject, "table:validated/t", **give)
    assert given.by == "ada"
    assert f"request {asked.number}, agreed by rosa, raül" in given.reason


def test_who_signs_with_a_space_is_the_author_all_the_same(stores):
    signed, ada = {"by": " ada", "reason": "an outage"}, Who("ada")
    require_own_name(stores, ada, signed["by"])
    released(stores, 3)
    subject = Subject("validated/t", "2024-01-01", "f", "late")
    asked = [
        changes.ask_to_roll_back(stores, "model", 3, **signed),
        changes.allow_or_ask(stores, subject, "table:validated/t", **signed, at=ledger.clock()),
    ]
    for one in asked:
        assert one.proposal.by == "ada"
        with pytest.raises(ChangeRefused, match="ada proposed it"):
            approve(stores, ada, one.number)


def test_what_is_open_is_applied_together_and_the_rest_waits(stores, tracking):
    released(stores, 3)
    assert changes.apply_open(stores, tracking, MODEL, by="sensor", run_id="run") == []
    agree(stores, 1)
    agree(stores, 2)
    assert len(changes.apply_open(stores, tracking, MODEL, by="sensor", run_id="run")) == 1
    assert [stage(stores, 1), stage(stores, 2)] == ["applied", "overtaken"]


def test_an_approval_names_enough_of_a_digest_that_is_the_right_one(stores):
    for seen in ("", the_request(stores).digest[:4], "0" * 64):
        with pytest.raises(ChangeRefused, match="not what was looked at"):
            changes.vote(stores, 1, "approve", who=ROSA, seen=seen, reason="read it")


def test_of_twelve_processes_that_apply_at_once_one_does(stores, database_url):
    agree(stores)
    command = [sys.executable, appliers.__file__, str(stores.places.home), database_url, "1", "12"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(said) == ["ChangeRefused"] * 11 + ["applied"]
    assert [one.version for one in stores.reigns.history("model")] == [1, 2]
    assert found(stores) == ()


# What somebody writes who has the database and goes past the platform.


def raw_reign(version, number=2, model="model"):
    values = {"model": model, "number": number, "version": version, "since": ledger.clock()}
    return sa.insert(reign).values(**values, by="mallory", reason="", run_id="", shown=False)


def raw_request(kind, resource, payload, **other):
    now = ledger.clock()
    said = {"kind": kind, "resource": resource, "payload": payload, "by": "mallory", "reason": ""}
    terms = {"approvals": 0, "at": now, "opens": now, "expires": "9", "digest": "d"}
    return sa.insert(change_request).values(**{**said, **terms, **other})


def raw_override():
    said = {"what": "t", "partition": "d", "digest": "f", "check_name": "late"}
    return sa.insert(override).values(**said, by="mallory", reason="", at=ledger.clock())


def raw_policy(request_id=None):
    said = {"number": 2, "digest": "d", "body": "{}", "by": "mallory", "reason": "", "at": ledger.clock()}
    return sa.insert(policy).values(**said, request_id=request_id)


RAW = {
    "a reign that nobody agreed to": lambda: raw_reign(2),
    "an override that nobody agreed to": raw_override,
    "a policy that nobody agreed to": raw_policy,
    "a policy by a request of something else": lambda: raw_policy(1),
    "a request that asks for fewer approvals": lambda: raw_request("promote", MODEL, {"version": 2}),
    "a request to change the policy alone": lambda: raw_request("policy", "policy", {}, approvals=1),
    "a request of a kind unheard of": lambda: raw_request("unheard of", "x", {}, approvals=1),
    "a request that opens too soon": lambda: raw_request("unheard of", "x", {}, approvals=2),
    "another policy in the place of the one in force": lambda: sa.update(policy).values(body="{}"),
    "no policy": lambda: sa.delete(policy),
}


@pytest.mark.parametrize("name", RAW)
def test_the_database_refuses(stores, database_url, name):
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(RAW[name]())
    assert stores.releases.champion("model").version == 1


def test_what_was_agreed_to_for_one_version_lets_no_other_reign(stores, tracking, database_url):
    agree(stores)
    apply(stores, tracking)
    released(stores, 3)
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(raw_reign(3, number=3))
    # What reigned before may reign again at once.
    with open_database(database_url).begin() as connection:
        connection.execute(raw_reign(1, number=3))


def test_the_database_lets_a_gate_decide_where_the_policy_does(stores, database_url):
    with open_database(database_url).begin() as connection:
        row = connection.execute(sa.select(release).where(release.c.version == 2)).one()._asdict()
        connection.execute(sa.insert(release).values(**{**row, "model": "low_risk"}))
        connection.execute(raw_reign(2, number=1, model="low_risk"))
    # An underscore is an underscore, not any letter.
    with open_database(database_url).begin() as connection:
        connection.execute(sa.insert(release).values(**{**row, "model": "lowxrisk"}))
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(raw_reign(2, number=1, model="lowxrisk"))


def test_the_database_asks_what_the_policy_asks(stores, database_url, tracking):
    """The first tier that fits, in SQL and in Python."""
    tiers = [
        {"kind": "a_b", "resource": "x:*", "approvals": 3, "delay_minutes": 0},
        {"kind": "a*", "resource": "*", "approvals": 1, "delay_minutes": 5},
        {"kind": "polic*", "approvals": 0, "delay_minutes": 0},
        {"kind": "g", "gate": True},
    ]
    change_policy(stores, tracking, tiers=tiers)
    in_force = stores.policies.current().policy
    asked = [("a_b", "x:1"), ("axb", "x:1"), ("a_b", "X:1"), ("policy", "policy"), ("g", "y"), ("zz", "y")]
    for kind, resource in asked:
        tier: Tier = tier_of(in_force, kind, resource)
        said = Proposal.under(tier, kind, resource, {}, by="m", reason="", at=ledger.clock())
        moments = {"at": said.at, "opens": said.opens, "expires": said.expires}
        enough = raw_request(kind, resource, {}, approvals=tier.approvals, **moments)
        with open_database(database_url).connect() as connection:
            connection.execute(enough)
            connection.rollback()
        if tier.approvals:
            fewer = raw_request(kind, resource, {}, approvals=tier.approvals - 1, **moments)
            with (
                pytest.raises(sa.exc.IntegrityError, match="fewer approvals"),
                open_database(database_url).begin() as connection,
            ):
                connection.execute(fewer)


def test_what_an_impact_reaches_tells_the_requests_that_wait_for_it(stores):
    """A version that waits, and a partition that somebody asks to allow, rest on a raw file; another day does not."""
    ledger_world.commit(stores, "raw/x", 0, ["a", "b"], reads="somewhere")
    ledger_world.commit(stores, "good/x", 0, ["a", "b"], reads="raw/x")
    for partition in ("a", "b"):
        subject = Subject("good/x", partition, "f", "late")
        changes.propose(stores, "override", "table:good/x", vars(subject), by="ada", reason="known")
    told = trace_impact(stores, "raw/x", "b").facts["requests"]
    assert [(one["number"], one["change"], one["of"]) for one in told] == [(3, "override", "table:good/x")]
    assert told[0]["stands"].startswith("waiting for approvals: waiting for two approvals")
    changes.vote(stores, 3, "refuse", who=ROSA, seen=None, reason="no")
    assert trace_impact(stores, "raw/x", "b").facts == {}
