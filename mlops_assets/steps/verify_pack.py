"""Verifies an audit pack, offline: Python 3.9 or newer, its standard library, and nothing else.

    python3 -I verify.py [PACK] [--digest SHA256] [--anchors FILE]

PACK is the folder or the .zip; by default the folder that this file is in. It looks at every file (MANIFEST), every
entry of the ledger and its hash, the bodies of the entries that concern the version, the anchors, the records that
were taken from those bodies, what the version was made from, the files of the model and of its contract, and what
stands in a file of its own beside these.
Whoever changes a page for people and its line of the MANIFEST is found by --digest, the digest of the pack as it was
told when the pack was made; whoever seals the whole ledger anew, by --anchors, the lines of anchors from a place that
he could not write: the newest at or before the entry that the ledger here ends with, or all. Exit code 0: nothing was
changed; 3: something was; 1: this is no pack, or none of the anchors that were given is about it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
GIVEN = "the anchors that were given"
MANIFEST, CHAIN, BODIES = "MANIFEST", "ledger/chain.jsonl", "ledger/bodies.jsonl"
MADE_FROM, MONITORED, FILES = "data/materializations.jsonl", "monitoring/reports.jsonl", "data/files.jsonl"
EVIDENCE, GATES = "evaluation/evidence.json", "evaluation/gates.jsonl"
MADE, PACKAGES = "training/made.json", "training/packages.txt"
# What is told, in the order of the fields by which an entry is sealed.
SEALED = ("at", "body_digest", "by", "kind", "number", "previous", "subject")
# Kind of entry -> the file that has what it says, entry by entry. All others are in OTHERS.
RECORDS = {
    "release": "history/releases.jsonl",
    "decision": "approval/decisions.jsonl",
    "override": "approval/overrides.jsonl",
    "reign": "deployment/reigns.jsonl",
    "rollout": "deployment/rollouts.jsonl",
    "verification": "deployment/verifications.jsonl",
    "certificate": "training/certificates.jsonl",
    "retraining": "retraining/answers.jsonl",
    "policy": "approval/policies.jsonl",
    "change_request": "approval/requests.jsonl",
    "vote": "approval/requests.jsonl",
    "application": "approval/requests.jsonl",
    "role_grant": "approval/grants.jsonl",
    "role_withdrawal": "approval/grants.jsonl",
    "attestation": "history/attestations.jsonl",
    "batch": "monitoring/batches.jsonl",
}
OTHERS = "history/others.jsonl"
# Kinds that are told elsewhere: table commits in MADE_FROM and MONITORED, the others as they are in BODIES.
ELSEWHERE = ("commit", "table", "anchor", "guard")
Finding = tuple[str, str]
# Table, partition, version and fingerprint.
Place = tuple[str, str, int, str]


class NoPack(Exception):
    """This is not what was expected at all."""


class Pack:
    """The files of a folder or of a .zip by their names, as they are spelled in the MANIFEST."""

    def __init__(self, path: Path) -> None:
        self._folder = path
        self._zip = zipfile.ZipFile(path) if path.is_file() else None
        if self._zip is not None:
            self.names = sorted(one for one in self._zip.namelist() if not one.endswith("/"))
        elif path.is_dir():
            found = (one for one in path.rglob("*") if one.is_file() or one.is_symlink())
            self.names = sorted(one.relative_to(path).as_posix() for one in found)
        else:
            raise NoPack(f"{path} is neither a folder nor a .zip")
        self._known = set(self.names)

    def read(self, name: str) -> bytes:
        """What a file holds; nothing of one that is not there, which the MANIFEST tells."""
        if name not in self._known:
            return b""
        if self._zip is not None:
            return self._zip.read(name)
        return (self._folder / name).read_bytes()

    def lines(self, name: str) -> Iterator[Any]:
        """The JSON of each line. Raises NoPack for what is none."""
        for number, line in enumerate(self.read(name).decode("utf-8", "replace").split("\n"), 1):
            if line:
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise NoPack(f"{name}, line {number}, is no JSON: {error}") from error

    def value(self, name: str) -> Any:
        """The JSON of a file."""
        try:
            return json.loads(self.read(name).decode("utf-8"))
        except ValueError as error:
            raise NoPack(f"{name} is not there or no JSON: {error}") from error


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sealed(entry: dict[str, Any]) -> str:
    """The hash of an entry: of the canonical JSON (RFC 8785) of all it says, its body by its digest."""
    said = {name: entry[name] for name in SEALED}
    return digest(json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


def manifest(pack: Pack) -> Iterator[Finding]:
    """Files that are not what the MANIFEST says, not there, there twice, or not listed."""
    listed: dict[str, str] = {}
    for line in pack.read(MANIFEST).decode("utf-8", "replace").splitlines():
        expected, _, name = line.partition("  ")
        if len(expected) != 64 or not name or name in listed:
            yield MANIFEST, f"the line {line!r} is no digest and name, or there twice"
        listed[name] = expected
    for name, expected in listed.items():
        if name not in pack.names:
            yield name, "it is in the MANIFEST and not in the pack"
        elif digest(pack.read(name)) != expected:
            yield name, "it is not what the MANIFEST says it is"
    yield from ((name, "it is in the pack twice") for name, times in Counter(pack.names).items() if times > 1)
    for name in pack.names:
        if name not in listed and name != MANIFEST:
            yield name, "it is in the pack and not in the MANIFEST"


class Ledger:
    """The whole chain, walked once. kept: by number, the entries of which something else is told."""

    def __init__(self, pack: Pack, wanted: set[int]) -> None:
        self.kept: dict[int, dict[str, Any]] = {}
        self.findings: list[Finding] = []
        self.head: dict[str, Any] | None = None
        for entry in pack.lines(CHAIN):
            self._look(entry)
            if entry["number"] in wanted:
                self.kept[entry["number"]] = entry
            self.head = entry

    @property
    def end(self) -> dict[str, Any]:
        """Number and hash of the last entry."""
        last = self.head or {"number": 0, "hash": GENESIS}
        return {"number": last["number"], "hash": last["hash"]}

    def _look(self, entry: dict[str, Any]) -> None:
        before = self.head
        number, expected = entry["number"], before["number"] + 1 if before else 1
        named = f"entry {number} ({entry['kind']} {entry['subject']})"
        if number != expected:
            self.findings.append((CHAIN, f"{named} stands where entry {expected} is expected"))
        if sealed(entry) != entry["hash"]:
            self.findings.append((CHAIN, f"{named}: its hash is not that of what it says"))
        if entry["previous"] != (before["hash"] if before else GENESIS):
            self.findings.append((CHAIN, f"{named} does not follow the entry before it"))
        if before and entry["at"] < before["at"]:
            self.findings.append((CHAIN, f"{named} is dated before the entry that it follows"))


def bodies(pack: Pack, ledger: Ledger) -> Iterator[Finding]:
    """What entries say that is not what was sealed."""
    for one in pack.lines(BODIES):
        entry = ledger.kept.get(one["number"])
        if entry is None:
            yield BODIES, f"entry {one['number']} is not in the chain"
        elif digest(one["body"].encode()) != entry["body_digest"]:
            yield (
                BODIES,
                f"entry {one['number']} ({entry['kind']} {entry['subject']}) says what was not sealed",
            )


def anchor_of(line: str) -> dict[str, Any] | None:
    """The anchor of a line; None when it is none."""
    try:
        found = json.loads(line)
        return {
            "reason": "",
            "previous": "",
            **found,
            "number": int(found["number"]),
            "hash": str(found["hash"]),
        }
    except (KeyError, TypeError, ValueError):
        return None


def anchors(name: str, lines: list[str], ledger: Ledger, start: str | None = GENESIS) -> Iterator[Finding]:
    """Lines of a place that noted another ledger than this one. What somebody accepted there is over.

    start: what the first line follows; None when it may be any.
    """
    read: list[dict[str, Any]] = []
    first = accepted(lines)
    before = digest(lines[first - 1].encode()) if first else start
    for at, line in enumerate(lines[first:], first + 1):
        anchor = anchor_of(line)
        if anchor is None or before not in (None, anchor["previous"]):
            yield name, f"line {at} is no anchor that follows the line before it"
            return
        before = digest(line.encode())
        read.append(anchor)
    for anchor in read:
        entry = ledger.kept.get(anchor["number"])
        if entry is None or entry["hash"] != anchor["hash"]:
            said = f"it noted another entry {anchor['number']} than there is"
            yield name, f"{said}; the ledger here ends with {ledger.end['number']}"
            return


def within(ledger: Ledger, held: list[str]) -> list[str]:
    """The lines up to the last that noted an entry of this ledger; those after it noted what came after the pack."""
    noted = [anchor_of(line) for line in held]
    known = [at for at, one in enumerate(noted, 1) if one and one["number"] <= ledger.end["number"]]
    return held[: max(known, default=0)]


def accepted(lines: list[str]) -> int:
    """Where the last line is by which somebody accepted what was wrong before it; zero when there is none."""
    for at in range(len(lines) - 1, 0, -1):
        anchor = anchor_of(lines[at])
        if anchor and anchor["reason"] and anchor["previous"] == digest(lines[at - 1].encode()):
            return at
    return 0


def anchor_files(pack: Pack) -> dict[str, list[str]]:
    """The anchors of each place, as they were when the pack was made."""
    names = [one for one in pack.names if one.startswith("ledger/anchors/")]
    texts = {one: pack.read(one).decode() for one in names}
    return {one: text.removesuffix("\n").split("\n") if text else [] for one, text in texts.items()}


def records(pack: Pack, ledger: Ledger, said: dict[int, Any]) -> Iterator[Finding]:
    """Records that do not say what the ledger says, are not there, or that no entry tells of."""
    expected: dict[str, dict[int, Any]] = {name: {} for name in (*RECORDS.values(), OTHERS)}
    for number, body in said.items():
        kind = ledger.kept[number]["kind"] if number in ledger.kept else ELSEWHERE[0]
        if kind not in ELSEWHERE:
            expected[RECORDS.get(kind, OTHERS)][number] = body
    for name, wanted in expected.items():
        there: dict[int, Any] = {}
        for line in pack.lines(name):
            number = line["entry"]
            if number in there or number not in wanted:
                yield name, f"no entry tells of a record that names entry {number}"
            elif line["said"] != wanted[number] or line["by"] != ledger.kept[number]["by"]:
                yield name, f"what it says of entry {number} is not what the ledger says"
            there[number] = line
        for number in sorted(wanted.keys() - there.keys()):
            yield name, f"what entry {number} tells of is not there"


def materializations(pack: Pack, name: str, said: dict[int, Any]) -> Iterator[Finding]:
    """Partitions that are not what the table commits in the ledger say of them."""
    for one in pack.lines(name):
        body, named = said.get(one["entry"]), f"partition {one['partition']} of {one['table']}"
        partition = (body or {}).get("partitions", {}).get(one["partition"])
        if body is None or partition is None:
            yield name, f"{named}: entry {one['entry']} tells of no such partition"
            continue
        expected = {
            "version": body["version"],
            "rows": partition["rows"],
            "fingerprint": partition["fingerprint"],
            "reads": [body["contents"][index] for index in partition["reads"]],
            "verdicts": partition["verdicts"],
            **body["provenance"],
        }
        wrong = [field for field, value in expected.items() if one.get(field) != value]
        if wrong:
            yield name, f"{named}: {', '.join(wrong)} not as entry {one['entry']} says"


def made_from(pack: Pack, release: dict[str, Any]) -> Iterator[Finding]:
    """Whether all that the version was made from is there, down to the files, and nothing else is."""
    there = {_place(one): one for one in pack.lines(MADE_FROM)}
    files = {(one["file"], one["partition"], one["digest"]) for one in pack.lines(FILES)}
    start = [_place(one) for one in release["made_from"]]
    seen = reached(there, start)
    ends = {(table, partition, sha) for table, partition, _, sha in seen - there.keys()}
    for table, partition, _, _ in sorted(set(start) - there.keys()):
        yield MADE_FROM, f"partition {partition} of {table}, of which the version was made, is not there"
    for name, partition, _ in sorted(ends - files):
        yield (
            FILES,
            f"{name} ({partition}), which was read, is neither a partition that is told of nor a file",
        )
    for name, partition, _ in sorted(files - ends):
        yield FILES, f"{name} ({partition}) was read by nothing that the version was made from"
    for table, partition, _, _ in sorted(there.keys() - seen):
        yield MADE_FROM, f"partition {partition} of {table} is nothing that the version was made from"


def reached(there: dict[Place, Any], start: list[Place]) -> set[Place]:
    """All that was read, from these on."""
    todo, seen = list(start), set()
    while todo:
        place = todo.pop()
        if place not in seen:
            seen.add(place)
            todo += [_place(one) for one in there[place]["reads"]] if place in there else []
    return seen


def _place(one: dict[str, Any]) -> Place:
    return one["table"], one["partition"], one["version"], one["fingerprint"]


def artifact(pack: Pack, folder: str, expected: str, *, whole: bool) -> Iterator[Finding]:
    """Files that are not those of the digest. whole: whether all of them are in the pack."""
    listed = pack.read(f"{folder}/manifest.json")
    if digest(listed) != expected:
        yield f"{folder}/manifest.json", f"it is not the list of files whose digest is {expected}"
        return
    for name, sha in json.loads(listed).items():
        path = f"{folder}/{name}"
        if path in pack.names and digest(pack.read(path)) != sha:
            yield path, "it is not the file that was released"
        elif path not in pack.names and whole:
            yield path, "it is a file of what was released, and not in the pack"


def decided(pack: Pack, about: dict[str, Any], ledger: Ledger, said: dict[int, Any]) -> Iterator[Finding]:
    """Whether pack.json names the decision that made the version, and what was copied from it says the same."""
    number = about["decision"]
    kind, body = ledger.kept.get(number, {}).get("kind"), said.get(number, {})
    if (kind, body.get("model"), body.get("version")) != ("decision", about["model"], about["version"]):
        yield "pack.json", f"entry {number} is not the decision that made the version"
    if pack.value(EVIDENCE) != body.get("measured"):
        yield EVIDENCE, f"it is not what entry {number} says was measured"
    if list(pack.lines(GATES)) != body.get("reasons"):
        yield GATES, f"it is not what entry {number} says that the gates answered"


def copies(pack: Pack, release: dict[str, Any]) -> Iterator[Finding]:
    """What stands in a file of its own for those who read, and is not what was released."""
    made = json.loads(pack.read("model/manifest.json") or b"{}").get("made.json")
    if digest(pack.read(MADE)) != made:
        yield MADE, "it is not the one that was released with the model"
    elif pack.read(PACKAGES).decode("utf-8", "replace") != packages(pack.value(MADE)["environment"]):
        yield PACKAGES, f"they are not those of {MADE}"
    told = {"feature_hash": release["feature_hash"], "view_versions": release["view_versions"]}
    if pack.value("features/versions.json") != told:
        yield "features/versions.json", "they are not those that were released"


def packages(environment: Mapping[str, Any]) -> str:
    """The packages of an environment, a line each."""
    return "".join(f"{name}=={number}\n" for name, number in environment["packages"].items())


def verify(pack: Pack, held: list[str]) -> tuple[list[Finding], Ledger]:
    """What is wrong beyond the MANIFEST, and the ledger. held: lines of anchors that the reader has himself."""
    about = pack.value("pack.json")
    told = {one["number"]: one["body"] for one in pack.lines(BODIES)}
    places = anchor_files(pack)
    noted = (anchor_of(line) for lines in (*places.values(), held) for line in lines)
    numbers = {one["number"] for one in noted if one is not None}
    ledger = Ledger(pack, told.keys() | numbers)
    said = {number: json.loads(body) for number, body in told.items()}
    release = said.get(about["release"])
    if release is None or (release["model"], release["version"]) != (about["model"], about["version"]):
        raise NoPack(
            f"entry {about['release']} is not the release of {about['model']} version {about['version']}"
        )
    findings = [*ledger.findings, *bodies(pack, ledger)]
    for place, lines in places.items():
        findings += anchors(place, lines, ledger)
    findings += anchors(GIVEN, within(ledger, held), ledger, start=None)
    findings += records(pack, ledger, said)
    for name in (MADE_FROM, MONITORED):
        findings += materializations(pack, name, said)
    findings += made_from(pack, release)
    findings += artifact(pack, "model", release["artifact_digest"], whole=about["with_model"])
    findings += artifact(pack, "contract", release["contract"], whole=True)
    findings += decided(pack, about, ledger, said)
    findings += copies(pack, release)
    if about["head"] != ledger.end:
        findings.append((CHAIN, f"it ends with entry {ledger.end['number']}, and pack.json says another"))
    return findings, ledger


def main(arguments: list[str]) -> int:
    """Say what was found; the exit code."""
    parser = argparse.ArgumentParser(description="Verify an audit pack, offline.")
    parser.add_argument("pack", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--digest", help="the digest of the pack, as it was told when the pack was made")
    parser.add_argument("--anchors", type=Path, help="lines of anchors from a place of your own")
    asked = parser.parse_args(arguments)
    findings: list[Finding] = []
    try:
        pack = Pack(asked.pack)
        if MANIFEST not in pack.names:
            raise NoPack(f"there is no {MANIFEST} in {asked.pack}")
        held = [] if asked.anchors is None else asked.anchors.read_text(encoding="utf-8").splitlines()
        findings += manifest(pack)
        beyond, ledger = verify(pack, held)
    except (NoPack, KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        tell(findings)
        say(f"It cannot be verified: {type(error).__name__}: {error}")
        return 3 if findings else 1
    found = digest(pack.read(MANIFEST))
    findings += beyond
    if asked.digest is not None and asked.digest != found:
        findings.append((MANIFEST, f"the digest of the pack is {found}, expected {asked.digest}"))
    tell(findings)
    about, head = pack.value("pack.json"), ledger.end
    say(f"{about['model']} version {about['version']}: {len(pack.names)} files, digest of the pack {found}")
    say(
        f"The ledger ends with entry {head['number']}, hash {head['hash']}: "
        "ask for the newest anchor at or before it, or for all lines."
    )
    if not about["with_model"]:
        say("The files of the model are not in the pack; they are named by their digests.")
    if findings:
        say(f"{len(findings)} things were changed.")
        return 3
    if asked.anchors is not None and not within(ledger, held):
        say(f"It is not verified: of {GIVEN} none is about this pack.")
        return 1
    say("Nothing was changed since it was made.")
    return 0


def tell(findings: list[Finding]) -> None:
    """A line for each thing that was changed."""
    for name, said in findings:
        say(f"CHANGED {name}: {said}")


def say(line: str) -> None:
    """Print, whatever the terminal can show."""
    sys.stdout.buffer.write((line + "\n").encode("utf-8", "replace"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
