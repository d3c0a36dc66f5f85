"""Which kinds of evidence a pack really has, and where in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_assets.declaration.model import Model
from mlops_assets.governance.audit_mapping import KINDS
from mlops_assets.governance.ledger import body_of
from mlops_assets.steps import verify_pack
from mlops_assets.steps.audit_trail import Recorded

CARD = "card.md"
WORDS = {
    "intended use": "intended_use",
    "out of scope": "out_of_scope",
    "considerations": "considerations",
    "limitations": "limitations",
}
# Part of what was measured -> the kind of evidence that it is.
MEASURED = {
    "slices": "slices",
    "groups": "groups",
    "behaviour": "behaviour",
    "numeric": "numeric",
    "milliseconds": "latency",
}
# Kind of evidence -> the file that holds it: there when it holds anything.
HELD = {
    "packages": verify_pack.PACKAGES,
    "recipe": verify_pack.MADE,
    "data versions": verify_pack.MADE_FROM,
    "raw files": verify_pack.FILES,
    "feature versions": "features/versions.json",
    "contract": "contract/contract.json",
    "evaluation": verify_pack.EVIDENCE,
    "gates": verify_pack.GATES,
    "decision": verify_pack.RECORDS["decision"],
    "approvals": verify_pack.RECORDS["change_request"],
    "policy": verify_pack.RECORDS["policy"],
    "overrides": verify_pack.RECORDS["override"],
    "reigns": verify_pack.RECORDS["reign"],
    "release": verify_pack.RECORDS["release"],
    "verifications": verify_pack.RECORDS["verification"],
    "retraining": verify_pack.RECORDS["retraining"],
    "certificates": verify_pack.RECORDS["certificate"],
    "predictions": verify_pack.RECORDS["batch"],
    "monitoring": verify_pack.MONITORED,
    "incidents": "incidents.jsonl",
}


def kinds_of_evidence(model: Model, recorded: Recorded, files: Mapping[str, bytes]) -> dict[str, str]:
    """Kind of evidence -> its path, of those that are there."""
    found = {kind: path for kind, path in HELD.items() if files.get(path)}
    found |= dict(_of_words(model))
    found |= dict(_of_records(recorded))
    anchors = [name for name in files if name.startswith("ledger/anchors/") and files[name]]
    found |= {"anchors": anchors[0]} if anchors else {}
    views = [
        name for name in sorted(files) if name.startswith("features/") and name.endswith((".sql", ".py"))
    ]
    found |= {"feature definitions": views[0]} if views else {}
    return {kind: found[kind] for kind in KINDS if kind in found}


def _of_words(model: Model) -> Iterator[tuple[str, str]]:
    if model.description:
        yield "description", CARD
    words = model.card.model_dump()
    yield from ((kind, CARD) for kind, word in WORDS.items() if words[word])


def _of_records(recorded: Recorded) -> Iterator[tuple[str, str]]:
    yield "ledger", verify_pack.CHAIN
    measured = body_of(recorded.decided)["measured"]
    yield from ((kind, verify_pack.EVIDENCE) for part, kind in MEASURED.items() if measured.get(part))
    if any(one.record.verdicts for one in recorded.made_from.written):
        yield "checks", verify_pack.MADE_FROM
    if len(recorded.of("release")) > 1:
        yield "earlier versions", verify_pack.RECORDS["release"]
    for kind in ("drift", "performance"):
        if any(one.content.table.endswith(f"/{kind}_report") for one in recorded.monitored):
            yield kind, verify_pack.MONITORED
