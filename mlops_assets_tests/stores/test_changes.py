"""Change requests in both databases: each is carried out once, as agreed, or not at all, and by no other way."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from mlops_assets.declaration.access import Tier
from mlops_assets.errors import BadRequest, ChangeRefused
from mlops_assets.governance.access import Who
from mlops_assets.governance.changes import Proposal, spelled, standing
from mlops_assets.stores import ledger
from mlops_assets.stores.changes import Changes
from mlops_assets.stores.database import application, change_request, open_database, vote
from mlops_assets_tests.stores.ledger_world import found, opened

TIER = Tier(kind="*", approvals=2, delay_minutes=0)
BO, CY = Who("bo", "token 1"), Who("çy@example.org", "", "provider", ("reviewers",))


@pytest.fixture
def changes(database_url):
    return Changes(open_database(database_url))


def proposal(at, tier=TIER, by="ada", **payload):
    payload = {"version": 3, **payload}
    return Proposal.under(tier, "promote", "model:m", payload, by=by, reason="bësser", at=at)


def propose(changes, tier=TIER, by="ada", **payload):
    return changes.propose(lambda at: proposal(at, tier, by, **payload))


def stands(tier=TIER, may=lambda who: True):
    def answer(recorded, now):
        return standing(
            recorded.request, recorded.votes, recorded.application, now, tier=tier, may_approve=may
        )

    return answer


def say(changes, request, who, answer="approve", digest=None, **how):
    digest = digest or request.digest
    return changes.vote(
        request.number, answer, who=who, digest=digest, reason="read it", stands=stands(**how)
    )


def apply(changes, request, **how):
    def noted(connection, recorded, at, run_id):
        return ledger.Draft("done", f"{recorded.request.number}", {"at": at, "run": run_id})

    return changes.apply(request.number, by="eve", run_id="run", stands=stands(**how), carry_out=noted)


def agreed(changes, tier=TIER):
    request = propose(changes, tier)
    for who in (BO, CY):
        say(changes, request, who, tier=tier)
    return request


def at_hours(monkeypatch, hours):
    """The platform's clock, so many hours from now."""
    moment = spelled(datetime.fromisoformat(ledger.clock()) + timedelta(hours=hours))
    monkeypatch.setattr(ledger, "clock", lambda: moment)


def test_two_agree_and_it_is_applied_and_told(changes, database_url, tmp_path):
    request = agreed(changes)
    done = apply(changes, request)
    recorded = changes.of(request.number)
    assert recorded.application == done
    assert recorded.request == request
    assert request.whole
    assert [one.who for one in recorded.votes] == [BO, CY]
    stores = opened(tmp_path / "home", database_url)
    told = [(one.kind, one.subject) for one in reversed(stores.ledger.newest(9))]
    assert told == [
        ("change_request", "1"),
        ("vote", "1"),
        ("vote", "1"),
        ("application", "1"),
        ("done", "1"),
    ]
    assert found(stores) == ()


def test_a_request_that_is_none_is_told(changes):
    with pytest.raises(BadRequest, match="no change request 4; none was ever made"):
        changes.of(4)


def by_its_author(changes, request):
    say(changes, request, Who("ada"))


def twice(changes, request):
    say(changes, request, BO)
    say(changes, request, BO)


def of_another_digest(changes, request):
    say(changes, request, BO, digest="0" * 64)


def with_one_approval(changes, request):
    say(changes, request, BO)
    apply(changes, request)


def withdrawn_by_another(changes, request):
    say(changes, request, BO, "withdraw")


def after_it_was_refused(changes, request):
    say(changes, request, BO)
    say(changes, request, CY)
    say(changes, request, Who("dan"), "refuse")
    apply(changes, request)


def after_it_was_withdrawn(changes, request):
    say(changes, request, Who("ada"), "withdraw")
    say(changes, request, BO)


def a_second_time(changes, request):
    for who in (BO, CY):
        say(changes, request, who)
    apply(changes, request)
    apply(changes, request)


def approved_after_it_was_applied(changes, request):
    a_second_voice = Who("dan")
    for who in (BO, CY):
        say(changes, request, who)
    apply(changes, request)
    say(changes, request, a_second_voice)


