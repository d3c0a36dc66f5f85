"""Where a change request stands: every way to wait, to open, to end, and who may say what of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.declaration.access import Tier, Window
from mlops_assets.governance.changes import (
    Application,
    Proposal,
    Request,
    Vote,
    next_opening,
    spelled,
    standing,
    why_not_vote,
)

# A Monday.
START = datetime(2024, 1, 1, 8, tzinfo=UTC)
TIER = Tier(kind="promote", approvals=2, delay_minutes=60, expires_days=7)
OFFICE = Window(begin="09:00", end="16:00")


def at(**later):
    return spelled(START + timedelta(**later))


def request(tier=TIER):
    said = Proposal.under(
        tier, "promote", "model:m", {"version": 3}, by="ada", reason="better", at=spelled(START)
    )
    return Request(7, said, said.digest)


def vote(by, answer="approve", of=None, **later):
    return Vote(by, answer, (of or request()).digest, "read it", at(**later))


def stands(*votes, now, of=None, applied=None, tier=TIER, lost=(), overtaken=None):
    return standing(
        of or request(),
        votes,
        applied,
        now,
        tier=tier,
        may_approve=lambda who: who.name not in lost,
        overtaken=overtaken,
    )


BOTH = (vote("bo", minutes=1), vote("cy", minutes=2))


@pytest.mark.parametrize(
    ("votes", "said", "stage", "sentence"),
    [
        ((), {"now": at(hours=2)}, "waiting for approvals", "waiting for two approvals; approve with"),
        (
            BOTH[:1],
            {"now": at(hours=2)},
            "waiting for approvals",
            "waiting for one more approval, bo approved",
        ),
        (BOTH, {"now": at(minutes=59)}, "waiting for its window", f"opens at {at(minutes=60)}"),
        (BOTH, {"now": at(minutes=60)}, "open", "bo and cy agreed"),
        (BOTH, {"now": at(days=7)}, "expired", "propose it again"),
        ((), {"now": at(days=7)}, "expired", "propose it again"),
        (BOTH, {"now": at(hours=2), "lost": ["cy"]}, "waiting for approvals", "cy approved and may no more"),
        (BOTH, {"now": at(hours=2), "overtaken": "another reigns"}, "overtaken", "another reigns"),
        ((*BOTH, vote("dan", "refuse")), {"now": at(hours=2)}, "refused", "refused by dan"),
        ((*BOTH, vote("ada", "withdraw")), {"now": at(hours=2)}, "withdrawn", "withdrawn by ada"),
        (BOTH, {"now": at(days=9), "applied": Application("eve", at(hours=3))}, "applied", "by eve"),
    ],
)
def test_where_it_stands(votes, said, stage, sentence):
    found = stands(*votes, **said)
    assert found.stage == stage
    assert sentence in found.sentence
    assert found.waits == (stage in ("waiting for approvals", "waiting for its window", "open"))


def test_what_the_author_says_what_is_of_another_digest_and_a_second_voice_do_not_count():
    other = replace(BOTH[1], digest="0" * 64)
    for wrong in (other, replace(BOTH[1], by="ada"), replace(BOTH[1], by="bo")):
        assert stands(BOTH[0], wrong, now=at(hours=2)).stage == "waiting for approvals"


def test_a_request_that_says_something_else_by_now_has_no_approvals():
    changed = replace(request(), proposal=replace(request().proposal, payload={"version": 4}))
    assert stands(*BOTH, of=changed, now=at(hours=2)).stage == "waiting for approvals"


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "rollback"},
        {"resource": "model:n"},
        {"payload": {"version": 4}},
        {"by": "bo"},
        {"reason": "worse"},
        {"approvals": 1},
        {"opens": at()},
        {"expires": at(days=8)},
        {"at": at(seconds=1)},
    ],
)
def test_all_that_matters_is_in_the_digest(changed):
    assert replace(request().proposal, **changed).digest != request().digest


def test_the_stricter_counts_of_the_policy_at_the_proposal_and_the_one_in_force():
    lax = Tier(kind="*", approvals=0, delay_minutes=0, expires_days=90)
    assert stands(now=at(hours=2), tier=lax).stage == "waiting for approvals"
    assert stands(*BOTH, now=at(minutes=59), tier=lax).stage == "waiting for its window"
    assert stands(*BOTH, now=at(days=7), tier=lax).stage == "expired"
    strict = Tier(kind="*", approvals=3, delay_minutes=600, expires_days=1)
    assert stands(*BOTH, now=at(hours=12), tier=strict).stage == "waiting for approvals"
    more = (*BOTH, vote("dan"))
    assert stands(*more, now=at(hours=9), tier=strict).stage == "waiting for its window"
    assert stands(*more, now=at(hours=10), tier=strict).stage == "open"
    assert stands(*more, now=at(days=1), tier=strict).stage == "expired"


def test_what_needs_nobody_is_open_at_once():
    free = Tier(kind="grant", approvals=0, delay_minutes=0)
    assert stands(now=at(), of=request(free), tier=free).stage == "open"


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2024-01-01T08:59:00+00:00", "2024-01-01T09:00:00"),
        ("2024-01-01T09:00:00+00:00", "2024-01-01T09:00:00"),
        ("2024-01-01T16:00:00+00:00", "2024-01-02T09:00:00"),
        # A Friday's evening.
        ("2024-01-05T17:00:00+00:00", "2024-01-08T09:00:00"),
    ],
)
def test_a_window_of_weekdays(moment, opens):
    assert next_opening(OFFICE, moment).startswith(opens)


def test_a_window_keeps_to_its_own_clock_through_the_change_of_time():
    berlin = Window(begin="09:00", end="16:00", timezone="Europe/Berlin", days=("friday", "monday"))
    assert next_opening(berlin, "2024-03-29T12:00:00+00:00").startswith("2024-03-29T12:00")
    assert next_opening(berlin, "2024-03-29T15:00:00+00:00").startswith("2024-04-01T07:00")
    night = Window(begin="02:15", end="02:45", timezone="Europe/Berlin", days=("sunday",))
    # At 02:00 of 31 March the clock there goes to 03:00.
    assert next_opening(night, "2024-03-30T12:00:00+00:00").startswith("2024-04-07T00:15")


def test_a_window_is_waited_for_and_told():
    office = TIER.model_copy(update={"window": OFFICE})
    found = stands(*BOTH, now=at(hours=10), tier=office)
    assert (found.stage, found.opens[:16]) == ("waiting for its window", "2024-01-02T09:00")
    assert "09:00-16:00 UTC" in found.sentence
    assert stands(*BOTH, now=at(hours=25), tier=office).stage == "open"


def test_a_window_that_opens_too_late_never_does():
    sundays = Window(days=("sunday",), begin="09:00", end="10:00")
    tier = TIER.model_copy(update={"window": sundays, "expires_days": 2})
    found = stands(*BOTH, now=at(hours=2), tier=tier)
    assert found.stage == "expired"
    assert "after it expires" in found.sentence


@pytest.mark.parametrize(
    ("by", "answer", "digest", "why"),
    [
        ("ada", "approve", None, "somebody else"),
        ("ada", "refuse", None, "somebody else"),
        ("bo", "withdraw", None, "not withdraw it"),
        ("bo", "approve", "0" * 64, "not what was looked at"),
        ("cy", "approve", None, "one voice"),
        ("cy", "refuse", None, "one voice"),
    ],
)
def test_what_nobody_may_say(by, answer, digest, why):
    said = why_not_vote(request(), BOTH[1:], by, answer, digest or request().digest)
    assert why in said


@pytest.mark.parametrize(("by", "answer"), [("bo", "approve"), ("bo", "refuse"), ("ada", "withdraw")])
def test_what_somebody_may_say(by, answer):
    assert why_not_vote(request(), BOTH[1:], by, answer, request().digest) is None
