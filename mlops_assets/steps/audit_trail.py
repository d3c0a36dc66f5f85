"""What a version was made from and what was said of its model, as the ledger tells it: whatever else forgot."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.errors import NotMaterialized
from mlops_assets.governance.ledger import Entry, body_of
from mlops_assets.stores.commit import Commit, PartitionRecord
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.records import COMMIT, TABLE
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

# Tables of a model that say how it came to be; all others of its own watch it.
MAKING = ("training_set", "model", "evaluation_report", "release")
# Kinds of entries that are about every model, and about none by their subject.
ALWAYS, NEVER = ("guard", "policy"), (COMMIT, "token", "revocation")


@dataclass(frozen=True)
class Written:
    """A partition as a table commit tells of it. entry: which entry of the ledger does."""

    entry: Entry
    content: Content
    commit: Commit

    @property
    def record(self) -> PartitionRecord:
        return self.commit.partitions[self.content.partition]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "entry": self.entry.number,
            **vars(self.content),
            **vars(self.commit.provenance),
            "reads": [vars(one) for one in self.record.reads],
            "verdicts": [vars(one) for one in self.record.verdicts],
        }


@dataclass(frozen=True)
class Trail:
    """All that a version was made from. files: what was read and is no partition that an entry tells of.

    tables: the entries by which these tables began, and commits that refused a partition of theirs.
    """

    written: tuple[Written, ...]
    files: tuple[Content, ...]
    tables: tuple[Entry, ...]


def trail(ledger: Ledger, start: Iterable[Content], *, up_to: int) -> Trail:
    """Follow what was read, from these contents down to files, by the entries up to a number."""
    known = _Commits(ledger, up_to)
    todo, seen, written, files = list(start), set[Content](), list[Written](), list[Content]()
    while todo:
        content = todo.pop()
        if content in seen:
            continue
        seen.add(content)
        found = known.of(content)
        if found is None:
            files.append(content)
        else:
            written.append(found)
            todo += found.record.reads
    return Trail(
        tuple(sorted(written, key=_in_order)),
        tuple(sorted(files, key=lambda one: (one.table, one.partition, one.fingerprint))),
        tuple(known.begun_and_refused(sorted({one.content.table for one in written}))),
    )


@dataclass(frozen=True)
class Recorded:
    """What the ledger says of a released version, up to its head at one moment.

    released, decided: the entries of its release, and of the decision that made it. told: every entry about its model
    or the tables below it, table commits apart. monitored: what was written to the tables that watch its model.
    """

    release: Release
    head: Entry
    released: Entry
    decided: Entry
    told: tuple[Entry, ...]
    made_from: Trail
    monitored: tuple[Written, ...]

    def entries(self) -> list[Entry]:
        """All of them, each once, by number."""
        written = (one.entry for one in (*self.made_from.written, *self.monitored))
        return sorted({*self.told, *self.made_from.tables, *written}, key=lambda one: one.number)

    def of(self, kind: str) -> list[Entry]:
        """Those of a kind, oldest first."""
        return [one for one in self.told if one.kind == kind]


def recorded_of(stores: Stores, release: Release) -> Recorded:
    """What the ledger says of a version now; what is appended meanwhile is not in it.

    Raises NotMaterialized when no decision is recorded that made it.
    """
    head = stores.ledger.head()
    assert head is not None  # a release has an entry
    made_from = trail(stores.ledger, release.made_from, up_to=head.number)
    told = tuple(_told(stores.ledger, release.model, made_from, head))
    released = next((one for one in told if one.kind == "release" and _is_of(one, release)), None)
    decided = next((one for one in told if one.kind == "decision" and _is_of(one, release)), None)
    if released is None or decided is None:
        raise NotMaterialized(
            f"no release or no decision is in the ledger that made version {release.version} of {release.model}"
        )
    watching = sorted({one.subject for one in told if one.kind == TABLE})
    monitored = (
        one
        for table in watching
        for entry in stores.ledger.of(COMMIT, table, up_to=head.number)
        for one in written_by(entry)
    )
    return Recorded(release, head, released, decided, told, made_from, tuple(monitored))


def _is_of(entry: Entry, release: Release) -> bool:
    body = body_of(entry)
    return (body["model"], body["version"]) == (release.model, release.version)


def _told(ledger: Ledger, model: str, made_from: Trail, head: Entry) -> Iterator[Entry]:
    about = _About(model, {one.content.table for one in made_from.written})
    yield from (entry for entry in ledger.all(up_to=head.number) if about.tells(entry))


class _About:
    """Which entries are about a model, or about the tables below a version; asked in the order of their numbers."""

    def __init__(self, model: str, below: set[str]) -> None:
        self._named = re.compile(rf"(model:)?{re.escape(model)}([:@/].*)?", re.DOTALL)
        self._below, self._requests = below, set[Any]()

    def tells(self, entry: Entry) -> bool:
        """Whether this one is; of table commits none is, for they are found by what was read."""
        if entry.kind in NEVER:
            return False
        of_model = self._named.fullmatch(entry.subject) is not None
        match entry.kind:
            case "table":
                return of_model and entry.subject.partition("/")[2] not in MAKING
            case "override":
                return of_model or entry.subject.rpartition("@")[0] in self._below
            case "anchor":
                # Somebody accepted that the ledger does not continue what was noted.
                return bool(body_of(entry).get("reason"))
            case "change_request" | "vote" | "application" | "role_grant" | "role_withdrawal":
                return self._requested(entry)
        return of_model or entry.kind in ALWAYS

    def _requested(self, entry: Entry) -> bool:
        """A request names the model, and what was said of it or done names the request."""
        body = body_of(entry)
        if entry.kind != "change_request":
            return body.get("request_id") in self._requests
        about = self._named.fullmatch(str(body.get("resource"))) is not None
        self._requests |= {body.get("id")} if about else set()
        return about


class _Commits:
    """The table commits that entries tell of; each table is read once."""

    def __init__(self, ledger: Ledger, up_to: int) -> None:
        self._ledger, self._up_to = ledger, up_to
        self._tables: dict[str, Mapping[tuple[str, int, str], Written]] = {}
        self._refused: dict[str, list[Entry]] = defaultdict(list)

    def of(self, content: Content) -> Written | None:
        """The commit of a content; None for a file, and for what no entry tells of."""
        if content.table not in self._tables:
            self._tables[content.table] = dict(self._read(content.table))
        return self._tables[content.table].get((content.partition, content.version, content.fingerprint))

    def _read(self, table: str) -> Iterator[tuple[tuple[str, int, str], Written]]:
        for entry in self._ledger.of(COMMIT, table, up_to=self._up_to):
            if body_of(entry).get("refused"):
                self._refused[table].append(entry)
            for one in written_by(entry):
                yield (one.content.partition, one.content.version, one.content.fingerprint), one

    def begun_and_refused(self, tables: Iterable[str]) -> Iterator[Entry]:
        for table in tables:
            yield from self._ledger.of(TABLE, table, up_to=self._up_to)
            yield from self._refused[table]


def written_by(entry: Entry) -> Iterator[Written]:
    """The partitions that a table commit wrote, as its entry tells of them."""
    body = body_of(entry)
    commit, version = Commit.from_dict(entry.subject, body), int(body["version"])
    for partition, record in commit.partitions.items():
        content = Content(entry.subject, partition, version, record.rows, record.fingerprint)
        yield Written(entry, content, commit)


def _in_order(one: Written) -> tuple[str, str, int]:
    return one.content.table, one.content.partition, one.content.version