def whose_approver_lost_the_role(changes, request):
    for who in (BO, CY):
        say(changes, request, who)
    apply(changes, request, may=lambda who: who.name != "bo")


def by_a_policy_that_asks_for_more_by_now(changes, request):
    for who in (BO, CY):
        say(changes, request, who)
    apply(changes, request, tier=Tier(kind="*", approvals=3, delay_minutes=0))


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (by_its_author, "somebody else has to say so"),
        (twice, "one person has one voice"),
        (of_another_digest, "not what was looked at"),
        (with_one_approval, "waiting for one more approval"),
        (withdrawn_by_another, "refuse it, not withdraw it"),
        (after_it_was_refused, "refused by dan"),
        (after_it_was_withdrawn, "withdrawn by ada"),
        (a_second_time, "applied by eve"),
        (approved_after_it_was_applied, "applied by eve"),
        (whose_approver_lost_the_role, "may no more"),
        (by_a_policy_that_asks_for_more_by_now, "waiting for one more approval"),
    ],
)
def test_an_illegal_move_is_refused_and_says_why(changes, move, why):
    with pytest.raises(ChangeRefused, match=why):
        move(changes, propose(changes))


def test_it_is_not_applied_too_early(changes):
    slow = Tier(kind="*", approvals=2, delay_minutes=60)
    request = agreed(changes, slow)
    with pytest.raises(ChangeRefused, match="opens at"):
        apply(changes, request, tier=slow)


def test_it_is_applied_when_its_delay_is_over(changes, monkeypatch):
    slow = Tier(kind="*", approvals=2, delay_minutes=60)
    with monkeypatch.context() as past:
        at_hours(past, -2)
        request = agreed(changes, slow)
    apply(changes, request, tier=slow)


def test_it_is_neither_approved_nor_applied_too_late(changes, monkeypatch):
    with monkeypatch.context() as past:
        at_hours(past, -24 * 8)
        ready, request = agreed(changes), propose(changes)
    with pytest.raises(ChangeRefused, match="expired"):
        apply(changes, ready)
    with pytest.raises(ChangeRefused, match="expired"):
        say(changes, request, BO)


def test_a_clock_that_is_set_back_revives_nothing(changes, monkeypatch):
    with monkeypatch.context() as past:
        at_hours(past, -24 * 8)
        request = agreed(changes)
    propose(changes)
    at_hours(monkeypatch, -24 * 8)
    with pytest.raises(ChangeRefused, match="expired"):
        apply(changes, request)


def test_of_twelve_that_apply_at_once_one_does(changes):
    request = agreed(changes)

    def attempt(_):
        try:
            apply(changes, request)
        except ChangeRefused:
            return "refused"
        return "applied"

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(attempt, range(12))) == ["applied"] + ["refused"] * 11


# What somebody writes who has the database and goes past the platform.


def raw_vote(request, by, answer="approve", **other):
    values = {
        "request_id": request.number,
        "by": by,
        "answer": answer,
        "digest": request.digest,
        "reason": "",
        "at": ledger.clock(),
        "how": "",
        "provider": "",
        "groups": [],
    }
    return sa.insert(vote).values(**{**values, **other})


def raw_application(request, **other):
    values = {"digest": request.digest, "by": "mallory", "at": ledger.clock(), "run_id": ""}
    return sa.insert(application).values(**{**values, "request_id": request.number, **other})


def later(hours):
    return spelled(datetime.fromisoformat(ledger.clock()) + timedelta(hours=hours))


