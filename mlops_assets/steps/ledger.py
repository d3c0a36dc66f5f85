"""Notes the ledger's head elsewhere, and proves that nobody rewrote what was recorded, or says who was touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from mlops_assets.errors import ArtifactMismatch, BadRequest, LedgerBroken, NotMaterialized
from mlops_assets.governance.canonical import digest
from mlops_assets.governance.ledger import (
    ANCHOR,
    GENESIS,
    Anchor,
    Chain,
    Entry,
    Finding,
    Walked,
    against_anchors,
    body_of,
    lost_anchors,
    read_anchors,
)
from mlops_assets.stores.anchors import AnchorPlace
from mlops_assets.stores.artifacts import Artifacts
from mlops_assets.stores.ledger import Draft, Ledger
from mlops_assets.stores.reigns import require_person
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.told import Told, told

# Of many that are bad, as many are told; the others are counted.
TOLD = 1_000
# The fields of a release that name stored files.
FILES = {"release": ("artifact_digest", "contract"), "certificate": ("artifact_digest",)}


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it.

    entries: how many there are. head: the newest. anchors: how many agree, by place. accepted: breaks that somebody
    accepted, by place. findings: the first bad entry first; those that no entry tells of last. more: not told.
    """

    entries: int
    head: Entry | None
    anchors: dict[str, int]
    accepted: tuple[tuple[str, Anchor], ...]
    findings: tuple[Finding, ...]
    more: int

    @property
    def whole(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "whole": self.whole,
            "entries": self.entries,
            "head": {"number": self.head.number, "hash": self.head.hash, "at": self.head.at}
            if self.head
            else None,
            "anchors": self.anchors,
            "accepted": [{"place": place, **asdict(one)} for place, one in self.accepted],
            "findings": [asdict(one) for one in self.findings],
            "more": self.more,
        }


def note(stores: Stores) -> list[str]:
    """Note the ledger's head at every place for anchors, where anything is new; what was noted, a sentence each.

    Raises LedgerBroken, and notes nothing there, when the ledger does not continue what a place noted before.
    """
    noted = [_note_at(stores.ledger, place) for place in stores.anchors]
    return [said for said in noted if said]


def accept(stores: Stores, *, by: str, reason: str) -> list[str]:
    """Note the head of a ledger that does not continue its anchors, as after a backup was restored, by name.

    What the ledger says was noted and is gone is accepted so too. Raises BadRequest when nobody or no reason is named,
    when there is nothing to accept, and when it could not be noted.
    """
    _require_words(by, reason)
    broken = [place for place in stores.anchors if _is_broken(stores.ledger, place)]
    if not broken:
        raise BadRequest("the ledger continues what every place noted; there is nothing to accept")
    done = {one.name: _write(stores.ledger, one, one.lines(), by.strip(), reason.strip()) for one in broken}
    missed = [name for name, said in done.items() if said is None]
    if missed:
        raise BadRequest(
            f"nothing was accepted at {', '.join(missed)}: the ledger is empty, or another process noted there just "
            "now; ask again"
        )
    return [said for said in done.values() if said]


def guard(stores: Stores, *, by: str, reason: str) -> list[str]:
    """Put back triggers that are missing, by name; which. Raises BadRequest when nobody or no reason is named."""
    _require_words(by, reason)
    return stores.ledger.guard(by=by.strip(), reason=reason.strip())


