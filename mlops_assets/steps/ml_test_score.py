"""Finds, in what is recorded of a model, the evidence for each test of its ML Test Score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.features import tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, nearest
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.ml_test_score import NAMES, STAGE, UNEXPIRED_DAYS, By, Found, Place, Score, score
from mlops_assets.modeling.serialization import SEARCH
from mlops_assets.monitoring.parity import PARITY
from mlops_assets.monitoring.performance import DECAY
from mlops_assets.steps.audit_trail import Written, written_by
from mlops_assets.steps.performance import recorded_performance
from mlops_assets.steps.standing import about
from mlops_assets.steps.training import only_row
from mlops_assets.stores.attestations import Attestation
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.records import COMMIT
from mlops_assets.stores.reigns import ROLLOUT, SENSOR, SERVICE, VERIFICATION
from mlops_assets.stores.releases import Release, promised
from mlops_assets.stores.stores import Stores

# Of a table's newest commits so many are looked at for one that wrote something.
LOOKED_AT = 200
# An attestation holds for no longer, and no shorter.
DAYS = (1, 365)


def score_of(stores: Stores, catalog: Catalog, model: Model, *, at: str, days: int = UNEXPIRED_DAYS) -> Score:
    """The score of a model at a moment, in UTC: its champion's, by what is recorded."""
    return score(model.name, evidence_of(stores, catalog, model), at=at, days=days)


def evidence_of(stores: Stores, catalog: Catalog, model: Model) -> list[Found]:
    """All that is recorded, also what has expired by now or did not pass."""
    found = [_attested(one) for one in stores.attestations.of(model.name)]
    champion = stores.releases.champion(model.name)
    if champion is None:
        return found
    known = _Known(stores, catalog, model, champion)
    return [*found, *(one for find in FINDERS for one in find(known))]


def attest(
    stores: Stores, model: Model, test: str, *, by: str, evidence: str, days: int, at: str
) -> Attestation:
    """Record that a person ran a test by hand, for so many days.

    Raises BadRequest for an unknown test, for days that nobody could mean, and when nobody or nothing is named.
    """
    if test not in NAMES:
        raise BadRequest(f"there is no test {test!r}. {nearest(test, NAMES)}")
    least, most = DAYS
    if not least <= days <= most:
        raise BadRequest(
            f"found {days} days, expected {least} to {most}: what was tested once is no proof for ever"
        )
    until = (datetime.fromisoformat(at) + timedelta(days=days)).isoformat()
    attested = Attestation(model.name, test, by.strip(), evidence.strip(), at, until)
    stores.attestations.give(attested)
    return attested


def _attested(one: Attestation) -> Found:
    url = one.evidence if one.evidence.startswith(("https://", "http://")) else ""
    place = Place(f"{one.model}/{STAGE}", url=url)
    return Found(one.test, "person", True, one.at, f"{one.by}: {one.evidence}", place, until=one.expires_at)


@dataclass(frozen=True)
class _Known:
    """What is recorded of a champion."""

    stores: Stores
    catalog: Catalog
    model: Model
    champion: Release

    @cached_property
    def decided(self) -> Mapping[str, Any] | None:
        """The decision that made it."""
        history = self.stores.releases.history(self.model.name)
        return next((one for one in history if one["version"] == self.champion.version), None)

    @cached_property
    def measured(self) -> Evidence | None:
        return None if self.decided is None else Evidence.from_dict(self.decided["measured"])

    @property
    def tables(self) -> list[str]:
        """The validated tables that its label and its features are read from."""
        read = tables_read(self.catalog.features, self.model.features)
        return list(dict.fromkeys([self.model.label.table, *read]))

    def own(self, stage: str) -> str:
        return f"{self.model.name}/{stage}"

    def written(self, table: str) -> list[Written]:
        """What was written to a table, the newest commits first."""
        entries = self.stores.ledger.newest(LOOKED_AT, kind=COMMIT, subject=table)
        return [one for entry in entries for one in written_by(entry)]

    def newest(self, table: str) -> Written | None:
        """What the newest day of a table holds, as it was written last."""
        written = self.written(table)
        return max(written, key=lambda one: (one.content.partition, one.entry.number), default=None)

    def row(self, content: Content) -> Mapping[str, Any]:
        """The one row of a content; nothing when its table was moved away since."""
        if not self.stores.lineage.find([content]):
            return {}
        return only_row(
            self.stores, self.stores.lake.pin(content.table, [content.partition], version=content.version)
        )

    def of_release(self, stage: str) -> Place:
        """A stage of the champion's own date."""
        run = "" if self.decided is None else self.decided["run_id"]
        return Place(self.own(stage), self.champion.as_of, run=run)


def _place(one: Written, check: str = "") -> Place:
    partition = "" if one.content.partition == WHOLE else one.content.partition
    return Place(one.content.table, partition, check, one.commit.provenance.run_id, one.entry.number)