RAW = {
    "an approval by the author": (0, lambda one: raw_vote(one, "ada")),
    "an approval by the author with a space": (0, lambda one: raw_vote(one, "ada ")),
    "a second vote": (1, lambda one: raw_vote(one, "bo")),
    "a second vote in the place of the first": (1, lambda one: raw_vote(one, "bo", "refuse")),
    "an approval of another digest": (0, lambda one: raw_vote(one, "bo", digest="0" * 64)),
    "an approval dated back": (0, lambda one: raw_vote(one, "bo", at=later(-1))),
    "a vote that is none": (0, lambda one: raw_vote(one, "bo", "shrug")),
    "a withdrawal by another": (0, lambda one: raw_vote(one, "bo", "withdraw")),
    "an application with too few approvals": (1, raw_application),
    "an application of another digest": (2, lambda one: raw_application(one, digest="0" * 64)),
    "an application too late": (2, lambda one: raw_application(one, at=one.proposal.expires)),
    "an application dated ahead": (2, lambda one: raw_application(one, at=later(1))),
    "an application dated back": (2, lambda one: raw_application(one, at=later(-1))),
    "a changed payload": (2, lambda one: sa.update(change_request).values(payload={"version": 9})),
    "a changed need": (2, lambda one: sa.update(change_request).values(approvals=0)),
    "a changed approver": (2, lambda one: sa.update(vote).where(vote.c.by == "bo").values(by="dan")),
    "a deleted request": (0, lambda one: sa.delete(change_request)),
    "a deleted vote": (2, lambda one: sa.delete(vote)),
}


@pytest.mark.parametrize("name", RAW)
def test_the_database_refuses(changes, database_url, name):
    approvals, written = RAW[name]
    request = propose(changes)
    for who in (BO, CY)[:approvals]:
        say(changes, request, who)
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(written(request))
    assert changes.of(request.number).application is None


def test_spaces_around_a_name_make_nobody_another(changes, database_url):
    """Not even where they were written past the platform: of the author, and of one who approved."""
    assert propose(changes, by=" ada").proposal.by == "ada"
    request = changes.propose(lambda at: replace(proposal(at), by=" ada"))
    database = open_database(database_url)
    with pytest.raises(ChangeRefused, match="somebody else has to say so"):
        say(changes, request, Who("ada"))
    with pytest.raises(sa.exc.IntegrityError, match="what they proposed"), database.begin() as connection:
        connection.execute(raw_vote(request, "ada"))
    say(changes, request, BO)
    with database.begin() as connection:
        connection.execute(raw_vote(request, "bo "))
    with pytest.raises(ChangeRefused, match="waiting for one more approval"):
        apply(changes, request)
    with pytest.raises(sa.exc.IntegrityError, match="too few approved"), database.begin() as connection:
        connection.execute(raw_application(request))


def test_the_database_refuses_an_application_too_early_a_second_one_and_what_comes_after(
    changes, database_url
):
    early = agreed(changes, Tier(kind="*", approvals=2, delay_minutes=60))
    done = agreed(changes)
    apply(changes, done)
    gone = propose(changes)
    say(changes, gone, BO, "refuse")
    database = open_database(database_url)
    for written, why in (
        (raw_application(early), "too early"),
        (raw_application(done), "added in order|duplicate key|UNIQUE"),
        (sa.update(application).values(by="mallory"), "stay as they are"),
        (sa.delete(application), "stay as they are"),
        (raw_vote(done, "dan"), "was applied"),
        (raw_vote(gone, "dan"), "refused or withdrawn"),
        (raw_application(gone), "refused or withdrawn"),
    ):
        with pytest.raises(sa.exc.IntegrityError, match=why), database.begin() as connection:
            connection.execute(written)


def test_the_database_takes_what_the_platform_would(changes, database_url):
    request = agreed(changes)
    with open_database(database_url).begin() as connection:
        connection.execute(raw_application(request))
    assert changes.of(request.number).application.by == "mallory"


def test_what_goes_past_the_platform_is_found_by_the_ledger(changes, database_url, tmp_path):
    request = agreed(changes)
    with open_database(database_url).begin() as connection:
        connection.execute(raw_application(request))
    (finding,) = found(opened(tmp_path / "home", database_url))
    assert (finding.tampering, finding.subject) == ("state added", "application 1")


def test_a_payload_keeps_its_digest_through_the_database(changes):
    request = propose(changes, weights=[0.1, 1e21, 2**60, None, True], name="Zoë \U0001f600")
    assert changes.of(request.number).request.whole
    assert json.loads(json.dumps(changes.of(request.number).request.proposal.payload))["version"] == 3
