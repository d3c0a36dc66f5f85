"""Why there is a version of a model, and what a file or a partition touched: from the records, whoever forgot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlops_assets.errors import BadRequest, NotMaterialized, nearest
from mlops_assets.governance.sealed import Proof
from mlops_assets.modeling.environment import told
from mlops_assets.modeling.made import Made
from mlops_assets.steps.open_requests import open_above
from mlops_assets.steps.standing import about
from mlops_assets.stores.lineage import Reached
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class Touched:
    """A released version that was made from what is traced. reigns: whether it is the champion."""

    model: str
    version: int
    as_of: str
    reigns: bool


@dataclass(frozen=True)
class Traced:
    """An answer. about: what was asked. facts: what else is recorded, by name, as plain values."""

    about: str
    facts: dict[str, Any]
    reached: Reached
    releases: tuple[Touched, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values; ``reads`` are pairs of ids, who read first."""
        graph = self.reached.graph()
        return {
            "about": self.about,
            "facts": self.facts,
            "releases": [vars(one) for one in self.releases],
            "start": list(graph.start),
            "materialized": [one._asdict() for one in graph.materialized.values()],
            "reads": [list(pair) for pair in graph.reads],
            "ends": [one._asdict() for one in graph.ends],
        }


def trace_model(stores: Stores, model: str, version: int) -> Traced:
    """All that a version was made from, down to the files, and who let it be one.

    Raises NotMaterialized when there is no such version, or what it was made from is not recorded any more.
    """
    release = stores.releases.version(model, version)
    if release is None:
        known = [str(one.version) for one in stores.releases.versions(model)]
        raise NotMaterialized(f"{model} has no version {version}. {nearest(str(version), known)}")
    start = stores.lineage.find(release.made_from)
    if not start:
        raise NotMaterialized(
            f"what {model} version {version} was made from is not recorded: its tables were moved away since"
        )
    reached = stores.lineage.backward(start)
    about = f"{model} version {version}"
    return Traced(about, facts_of(stores, release, reached), reached, _made_from(stores, reached))


def trace_release(stores: Stores, model: str, as_of: str) -> Traced | None:
    """The same of the newest version as of a date; None when nothing was released."""
    made = [one.version for one in stores.releases.versions(model) if one.as_of == as_of]
    return trace_model(stores, model, made[-1]) if made else None


def trace_impact(stores: Stores, what: str, partition: str | None) -> Traced:
    """All that was made from a file of a source, whatever it held, or from a partition of a table.

    Change requests that wait for any of it are told with it.

    Raises BadRequest when nothing of that name was ever read or written.
    """
    if partition is None:
        start, about = stores.lineage.readers(what), f"what file {what} touched"
        if not start:
            raise BadRequest(
                f"no file {what!r} was ever read; of a table say the partition too. "
                f"{nearest(what, stores.lineage.file_names())}"
            )
    else:
        start = stores.lineage.written(what, partition)
        about = f"what partition {partition} of {what} touched"
        if not start:
            raise BadRequest(
                f"partition {partition!r} of {what!r} was never written; a table is named as raw/flights"
            )
    reached = stores.lineage.forward(start)
    touched = _made_from(stores, reached)
    waits = open_above(stores, reached, [(one.model, one.version) for one in touched])
    facts = {"requests": [vars(one) for one in waits]} if waits else {}
    return Traced(about, facts, reached, touched)


def facts_of(stores: Stores, release: Release, reached: Reached) -> dict[str, Any]:
    """What is recorded of a version: how it was made and checked, who let it be one, and the entries that say so.

    mlflow: the run that trained it, and its version there, once it is shown. feature_hash, view_versions: what
    its features meant. checks: what each said of all that is below it.
    """
    made = Made.of(stores.artifacts.load(release.artifact_digest))
    subject = f"{release.model}:{release.version}"
    tables = [one.table for one in reached.tables()]
    decided = stores.releases.history(release.model, version=release.version)
    return {
        "as_of": release.as_of,
        "released_at": release.released_at,
        "run_id": release.run_id,
        "artifact_digest": release.artifact_digest,
        "contract": release.contract,
        "mlflow": {"run": release.mlflow_run_id, "version": release.mlflow_version or "not shown yet"},
        "feature_hash": release.feature_hash,
        "view_versions": dict(release.view_versions),
        "checks": [one._asdict() for one in reached.checks()],
        "code": made.code,
        "environment": told(dict(made.environment)),
        "decisions": [
            {
                "verdict": one["verdict"],
                "decided_at": one["decided_at"],
                "run_id": one["run_id"],
                "reasons": one["reasons"],
            }
            for one in decided
        ],
        "reigns": [
            {"since": one.since, "by": one.by, "reason": one.reason}
            for one in stores.reigns.history(release.model)
            if one.version == release.version
        ],
        "overrides": [
            {
                "of": f"{one.subject.what}@{one.subject.partition}",
                "check": one.subject.check,
                "by": one.by,
                "reason": one.reason,
            }
            for one in stores.overrides.among([*tables, f"{release.model}/release"])
        ],
        "requests": [
            {
                "number": one.request.number,
                "change": one.request.proposal.kind,
                "by": one.request.proposal.by,
                "votes": [{"by": vote.by, "answer": vote.answer, "at": vote.at} for vote in one.votes],
                "stands": f"{stands.stage}: {stands.sentence}",
            }
            for one, stands in about(stores, release)
        ],
        "grants": [
            {
                "number": one.number,
                "role": one.role,
                "held_by": one.name,
                "since": one.at,
                "until": one.expires,
                "withdrawn": one.withdrawn,
            }
            for one in stores.grants.about(f"model:{release.model}")
        ],
        "ledger": [
            {"number": one.number, "kind": one.kind, "hash": one.hash} for one in stores.ledger.about(subject)
        ],
    }


def _made_from(stores: Stores, reached: Reached) -> tuple[Touched, ...]:
    """The versions that were made from what is reached."""
    return tuple(
        Touched(model, one.version, one.as_of, one.version == reigning(stores, model))
        for model in stores.releases.models()
        for one in stores.releases.versions(model)
        if reached.among(stores.lineage.find(one.made_from))
    )


def reigning(stores: Stores, model: str) -> int | None:
    """The version that is the champion now."""
    reign = stores.reigns.current(model)
    return reign.version if reign else None


def span(first: str, last: str) -> str:
    """From the first to the last partition; one when it is the only one."""
    return first if first == last else f"{first} … {last}"


def spelled(value: Any) -> str:
    """A fact, for people."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rows_of(value: Any) -> list[dict[str, Any]]:
    """A fact that is a table, row by row; nothing of any other."""
    is_table = isinstance(value, list) and all(isinstance(one, dict) for one in value)
    return value if is_table else []


def proof_told(proof: Proof) -> dict[str, Any]:
    """A proof as plain values."""
    return {
        "holds": proof.holds,
        "said": proof.said,
        "record": proof.record,
        "index": proof.index,
        "path": list(proof.path),
        "entry": None if proof.seal is None else vars(proof.seal),
        "changed": list(proof.changed),
    }
