"""Where a change request stands at a moment, and who still has to agree. Pure answers, each with its sentence.

Two people and a timed release, bound to the exact content: what was approved is what is applied, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from mlops_assets.declaration.access import Tier, Window
from mlops_assets.governance.access import Who
from mlops_assets.governance.canonical import canonical, digest, plain

Answer = Literal["approve", "refuse", "withdraw"]
Stage = Literal[
    "waiting for approvals",
    "waiting for its window",
    "open",
    "overtaken",
    "expired",
    "refused",
    "withdrawn",
    "applied",
]
# So many characters of a digest name it.
SHOWN = 12
# What can still become an application.
WAITING: tuple[Stage, ...] = ("waiting for approvals", "waiting for its window", "open")


@dataclass(frozen=True)
class Proposal:
    """What somebody wants changed. kind: as ``promote``. resource: as ``model:NAME``. by: its author, or a machine.

    payload: plain values that say all of it: digests of what it is about, and what it follows.
    approvals: how many the policy asked for when it was proposed. at, opens, expires: moments in UTC, from the second
    on it may be applied and from the third on no more.
    """

    kind: str
    resource: str
    payload: Mapping[str, Any]
    by: str
    reason: str
    approvals: int
    at: str
    opens: str
    expires: str

    @classmethod
    def under(
        cls,
        tier: Tier,
        kind: str,
        resource: str,
        payload: Mapping[str, Any],
        *,
        by: str,
        reason: str,
        at: str,
    ) -> Proposal:
        """A proposal that waits for what a tier asks for. by: without the spaces around a name."""
        opens = _after(at, timedelta(minutes=tier.delay_minutes))
        expires = _after(at, timedelta(days=tier.expires_days))
        return cls(kind, resource, plain(payload), by.strip(), reason, tier.approvals, at, opens, expires)

    @property
    def digest(self) -> str:
        """Of all that an approver agrees to."""
        return digest(canonical(plain(asdict(self))))

    def is_of(self, name: str) -> bool:
        """Whether somebody is its author; spaces around a name make nobody another."""
        return name.strip() == self.by.strip()


@dataclass(frozen=True)
class Request:
    """A proposal by its number, and the digest that it was recorded with."""

    number: int
    proposal: Proposal
    digest: str

    @property
    def whole(self) -> bool:
        """Whether it still says what it said."""
        return self.proposal.digest == self.digest


@dataclass(frozen=True)
class Vote:
    """What one person said of a request. digest: of what they saw. at: a moment in UTC.

    by: in the one spelling of names. how, provider, groups: as they were identified (``governance/access.py``).
    """

    by: str
    answer: Answer
    digest: str
    reason: str
    at: str
    how: str = ""
    provider: str = ""
    groups: tuple[str, ...] = ()

    @property
    def who(self) -> Who:
        """Whom to ask the policy about."""
        return Who(self.by, self.how, self.provider, self.groups)


@dataclass(frozen=True)
class Application:
    """That a request was carried out. by: whoever did it, or a machine. at: a moment in UTC."""

    by: str
    at: str


@dataclass(frozen=True)
class Standing:
    """Where a request stands. opens: from when it may be applied, where enough agreed; None before."""

    stage: Stage
    sentence: str
    opens: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it can still be applied, now or later."""
        return self.stage in WAITING


def standing(
    request: Request,
    votes: Sequence[Vote],
    applied: Application | None,
    now: str,
    *,
    tier: Tier,
    may_approve: Callable[[Who], bool],
    overtaken: str | None = None,
) -> Standing:
    """Where a request stands at a moment.

    tier: what the policy in force asks for now; the stricter of it and of what was asked for at the proposal counts.
    may_approve: by the policy in force now, so that an approval of somebody who lost the role counts no more.
    overtaken: why it can no longer be done, whoever agrees.
    """
    said = request.proposal
    ended = _ended(votes, applied)
    if ended is not None:
        return ended
    if overtaken is not None:
        return Standing("overtaken", overtaken)
    opens = max(said.opens, _after(said.at, timedelta(minutes=tier.delay_minutes)))
    expires = min(said.expires, _after(said.at, timedelta(days=tier.expires_days)))
    if now >= expires:
        return Standing("expired", f"it expired at {expires}; propose it again")
    counted, gone = _counted(request, votes, may_approve)
    missing = max(said.approvals, tier.approvals) - len(counted)
    if missing > 0:
        return Standing("waiting for approvals", _lacking(request, counted, gone, missing, expires))
    agreed = f"{_names(counted)} agreed" if counted else "nobody has to agree"
    opens = next_opening(tier.window, max(opens, now))
    if opens >= expires:
        return Standing("expired", f"{agreed}, and it would open at {opens}, after it expires at {expires}")
    if opens > now:
        hours = f" ({tier.window.spelled()})" if tier.window is not None else ""
        return Standing("waiting for its window", f"{agreed}; it opens at {opens}{hours}", opens)
    return Standing("open", f"{agreed}; it may be applied until {expires}", opens)


