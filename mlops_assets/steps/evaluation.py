"""Evidence about a trained model: its scores on the newest mature labels, beside the baseline and the champion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.governance.evidence import Behaviour, Comparison, Evidence, Group, Slice
from mlops_assets.modeling.agreement import agreement
from mlops_assets.modeling.behaviour import alone, direction, invariance, numeric, sample, together
from mlops_assets.modeling.evaluation import daily_improvement, measure
from mlops_assets.modeling.fairness import fairness
from mlops_assets.modeling.frames import Scores, score
from mlops_assets.modeling.importance import importance
from mlops_assets.modeling.intervals import DayDraws, calibration_line, intervals
from mlops_assets.modeling.serialization import Loaded, from_files
from mlops_assets.modeling.slices import slices
from mlops_assets.steps.evaluated import Evaluated, evaluated
from mlops_assets.steps.staleness import Stale, staleness
from mlops_assets.steps.training import TrainedRecord, one_row, only_row
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores

# Rows whose inputs are shuffled to see what the model loses.
IMPORTANCE_ROWS = 1000
# What is another each time that it is measured, or with other models beside it.
VOLATILE = ("milliseconds", "importance", "stale")
OTHER_QUESTION = "it was trained on features, a label or a moment that are declared otherwise by now"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """Evidence, and what people look at beside it.

    importance: input -> what the log loss would lose without it. stale: models of earlier dates on the same rows.
    """

    evidence: Evidence
    labels: Scores
    scores: Scores
    importance: dict[str, float]
    stale: list[Stale]


@dataclass(frozen=True)
class Reigns:
    """The version that a challenger is compared with."""

    version: int
    champion: Loaded


@dataclass(frozen=True)
class Rival:
    """What the scores of the same rows are held against. comparison: None when no version reigned before."""

    baseline: Scores
    champion: Scores | None
    comparison: Comparison | None
    notes: list[str]


def evaluate(
    stores: Stores,
    catalog: Catalog,
    model: Model,
    training_set: Pinned,
    trained: TrainedRecord,
    say: Progress,
) -> Evaluation:
    """Score the rows kept for evaluation, and compare with the baseline and the version that reigned before.

    say: told what is being done.
    """
    found = evaluated(stores, catalog, model, training_set)
    loaded = loaded_model(stores, trained.artifact_digest)
    scores = score(loaded.model, loaded.inputs, found.rows)
    say(
        f"{len(found.rows):,} rows are scored; comparing, cutting slices and trying what must not change an answer"
    )
    evidence = measured(catalog, model, trained, loaded, found, scores, _reigning(stores, model, trained))
    say("shuffling inputs, and asking models of earlier dates")
    shuffled = sample(found.rows.assign(_label=found.labels), seed=model.seed, most=IMPORTANCE_ROWS)
    weighed = importance(
        loaded.model, loaded.inputs, shuffled, shuffled["_label"].to_numpy(), seed=model.seed
    )
    stale = list(staleness(stores, model.name, trained.as_of, loaded.question, found))
    return Evaluation(evidence, found.labels, scores, weighed, stale)


def measured(
    catalog: Catalog,
    model: Model,
    trained: TrainedRecord,
    loaded: Loaded,
    found: Evaluated,
    scores: Scores,
    reigning: Reigns | None,
) -> Evidence:
    """All that a gate may look at, of a model on the rows kept for evaluation, beside the version that reigns."""
    rival = _rival(loaded, found, scores, reigning)
    behaviour, numbers, took = _tried(model, loaded, found, scores)
    draws, days = DayDraws.of(found.days, seed=model.seed), found.days
    return Evidence(
        model=model.name,
        as_of=trained.as_of,
        model_digest=trained.model_digest,
        rows=len(found.rows),
        positives=int(found.labels.sum()),
        first_day=str(days.min()) if len(days) else "",
        last_day=str(days.max()) if len(days) else "",
        metrics=measure(found.labels, scores),
        baseline=measure(found.labels, rival.baseline),
        champion=rival.comparison,
        notes=rival.notes,
        recipe=meaning(model.recipe(catalog.input_types(model)), loaded.question),
        intervals=intervals(found.labels, scores, draws),
        slices=list(_slices(model, found, scores, rival)),
        groups=list(_groups(model, found, scores, draws)),
        behaviour=behaviour,
        calibration=calibration_line(found.labels, scores),
        stability=_stability(model, scores, rival.champion),
        numeric=numbers,
        milliseconds=took,
    )


def produced(found: Evaluation, *inputs: Pinned) -> Produced:
    """The evidence as the one row of its partition, with what people look at beside it."""
    evidence = found.evidence
    values: dict[str, Any] = {
        "as_of": evidence.as_of,
        "rows": evidence.rows,
        "positives": evidence.positives,
        **{metric: float(value) for metric, value in sorted(evidence.metrics.items())},
        "evidence": canonical(evidence),
        "milliseconds": json.dumps(evidence.milliseconds),
        "importance": json.dumps(found.importance),
        "stale": json.dumps([asdict(one) for one in found.stale]),
    }
    return one_row(values, evidence.as_of, *inputs, volatile=VOLATILE)


def recorded_evidence(stores: Stores, report: Pinned) -> Evidence:
    """The evidence of a pinned evaluation report."""
    row = only_row(stores, report)
    return replace(
        Evidence.from_dict(json.loads(row["evidence"])), milliseconds=json.loads(row["milliseconds"])
    )


def canonical(evidence: Evidence) -> str:
    """The evidence as JSON, spelled the same wherever it is equal: without what no two measurements share."""
    return json.dumps(replace(evidence, milliseconds={}).to_dict(), sort_keys=True)


def evidence_digest(evidence: Evidence) -> str:
    """The fingerprint by which a decision names its evidence."""
    return hashlib.sha256(canonical(evidence).encode()).hexdigest()[:32]


def loaded_model(stores: Stores, artifact_digest: str) -> Loaded:
    """The model in an artifact. Raises ArtifactMismatch when its files are not what was stored."""
    return from_files(stores.artifacts.load(artifact_digest))


def _reigning(stores: Stores, model: Model, trained: TrainedRecord) -> Reigns | None:
    release = stores.releases.predecessor(model.name, as_of=trained.as_of, model_digest=trained.model_digest)
    return None if release is None else Reigns(release.version, loaded_model(stores, release.artifact_digest))


def _rival(loaded: Loaded, found: Evaluated, scores: Scores, reigning: Reigns | None) -> Rival:
    baseline = score(loaded.baseline, loaded.inputs, found.rows)
    if reigning is None:
        return Rival(baseline, None, None, ["no version reigned before"])
    champion, version = reigning.champion, reigning.version
    if champion.question != loaded.question:
        compared = Comparison(version, {}, {}, incomparable=OTHER_QUESTION)
        return Rival(baseline, None, compared, [f"version {version}: {OTHER_QUESTION}"])
    theirs = score(champion.model, champion.inputs, found.rows)
    daily = daily_improvement(found.labels, challenger=scores, champion=theirs, days=found.days)
    metrics, days = measure(found.labels, theirs), sorted(set(found.days))
    return Rival(baseline, theirs, Comparison(version, metrics, dict(daily), days=days), [])


def _slices(model: Model, found: Evaluated, scores: Scores, rival: Rival) -> Iterator[Slice]:
    for column in model.evaluation.slices:
        for cut in slices(column, found.column(column)):
            rows = int(cut.rows.sum())
            named = Slice(column, cut.value, rows, int(found.labels[cut.rows].sum()))
            if rows < model.evaluation.at_least_rows:
                yield replace(named, too_few=True)
                continue
            inside = partial(_daily, found, scores, cut.rows)
            yield replace(
                named,
                metrics=measure(found.labels[cut.rows], scores[cut.rows]),
                baseline=inside(rival.baseline),
                champion=inside(rival.champion),
            )


def _daily(
    found: Evaluated, scores: Scores, rows: npt.NDArray[np.bool_], theirs: Scores | None
) -> dict[str, list[float]]:
    """By how much each day's loss was lower than another model's, on some of the rows."""
    if theirs is None:
        return {}
    labels, days = found.labels[rows], found.days[rows]
    return dict(daily_improvement(labels, challenger=scores[rows], champion=theirs[rows], days=days))


def _groups(model: Model, found: Evaluated, scores: Scores, draws: DayDraws | None) -> Iterator[Group]:
    asked = model.evaluation
    for column in asked.groups:
        cut = list(slices(column, found.column(column)))
        one = fairness(
            column,
            cut,
            found.labels,
            scores,
            draws,
            threshold=asked.threshold,
            at_least_rows=asked.at_least_rows,
        )
        yield Group(
            column=column,
            treated=[asdict(each) for each in one.treated],
            too_few=list(one.too_few),
            selection_ratio=one.selection_ratio,
            selection_ratio_interval=list(one.selection_ratio_interval),
            opportunity_gap=one.opportunity_gap,
            opportunity_gap_interval=list(one.opportunity_gap_interval),
        )


def _tried(
    model: Model, loaded: Loaded, found: Evaluated, scores: Scores
) -> tuple[list[Behaviour], dict[str, float], dict[str, float]]:
    asked, inputs = model.evaluation, loaded.inputs
    rows = sample(found.rows, seed=model.seed)
    tested = [
        invariance(loaded.model, inputs, rows, column, tolerance, seed=model.seed)
        for column, tolerance in asked.invariances.items()
        if column in inputs.columns
    ]
    tested += [
        direction(loaded.model, inputs, rows, column, way)
        for column, way in asked.directions.items()
        if column in inputs.columns
    ]
    singly = alone(loaded.model, inputs, rows)
    numbers = numeric(loaded.model, inputs, rows, scores) | {"alone": singly.difference}
    batch = together(loaded.model, inputs, rows)
    took = _took(singly.milliseconds) | ({} if batch is None else {f"{len(rows)} rows at once": batch})
    return [Behaviour(**asdict(one)) for one in tested], numbers, took


def _took(milliseconds: tuple[float, ...]) -> dict[str, float]:
    if not milliseconds:
        return {}
    return {name: float(np.quantile(milliseconds, at)) for name, at in (("p50", 0.5), ("p95", 0.95))}


def _stability(model: Model, scores: Scores, champion: Scores | None) -> dict[str, float]:
    if champion is None:
        return {}
    return agreement(scores, champion, threshold=model.evaluation.threshold)