def _require_words(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise BadRequest("this needs the name of who asks for it and the reason; found one of them empty")
    require_person(by)


def _note_at(ledger: Ledger, place: AnchorPlace) -> str | None:
    before = ledger.newest(1, kind=ANCHOR, subject=place.name)
    if before and not ledger.has_news(before[0].number):
        return None
    lines = place.lines()
    last = _last_noted(ledger, place, lines)
    if not ledger.has_news(last.number if last else 0):
        return None
    return _write(ledger, place, lines)


def _last_noted(ledger: Ledger, place: AnchorPlace, lines: Sequence[str]) -> Anchor | None:
    anchors, wrong = read_anchors(place.name, lines)
    last = anchors[-1] if anchors else None
    entry = ledger.entry(last.number) if last else None
    if wrong is None and last is not None and (entry is None or entry.hash != last.hash):
        wrong = Finding(
            last.number, "forked", place.name, f"it noted another entry {last.number} than there is"
        )
    if wrong is not None:
        raise LedgerBroken(
            f"the ledger does not continue what {place.name} noted: {wrong.said}. Nothing was noted there; "
            "`mlops ledger verify` says what was done. After a restored backup, `mlops ledger accept` goes on"
        )
    return last


def _is_broken(ledger: Ledger, place: AnchorPlace) -> bool:
    """Whether the ledger does not continue what a place noted, or says that it noted what is not there."""
    head = ledger.head()
    noted = ledger.of(ANCHOR, place.name, up_to=head.number) if head else []
    # Read after the entries, since a place has a line before an entry tells of it.
    lines = place.lines()
    try:
        _last_noted(ledger, place, lines)
    except LedgerBroken:
        return True
    return lost_anchors(place.name, {one.number: one.body for one in noted}, lines) is not None


def _write(
    ledger: Ledger, place: AnchorPlace, lines: Sequence[str], by: str = "", reason: str = ""
) -> str | None:
    head = ledger.head()
    if head is None:
        return None
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    previous = digest(lines[-1]) if lines else GENESIS
    anchor = Anchor(head.number, head.hash, at, previous, by, reason)
    if not place.add(anchor.line, lines[-1] if lines else None):
        return None  # another process was first, just now
    # After the place has it: what dies in between has noted more than it says, never less.
    ledger.append(Draft(ANCHOR, place.name, asdict(anchor)))
    return f"entry {head.number} of the ledger is noted at {place.name}"


def verify(stores: Stores, progress: Callable[[int, int], None] = lambda done, of: None) -> Verified:
    """Look at every entry, every anchor, every row and every file that the ledger tells of. Changes nothing.

    progress: told how many entries of how many were read.
    """
    # Before the entries, since what is noted meanwhile is not among them.
    before = {place.name: place.lines() for place in stores.anchors}
    read = {name: read_anchors(name, lines) for name, lines in before.items()}
    agreeing = {}
    with told(stores.ledger) as seen:
        walk = _Walk(seen, stores.artifacts, {one.number for anchors, _ in read.values() for one in anchors})
        walk.to_the_end(progress)
        findings = list(walk.findings)
        for place in stores.anchors:
            anchors, wrong = read[place.name]
            walked = walk.walked(place.name)
            # Read after the entries, since what they say was noted may have been noted meanwhile.
            lost = lost_anchors(place.name, walk.noted.get(place.name, {}), place.lines())
            against = against_anchors(place.name, anchors, walked)
            findings += [one for one in (against, wrong, lost) if one is not None]
            agreeing[place.name] = sum(
                one.number in walked.anchored and walked.anchored[one.number].hash == one.hash
                for one in anchors
            )
    # What no entry tells of comes last.
    findings.sort(key=lambda one: (one.number == 0, one.number))
    accepted = [(name, one) for name, lines in before.items() for one in _acceptances(lines)]
    more = walk.more + max(0, len(findings) - TOLD)
    return Verified(walk.entries, walk.head, agreeing, tuple(accepted), tuple(findings[:TOLD]), more)


def _acceptances(lines: Sequence[str]) -> Iterator[Anchor]:
    yield from (one for line in lines if (one := Anchor.parse(line)) is not None and one.reason)


class _Walk:
    """From the first entry to the last. numbers: of the entries that anchors are about."""

    def __init__(self, seen: Told, artifacts: Artifacts, numbers: set[int]) -> None:
        self._seen, self._artifacts, self._numbers = seen, artifacts, numbers
        self._chain = Chain(seen.there)
        self._files: set[str] = set()
        self._anchored: dict[int, Entry] = {}
        self._sound: int | None = None
        self.noted: dict[str, dict[int, str]] = {}
        self.entries = self.more = 0
        self.head: Entry | None = None
        self.findings: list[Finding] = []

    def to_the_end(self, progress: Callable[[int, int], None]) -> None:
        count = self._seen.count
        for entries in self._seen.entries():
            whole = [one for one in entries if self._follows(one)]
            self._keep(self._seen.look(whole))
            self._keep(finding for one in whole for finding in self._files_of(one))
            self.entries += len(entries)
            self.head = entries[-1]
            progress(self.entries, count)
        self._keep(self._seen.end())
        self._keep(self._seen.unguarded())

    def walked(self, place: str) -> Walked:
        """What the anchors of a place are compared with."""
        last = self.head.number if self.head else 0
        return Walked(
            self.head,
            self._anchored,
            frozenset(self.noted.get(place, {}).values()),
            last if self._sound is None else self._sound,
            not self.findings,
            self._seen.first_after,
        )

    def _follows(self, entry: Entry) -> bool:
        """Whether it may be believed what an entry says of itself."""
        found = self._chain.look(entry)
        if found and self._sound is None:
            self._sound = min(one.number for one in found) - 1
        self._keep(found)
        if entry.number in self._numbers:
            self._anchored[entry.number] = entry
        if entry.kind == ANCHOR:
            self.noted.setdefault(entry.subject, {})[entry.number] = entry.body
        return self._chain.believed

    def _files_of(self, entry: Entry) -> Iterator[Finding]:
        """What is wrong with the files that an entry names by their digests."""
        body = body_of(entry) if entry.kind in FILES else {}
        for field in FILES.get(entry.kind, ()):
            named = str(body.get(field))
            if named in self._files:
                continue
            self._files.add(named)
            try:
                self._artifacts.load(named)
            except (ArtifactMismatch, NotMaterialized) as error:
                yield Finding(entry.number, "artifact changed", entry.named, str(error))

    def _keep(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            if len(self.findings) < TOLD:
                self.findings.append(one)
            else:
                self.more += 1