def why_not_vote(request: Request, votes: Sequence[Vote], by: str, answer: Answer, seen: str) -> str | None:
    """Why somebody may not say this of a request, whatever the policy says of them; None when they may."""
    own = request.proposal.is_of(by)
    if answer == "withdraw" and not own:
        return f"{request.proposal.by} proposed it; who did not can refuse it, not withdraw it"
    if answer != "withdraw" and own:
        return f"{by} proposed it; somebody else has to say so"
    if any(vote.by == by for vote in votes):
        return f"{by} said so already; one person has one voice"
    if not request.whole:
        return "it is not what was proposed: its digest is another"
    if seen != request.digest:
        return f"found the digest {seen}, expected {request.digest}: it is not what was looked at"
    return None


def next_opening(window: Window | None, moment: str) -> str:
    """The first moment from this one on that lies in a window."""
    asked = datetime.fromisoformat(moment)
    if window is None or window.is_open(asked):
        return moment
    here = asked.astimezone(ZoneInfo(window.timezone))
    days = (here.date() + timedelta(days=ahead) for ahead in range(15))
    begins = (datetime.combine(day, window.begin, ZoneInfo(window.timezone)) for day in days)
    # A clock that is put forward may skip a begin; the day after has one.
    return next(spelled(one) for one in begins if one > asked and window.is_open(one.astimezone(UTC)))


def spelled(moment: datetime) -> str:
    """A moment as all of them are spelled, so that their texts sort as they do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _after(moment: str, span: timedelta) -> str:
    return spelled(datetime.fromisoformat(moment) + span)


def _ended(votes: Sequence[Vote], applied: Application | None) -> Standing | None:
    """Where a request stands that is done with, whatever the time."""
    if applied is not None:
        return Standing("applied", f"applied by {applied.by} at {applied.at}")
    for vote in votes:
        if vote.answer == "withdraw":
            return Standing("withdrawn", f"withdrawn by {vote.by} at {vote.at}: {vote.reason}")
        if vote.answer == "refuse":
            return Standing("refused", f"refused by {vote.by} at {vote.at}: {vote.reason}")
    return None


def _counted(
    request: Request, votes: Sequence[Vote], may_approve: Callable[[Who], bool]
) -> tuple[list[Vote], list[str]]:
    """The approvals that count, one of each person and none of the author, and what to say of the others."""
    counted, gone = {}, []
    for vote in votes:
        of_this = request.whole and vote.digest == request.digest
        if not of_this or request.proposal.is_of(vote.by):
            gone.append(f"the approval of {vote.by} is not of this request")
        elif not may_approve(vote.who):
            gone.append(f"{vote.by} approved and may no more, so that does not count")
        else:
            counted[vote.by.strip()] = vote
    return list(counted.values()), gone


def _lacking(
    request: Request, counted: Sequence[Vote], gone: Sequence[str], missing: int, expires: str
) -> str:
    more = " more" if counted else ""
    said = f"waiting for {_in_words(missing)}{more} {'approval' if missing == 1 else 'approvals'}"
    if counted:
        said += f", {_names(counted)} approved"
    how = f"approve with `mlops changes approve {request.number} --digest {request.digest[:SHOWN]}` before {expires}"
    return "; ".join([said, *gone, how])


def _names(votes: Sequence[Vote]) -> str:
    *others, last = [vote.by for vote in votes]
    return f"{', '.join(others)} and {last}" if others else last


def _in_words(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five")
    return words[count] if count < len(words) else str(count)
