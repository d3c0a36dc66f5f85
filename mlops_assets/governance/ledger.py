"""The hash chain of the ledger, and what is wrong with one: which entry is the first bad one, and what was done to it.

Each entry's hash covers its number, kind, subject, moment, author, the digest of its body, and the hash of the
entry before. Whoever changes one must change all that follow, and then no anchor agrees any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from json.encoder import encode_basestring as spell_text
from typing import Any, Literal

from mlops_assets.governance.canonical import canonical, digest

# What the first entry, and the first anchor of a place, say came before.
GENESIS = "0" * 64
# Written after each anchor; alone it is nothing new that wants an anchor.
ANCHOR = "anchor"
# How far from its number an entry is looked for that was moved, and for how many; then only beside it.
REACH, SEARCHES = 10_000, 10

Tampering = Literal[
    "edited",
    "dropped",
    "inserted",
    "reordered",
    "duplicated",
    "backdated",
    "truncated",
    "restored",
    "forked",
    "rewritten",
    "anchor edited",
    "anchor truncated",
    "state edited",
    "state dropped",
    "state added",
    "artifact changed",
    "unguarded",
]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written. number: of the first entry it is about; zero for none."""

    number: int
    tampering: Tampering
    subject: str
    said: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. body: canonical JSON. at: a moment in UTC, never before that of the entry before."""

    number: int
    kind: str
    subject: str
    body: str
    body_digest: str
    at: str
    by: str
    previous: str
    hash: str

    @classmethod
    def after(cls, last: Entry | None, *, kind: str, subject: str, body: str, by: str, at: str) -> Entry:
        """The next entry."""
        number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
        # A clock that was set back does not date an entry before the one it follows.
        at = max(at, last.at) if last else at
        body_digest = digest(body)
        sealed = seal(number, kind, subject, body_digest, at, by, previous)
        return cls(number, kind, subject, body, body_digest, at, by, previous, sealed)

    def sealed_as(self, number: int) -> bool:
        """Whether its hash is that of what it says, were this its number."""
        sealed = seal(number, self.kind, self.subject, self.body_digest, self.at, self.by, self.previous)
        return sealed == self.hash

    @property
    def whole(self) -> bool:
        """Whether it says what was sealed."""
        return digest(self.body) == self.body_digest and self.sealed_as(self.number)

    @property
    def named(self) -> str:
        return f"{self.kind} {self.subject}"


def seal(number: int, kind: str, subject: str, body_digest: str, at: str, by: str, previous: str) -> str:
    """The hash of an entry: SHA-256 of the canonical JSON of all it says, its body by its digest."""
    # As canonical() spells it, several times as fast.
    return digest(
        f'{{"at":{spell_text(at)},"body_digest":{spell_text(body_digest)},"by":{spell_text(by)},'
        f'"kind":{spell_text(kind)},"number":{number},"previous":{spell_text(previous)},'
        f'"subject":{spell_text(subject)}}}'
    )


class Chain:
    """Reads entries in the order of their numbers, and tells what breaks the chain.

    there: whether any entry of the ledger has this hash. believed: whether the last one says what was sealed.
    """

    believed = True

    def __init__(self, there: Callable[[str], bool]) -> None:
        self._there = there
        self._last: Entry | None = None
        self._before_last = GENESIS
        self._shift = self._searches = 0
        # Nothing follows from the hash of an entry that is known to be bad.
        self._doubtful = False

    def look(self, entry: Entry) -> list[Finding]:
        """What is wrong with the next entry, or with the one before as this one shows."""
        found = [one for one in (self._misplaced(entry), self._broken(entry)) if one]
        linked = None if found else self._unlinked(entry) or self._early(entry)
        found += [linked] if linked else []
        self._before_last = self._last.hash if self._last else GENESIS
        self._doubtful = bool(found)
        self._last = entry
        return found

    def _misplaced(self, entry: Entry) -> Finding | None:
        expected = self._last.number + 1 if self._last else 1
        if entry.number < expected:
            return Finding(entry.number, "duplicated", entry.named, "another entry has this number too")
        if entry.number > expected:
            gone = f"to {entry.number - 1} are" if entry.number - 1 > expected else "is"
            return Finding(expected, "dropped", "", f"entry {expected} {gone} not there")
        return None

    def _broken(self, entry: Entry) -> Finding | None:
        self.believed = digest(entry.body) == entry.body_digest
        if not self.believed:
            return Finding(entry.number, "edited", entry.named, "its body is not what was sealed")
        number = self._number_of(entry)
        self.believed = number is not None
        if number is None:
            if self._early(entry):
                return self._early(entry)
            return Finding(entry.number, "edited", entry.named, "its hash is not that of what it says")
        # After one that was put in or taken out, all that follow are moved alike.
        before, self._shift = self._shift, entry.number - number
        return None if self._shift == before else self._moved(entry, number, self._shift - before)

    def _moved(self, entry: Entry, number: int, by: int) -> Finding | None:
        if by == 1 and self._last is not None and entry.previous == self._before_last:
            said = f"entry {entry.number} follows, by its own hash, the one before this"
            return Finding(self._last.number, "inserted", self._last.named, said)
        if by < 0 and entry.previous != GENESIS and not self._there(entry.previous):
            said = f"what has this number now was entry {number}, and what it follows is not there"
            return Finding(entry.number, "dropped", "", said)
        if number == entry.number:
            return None
        return Finding(entry.number, "reordered", entry.named, f"by its own hash it is entry {number}")

    def _unlinked(self, entry: Entry) -> Finding | None:
        previous = self._last.hash if self._last else GENESIS
        if self._doubtful or entry.previous == previous:
            return None
        if self._last is None:
            return Finding(
                entry.number, "edited", entry.named, "it is the first and says that one was before"
            )
        said = f"entry {entry.number} was made to follow another hash than it has: it was sealed anew"
        return Finding(self._last.number, "edited", self._last.named, said)

    def _early(self, entry: Entry) -> Finding | None:
        if self._last is None or entry.at >= self._last.at:
            return None
        said = f"it says {entry.at}, and the entry before {self._last.at}"
        return Finding(entry.number, "backdated", entry.named, said)

    def _number_of(self, entry: Entry) -> int | None:
        """The number under which its hash is right; None when there is none near."""
        here = entry.number
        for number in (here, here - self._shift):
            if entry.sealed_as(number):
                return number
        self._searches += 1
        for distance in range(1, REACH if self._searches <= SEARCHES else 2):
            for number in (here - distance, here + distance):
                if number > 0 and entry.sealed_as(number):
                    return number
        return None


@dataclass(frozen=True)
class Anchor:
    """The ledger's head as it was noted elsewhere, at a moment in UTC.

    previous: the digest of the line before at the same place. by, reason: who accepted that the ledger does not
    continue what was noted before, and why; empty where it does.
    """

    number: int
    hash: str
    at: str
    previous: str
    by: str = ""
    reason: str = ""

    @classmethod
    def parse(cls, line: str) -> Anchor | None:
        """The anchor of a line; None when it is none."""
        try:
            found = cls(**json.loads(line))
        except (TypeError, ValueError):
            return None
        return found if found.line == line else None

    @property
    def line(self) -> str:
        """In its one spelling."""
        return canonical(asdict(self))


def read_anchors(place: str, lines: Sequence[str]) -> tuple[list[Anchor], Finding | None]:
    """The anchors of a place up to the first that is not as it was written, and what is wrong with that one.

    What somebody accepted is over: the anchors begin with the last that says so.
    """
    found: list[Anchor] = []
    for at in range(_accepted(lines), len(lines)):
        anchor, before = Anchor.parse(lines[at]), digest(lines[at - 1]) if at else GENESIS
        if anchor is None:
            return found, Finding(0, "anchor edited", place, f"line {at + 1} is no anchor")
        if anchor.previous != before:
            said = f"line {at + 1} does not follow the line before: one was edited, dropped or moved"
            # It may be the line before that is not what it was.
            return found[:-1], Finding(anchor.number, "anchor edited", place, said)
        if found and anchor.number <= found[-1].number:
            said = f"line {at + 1} goes back, and nobody accepted it"
            return found, Finding(anchor.number, "anchor edited", place, said)
        found.append(anchor)
    return found, None


def _accepted(lines: Sequence[str]) -> int:
    """Where the last line is by which somebody accepted a break; zero when there is none."""
    for at in range(len(lines) - 1, 0, -1):
        anchor = Anchor.parse(lines[at]) if '"reason":""' not in lines[at] else None
        if anchor is not None and anchor.reason and anchor.previous == digest(lines[at - 1]):
            return at
    return 0


def lost_anchors(place: str, noted: Mapping[int, str], lines: Sequence[str]) -> Finding | None:
    """The first anchor that the ledger says it made at a place, by the entry that says so, and that is not there."""
    there = set(lines)
    accepted = [number for number, line in noted.items() if '"reason":""' not in line]
    noted = {number: line for number, line in noted.items() if number >= max(accepted, default=0)}
    lost = [(number, line) for number, line in sorted(noted.items()) if line not in there]
    if not lost:
        return None
    number = lost[0][0]
    said = f"what entry {number} says was noted there is not: {len(lost)} of {len(noted)} anchors are gone"
    rest = [one for at, one in noted.items() if at > number]
    cut = not any(one in there for one in rest)
    return Finding(number, "anchor truncated" if cut else "anchor edited", place, said)


@dataclass(frozen=True)
class Walked:
    """What anchors are compared with.

    head: the newest entry. anchored: the entries that have the numbers of anchors. noted: the anchors that the ledger
    says it made at this place. sound: up to which number the chain is whole. consistent: whether nothing at all is
    wrong with ledger and state. first_after: the number of the first entry later than a moment, if there is one.
    """

    head: Entry | None
    anchored: Mapping[int, Entry]
    noted: Collection[str]
    sound: int
    consistent: bool
    first_after: Callable[[str], int | None]


def against_anchors(place: str, anchors: Sequence[Anchor], walked: Walked) -> Finding | None:
    """What the anchors of a place say of a ledger; None when it continues them all."""
    agreed, last = 0, walked.head.number if walked.head else 0
    for anchor in anchors:
        entry = walked.anchored.get(anchor.number)
        if entry is not None and entry.hash == anchor.hash:
            agreed = anchor.number
        elif entry is not None or anchor.number > last:
            return _disagreeing(place, anchor, entry, agreed, walked)
        # Otherwise it was dropped, which the chain tells.
    return None


def _disagreeing(place: str, anchor: Anchor, entry: Entry | None, agreed: int, walked: Walked) -> Finding:
    noted = f"at {anchor.at} {place} noted {'another' if entry else 'an'} entry {anchor.number}"
    since = f"the last on which both agree is {agreed}" if agreed else "they agree on none"
    later = walked.first_after(anchor.at)
    if anchor.number > walked.sound and entry is not None:
        said = f"{noted}, and the chain is broken before; {since}"
        return Finding(anchor.number, "rewritten", entry.named, said)
    if entry is not None and (anchor.line in walked.noted or later is None or later > anchor.number):
        return Finding(agreed + 1, "rewritten", "", f"{noted}, and the chain was sealed anew; {since}")
    if later is not None:
        said = f"{noted}, and what is there from entry {later} on was made after that, as after a backup was restored"
        return Finding(later, "forked", "", f"{said}; {since}")
    last = walked.head.number if walked.head else 0
    if walked.consistent:
        said = (
            f"{noted}, and the ledger ends with {last}; all else agrees with it, as in a backup from before"
        )
        return Finding(last + 1, "restored", "", said)
    return Finding(last + 1, "truncated", "", f"{noted}, and the ledger ends with {last}")


def body_of(entry: Entry) -> dict[str, Any]:
    """What an entry says. Of one that was edited it may be anything."""
    found = json.loads(entry.body)
    return found if isinstance(found, dict) else {}