def _gate(known: _Known, test: str, gate: str, by: By = "machine") -> Iterator[Found]:
    """What a gate said when the champion was released."""
    decided = known.decided
    said = [] if decided is None else [one for one in decided["reasons"] if one["gate"] == gate]
    if decided is not None and said:
        passed = all(one["answer"] == "promote" for one in said)
        sentence = "; ".join(one["sentence"] for one in said)
        yield Found(test, by, passed, decided["decided_at"], sentence, known.of_release("release"))


def _check(known: _Known, test: str, stage: str, check: str) -> Iterator[Found]:
    """What a check said of the newest partition of a table of the model."""
    newest = known.newest(known.own(stage))
    said = [] if newest is None else [one for one in newest.record.verdicts if one.check == check]
    if newest is not None and said:
        at = newest.commit.provenance.written_at
        yield Found(test, "machine", said[0].passed, at, said[0].reason, _place(newest, check))


def _feature_schema(known: _Known) -> Iterator[Found]:
    newest = [known.newest(f"validated/{table}") for table in known.tables]
    there = [one for one in newest if one is not None and one.record.verdicts]
    if len(there) == len(newest):
        oldest = min(there, key=lambda one: one.commit.provenance.written_at)
        checks = sum(len(one.record.verdicts) for one in there)
        said = f"{checks} checks of {', '.join(known.tables)} were asked of the newest rows of each"
        yield Found(
            "feature_schema", "machine", True, oldest.commit.provenance.written_at, said, _place(oldest)
        )


def _invariants(known: _Known) -> Iterator[Found]:
    """The rows that the champion is asked about: those of days since its date, and of tables without days."""
    newest = [known.newest(f"validated/{table}") for table in known.tables]
    since = [
        one
        for one in newest
        if one is not None
        and (one.content.partition == WHOLE or one.content.partition >= known.champion.as_of)
    ]
    if len(since) < len(newest):
        return
    oldest = min(since, key=lambda one: one.commit.provenance.written_at)
    failed = [(one, said) for one in since for said in one.record.verdicts if not said.passed]
    days = ", ".join(f"{one.content.table} of {one.content.partition}" for one in since)
    sentences = [
        f"{one.content.table} of {one.content.partition}: {said.check}: {said.reason}" for one, said in failed
    ]
    place = _place(failed[0][0], failed[0][1].check) if failed else _place(oldest)
    told = "; ".join(sentences) or f"every check of {days} passed"
    yield Found("invariants", "machine", not failed, oldest.commit.provenance.written_at, told, place)


def _reviewed(known: _Known) -> Iterator[Found]:
    """Others agreed to exactly these files and this contract; what it was made by is among the files."""
    for one, stands in about(known.stores, known.champion):
        said = one.request.proposal
        agreed = [vote for vote in one.votes if vote.answer == "approve"]
        same = promised(known.champion, after=said.payload["after"]) == dict(said.payload)
        if stands.stage == "applied" and agreed and same:
            names = ", ".join(vote.by for vote in agreed)
            told = f"request {one.request.number} of {said.by}: {names} looked at its files and contract and agreed"
            yield Found("specs_reviewed", "person", True, agreed[-1].at, told, known.of_release("release"))


def _beneficial(known: _Known) -> Iterator[Found]:
    """What the champion would lose without each input, as its own evaluation says."""
    table = known.own("evaluation_report")
    own = [one for one in known.written(table) if one.content in known.champion.made_from]
    for one in own:
        importance = json.loads(known.row(one.content).get("importance") or "{}")
        useless = [name for name, lost in importance.items() if lost <= 0]
        said = (
            f"without {', '.join(useless)} it would lose nothing"
            if useless
            else f"it would lose without any of its {len(importance)} inputs"
        )
        if importance:
            at = one.commit.provenance.written_at
            yield Found("features_beneficial", "machine", not useless, at, said, _place(one))


def _staleness(known: _Known) -> Iterator[Found]:
    """Of the newest model that was evaluated: the champion may be one of the earlier ones that were asked."""
    newest = known.newest(known.own("evaluation_report"))
    stale = [] if newest is None else json.loads(known.row(newest.content).get("stale") or "[]")
    if newest is not None and stale:
        days = max(one["days"] for one in stale)
        said = f"models of earlier dates, {len(stale)} of up to {days} days before, on the same rows"
        at = newest.commit.provenance.written_at
        yield Found("staleness_known", "machine", True, at, said, _place(newest))


def _tuned(known: _Known) -> Iterator[Found]:
    files, decided = known.stores.artifacts.load(known.champion.artifact_digest), known.decided
    if SEARCH in files and decided is not None:
        chosen = json.loads(files[SEARCH])["parameters"]
        said = f"a search chose {json.dumps(chosen, sort_keys=True)} when it was trained"
        yield Found("tuned", "machine", True, decided["decided_at"], said, known.of_release("model"))


