"""The steps of a delivery pipeline, one command each: validate the data, train, evaluate, register."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Self

from rich.console import Console

from mlops_assets.cli.commands import bring_data_up_to, require_possible
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.cli.outcome import Case, Outcome
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, RunFailed
from mlops_assets.governance.gates import Decision
from mlops_assets.graph import keys
from mlops_assets.graph.jobs import STEPS
from mlops_assets.graph.plan import PlannedRun, partitions_below
from mlops_assets.steps.evaluation import recorded_evidence
from mlops_assets.steps.release import previewed, recorded
from mlops_assets.steps.standing import waits_for
from mlops_assets.steps.training import trained_record
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Release


def validate_data(opened: Deployment, name: str, as_of: date, *, console: Console) -> Outcome:
    """Bring the data up to a date, and say what every check says of every partition that the model needs."""
    model = opened.project.model(name)
    require_possible(opened.project.catalog, model, [as_of])
    below = partitions_below(opened.project.catalog, model, as_of)

    def cases() -> list[Case]:
        tables = [
            (keys.table_name(key(table)), days)
            for table, days in below.items()
            for key in (keys.raw, keys.validated)
        ]
        return [case for table, days in tables for case in _verdicts(opened, table, days)]

    stopped = _stopped(lambda: bring_data_up_to(opened, model, [as_of], again=False, console=console))
    return _outcome("validate-data", model, as_of, cases(), stopped)


def train(opened: Deployment, name: str, as_of: date, *, console: Console) -> Outcome:
    """Make the training set, prove that it leaks nothing, and train."""
    model = opened.project.model(name)
    require_possible(opened.project.catalog, model, [as_of])
    stopped = _stopped(lambda: _run(opened, model, "train", as_of, console))
    day = as_of.isoformat()
    made = [one.partition for one in opened.stores.records.contents(_table(model, "training_set"))]
    cases = list(_verdicts(opened, _table(model, "training_set"), [day] if day in made else []))
    if stopped is not None:
        return _outcome("train", model, as_of, cases, stopped)
    record = trained_record(opened.stores, _pinned(opened, model, "model", day))
    facts = {"model_digest": record.model_digest, "rows": record.rows, "parameters": record.parameters}
    trained = Case(
        f"{name}/model", "trained", failed=False, said=f"{record.rows:,} rows, {record.model_digest}"
    )
    return Outcome("train", name, day, [*cases, trained], facts)


def evaluate(opened: Deployment, name: str, as_of: date, *, console: Console) -> Outcome:
    """Measure the trained model, and say what the gates would say now; nothing is decided by it."""
    model = opened.project.model(name)
    _run(opened, model, "evaluate", as_of, console)
    judged = _Judged.of(opened, model, as_of.isoformat())
    decision = previewed(opened.stores, opened.project.catalog, model, judged.trained, judged.report)
    return Outcome("evaluate", name, judged.as_of, _reasons(model, decision), judged.facts(opened, decision))


def register(opened: Deployment, name: str, as_of: date, *, console: Console) -> Outcome:
    """Ask the gate, which decides and records, and release if it says so."""
    model = opened.project.model(name)
    _run(opened, model, "register", as_of, console)
    judged = _Judged.of(opened, model, as_of.isoformat())
    found = recorded(opened.stores, opened.project.catalog, model, judged.trained, judged.report)
    version = found.release.version if found.release else None
    facts = {**judged.facts(opened, found.decision), "version": version}
    gate = Case(f"{name}/release", "gate", not found.decision.releases, "; ".join(found.decision.told()))
    cases = [gate, *_reigns(opened, found.release), *_reasons(model, found.decision)]
    return Outcome("register", name, judged.as_of, cases, facts)


def _reigns(opened: Deployment, release: Release | None) -> Iterator[Case]:
    """Whether the version that was released reigns: people may still have to agree, or have taken it back."""
    if release is None:
        return
    reign = opened.stores.reigns.current(release.model)
    reigns = reign is not None and reign.version == release.version
    waits = waits_for(opened.stores, release)
    if waits is not None:
        said = f"version {release.version} does not reign yet: {waits}"
    elif reign is None:
        said = f"no version of {release.model} reigns"
    else:
        said = f"version {reign.version} reigns since {reign.since}, by {reign.by}: {reign.reason}"
    yield Case(f"{release.model}/release", "reigns", not reigns, said)


@dataclass(frozen=True)
class _Judged:
    """A model and its evaluation, of one as-of date."""

    as_of: str
    trained: Pinned
    report: Pinned

    @classmethod
    def of(cls, opened: Deployment, model: Model, as_of: str) -> Self:
        return cls(
            as_of, _pinned(opened, model, "model", as_of), _pinned(opened, model, "evaluation_report", as_of)
        )

    def facts(self, opened: Deployment, decision: Decision) -> dict[str, object]:
        evidence = recorded_evidence(opened.stores, self.report)
        return {
            "verdict": decision.verdict,
            "metrics": evidence.metrics,
            "intervals": evidence.intervals,
            "baseline": evidence.baseline,
            "champion": evidence.champion.metrics if evidence.champion else None,
        }


def _run(opened: Deployment, model: Model, step: str, as_of: date, console: Console) -> None:
    (assets, _), day = STEPS[step], as_of.isoformat()
    selected = tuple(keys.of_model(model.name, asset) for asset in assets)
    execute(opened, PlannedRun(f"{step} {model.name} as of {day}", selected, day, day), console)


def _stopped(act: Callable[[], object]) -> RunFailed | None:
    """Why a run did not succeed; None when it did."""
    try:
        act()
    except RunFailed as error:
        return error
    return None


def _outcome(step: str, model: Model, as_of: date, cases: list[Case], stopped: RunFailed | None) -> Outcome:
    """What was found. A run that stopped although no check had failed could not be done, which is no finding."""
    if stopped is not None and not any(case.failed for case in cases):
        raise stopped
    return Outcome(step, model.name, as_of.isoformat(), cases)


def _verdicts(opened: Deployment, table: str, partitions: list[str]) -> Iterator[Case]:
    records = opened.stores.records
    refused = records.refusals(table, partitions=partitions)
    for partition, verdict in refused:
        yield Case(f"{table} {partition}", verdict.check, not verdict.passed, verdict.reason)
    readable = set(partitions) - {partition for partition, _ in refused}
    contents = records.contents(table, partitions=sorted(readable))
    said, allowed = records.verdicts_of(contents), records.overridden(contents)
    for content in contents:
        for verdict in said[content]:
            overridden = verdict.check in allowed[content]
            failed = not verdict.passed and (verdict.blocking or verdict.error) and not overridden
            words = f"{verdict.reason} (overridden)" if overridden else verdict.reason
            yield Case(f"{table} {content.partition}", verdict.check, failed, words)
    for partition in sorted(readable - {content.partition for content in contents}):
        yield Case(f"{table} {partition}", "materialized", failed=True, said="there is no such partition")


def _reasons(model: Model, decision: Decision) -> list[Case]:
    released = decision.releases
    return [
        Case(
            f"{model.name}/release", reason.gate, reason.answer != "promote" and not released, reason.sentence
        )
        for reason in decision.reasons
    ]


def _table(model: Model, stage: str) -> str:
    return keys.table_name(keys.of_model(model.name, stage))


def _pinned(opened: Deployment, model: Model, stage: str, as_of: str) -> Pinned:
    pinned = opened.stores.lake.pin(_table(model, stage), [as_of])
    if pinned.absent:
        raise BadRequest(f"{_table(model, stage)} has no partition {as_of}; materialize it first")
    return pinned
