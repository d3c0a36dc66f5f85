"""What went wrong around a version, and what was done about it, read off the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlops_assets.governance.ledger import Entry, body_of
from mlops_assets.steps.audit_trail import Recorded, Written
from mlops_assets.stores.reigns import GATE, ROLLOUT

BAD_ANSWERS = ("worse", "rolled back")


def incidents(recorded: Recorded) -> list[dict[str, Any]]:
    """Each with the entry that tells of it, when, what kind it is, and a sentence; in the order of entries."""
    found = [
        *_of_reigns(recorded.of("reign")),
        *_of_decisions(recorded.of("decision")),
        *_of_words(recorded),
        *_refused(recorded.made_from.tables),
        *_failed(recorded.made_from.written),
        *_failed(recorded.monitored),
    ]
    return sorted(found, key=lambda one: (one["entry"], one["said"]))


def _incident(entry: Entry, kind: str, said: str) -> dict[str, Any]:
    return {"entry": entry.number, "at": entry.at, "kind": kind, "said": said}


def _of_reigns(reigns: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    for entry in reigns:
        body = body_of(entry)
        said = f"version {body['version']} reigns since {body['since']} by the word of {body['by']}: {body['reason']}"
        if body["version"] in seen:
            yield _incident(entry, "rollback", said)
        elif body["by"] not in (GATE, ROLLOUT):
            yield _incident(entry, "released by a person", said)
        seen.add(body["version"])


def _of_decisions(decisions: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    for entry in decisions:
        body = body_of(entry)
        if body["verdict"] != "promote":
            why = "; ".join(one["sentence"] for one in body["reasons"] if one["answer"] != "promote")
            yield _incident(entry, body["verdict"], f"as of {body['as_of']}: {why}")


def _of_words(recorded: Recorded) -> Iterator[dict[str, Any]]:
    for entry in recorded.told:
        body = body_of(entry)
        match entry.kind:
            case "verification" if body["answer"] in BAD_ANSWERS:
                yield _incident(
                    entry,
                    f"verification: {body['answer']}",
                    f"version {body['version']}: {body['sentence']}",
                )
            case "override":
                what = f"{body['check_name']} of {body['what']}, {body['partition']}"
                yield _incident(entry, "override", f"{body['by']} allowed {what}: {body['reason']}")
            case "rollout" if body["state"] in ("failed", "stopped"):
                said = f"version {body['version']}: {body['reason']}"
                yield _incident(entry, f"rollout {body['state']}", said)
            case "certificate" if not body["identical"]:
                said = f"version {body['version']}: answers differ by up to {body['largest_difference']:g}"
                yield _incident(entry, "not reproduced", said)
            case "anchor":
                said = (
                    f"{body['by']} accepted that the ledger does not continue its anchors: {body['reason']}"
                )
                yield _incident(entry, "ledger accepted", said)
            case "guard":
                said = f"{entry.by} put back {', '.join(body['put_back'])}: {body['reason']}"
                yield _incident(entry, "guards put back", said)


def _refused(tables: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    for entry in tables:
        for partition, said in body_of(entry).get("refused", {}).items():
            for one in said:
                sentence = f"{entry.subject}, partition {partition}: {one['check']}: {one['reason']}"
                yield _incident(entry, "refused", sentence)


def _failed(written: Iterable[Written]) -> Iterator[dict[str, Any]]:
    for one in written:
        for said in one.record.verdicts:
            if not said.passed:
                kind = "blocking check failed" if said.blocking else "check failed"
                sentence = (
                    f"{one.content.table}, partition {one.content.partition}: {said.check}: {said.reason}"
                )
                yield _incident(one.entry, kind, sentence)