def _slices(known: _Known) -> Iterator[Found]:
    """Where no slice has rows enough, nothing was tested."""
    if known.measured is not None and any(not one.too_few for one in known.measured.slices):
        yield from _gate(known, "slices", "slices")


def _inclusion(known: _Known) -> Iterator[Found]:
    """Where there are no two groups to compare, nothing was tested; what no gate judges a person must."""
    measured = (
        [] if known.measured is None else [one for one in known.measured.groups if len(one.treated) > 1]
    )
    judged = list(_gate(known, "inclusion", "fairness")) if measured else []
    yield from judged
    if measured and not judged and known.decided is not None:
        groups = ", ".join(one.column for one in measured)
        said = f"groups by {groups} were measured, and no gate judges them"
        place = known.of_release("evaluation_report")
        yield Found("inclusion", "person", True, known.decided["decided_at"], said, place)


def _offline_online(known: _Known) -> Iterator[Found]:
    said = known.stores.retrainings.verifications(known.model.name)
    for one in said:
        if one.answer != "waiting":
            place = Place(known.own("verification"), one.as_of, run=one.run_id)
            told = f"version {one.version}, chosen by what was measured offline: {one.answer}, {one.sentence}"
            yield Found("offline_online", "machine", one.answer == "kept", one.at, told, place)


def _reproduced(known: _Known) -> Iterator[Found]:
    for one in known.stores.certificates.of(known.model.name, known.champion.version):
        said = f"version {one.version} was trained again: {'identical' if one.identical else 'not identical'}"
        yield Found("reproducible", "person", one.identical, one.at, said, known.of_release("model"))


def _prediction_quality(known: _Known) -> Iterator[Found]:
    """What the newest report says of the champion itself, if the labels were enough to say anything."""
    newest = known.newest(known.own("performance_report"))
    if newest is None or not known.stores.lineage.find([newest.content]):
        return
    as_of = newest.content.partition
    found = recorded_performance(known.stores, known.model, [as_of])[as_of]
    if found.champion == known.champion.version and found.verdict != "not enough data":
        yield from _check(known, "prediction_quality", "performance_report", DECAY)


def _validated(known: _Known) -> Iterator[Found]:
    decided = known.decided
    if decided is not None:
        promoted = decided["verdict"] == "promote"
        said = f"version {known.champion.version} was judged before it reigned: {decided['verdict']}"
        yield Found(
            "validated", "machine", promoted, decided["decided_at"], said, known.of_release("release")
        )


def _canaried(known: _Known) -> Iterator[Found]:
    """What a canary of the champion's version came to: one that somebody stopped, and a shadow, came to nothing."""
    for one in known.stores.rollouts.history(known.model.name):
        decided = one.last.state in ("passed", "failed")
        if one.kind == "canary" and one.version == known.champion.version and decided:
            said = f"rollout {one.number}, {one.last.state}: {one.last.reason}"
            passed = one.last.state == "passed"
            yield Found("canaried", "machine", passed, one.last.at, said, known.of_release("release"))


def _rollback(known: _Known) -> Iterator[Found]:
    seen: set[int] = set()
    for one in known.stores.reigns.history(known.model.name):
        if one.version in seen:
            by: By = "machine" if one.by in (VERIFICATION, SERVICE, ROLLOUT) else "person"
            said = f"version {one.version} reigned again since {one.since}, by the word of {one.by}"
            place = Place(known.own("release"), run=one.run_id)
            yield Found("rollback", by, True, one.since, said, place)
        seen.add(one.version)


def _loop(known: _Known) -> Iterator[Found]:
    """What the retraining sensor answered: of changes below the model, and of its age and reports."""
    for one in known.stores.retrainings.history(known.model.name):
        by: By = "machine" if one.by == SENSOR else "person"
        test = "dependencies" if one.kind in ("changed", "restated") else "not_stale"
        if by == "machine":
            said = f"as of {one.as_of}: {one.reason}; {'trains' if one.trains else 'does not train'}"
            yield Found(test, by, True, one.at, said, Place(known.own("retraining_log")))


FINDERS: tuple[Callable[[_Known], Iterator[Found]], ...] = (
    _feature_schema,
    _invariants,
    _reviewed,
    _beneficial,
    _staleness,
    _tuned,
    _inclusion,
    _offline_online,
    _reproduced,
    _prediction_quality,
    _slices,
    _validated,
    _canaried,
    _rollback,
    _loop,
    lambda known: _gate(known, "simpler_model", "baseline"),
    lambda known: _gate(known, "numerically_stable", "numeric"),
    lambda known: _gate(known, "computing_performance", "latency"),
    lambda known: _check(known, "skew", PARITY, PARITY),
)
