"""Evidence about a trained model: its scores on the newest mature labels, beside the baseline and the champion."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.modeling.evaluation import daily_improvement, measure
from mlops_assets.modeling.frames import Scores, score
from mlops_assets.modeling.report import evaluation_plot
from mlops_assets.modeling.serialization import Loaded, from_files
from mlops_assets.steps.training import TrainedRecord, one_row, only_row
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class Evaluation:
    """Evidence and the picture of it."""

    evidence: Evidence
    plot: bytes


def evaluate(
    stores: Stores, model: Model, training_set: Pinned, trained: TrainedRecord, *, timezone: str
) -> Evaluation:
    """Score the rows kept for evaluation and compare with the version that reigned before.

    timezone: whose days the comparison with the champion is paired by.
    """
    sql = f"SELECT * FROM training_set WHERE {USE} = 'evaluate'"
    rows = stores.engine.rows(sql, {"training_set": training_set}).to_pandas()
    challenger = _load(stores, trained.artifact_digest)
    labels = rows[LABEL].to_numpy(dtype=np.float64)
    scores = score(challenger.model, challenger.inputs, rows)
    days = _local_days(rows, timezone)
    rival = stores.releases.predecessor(model.name, as_of=trained.as_of, model_digest=trained.model_digest)
    compared, notes = _compare(stores, rival, challenger, rows, labels, scores, days)
    evidence = Evidence(
        model=model.name,
        as_of=trained.as_of,
        model_digest=trained.model_digest,
        rows=len(rows),
        positives=int(labels.sum()),
        first_day=str(days.min()) if len(days) else "",
        last_day=str(days.max()) if len(days) else "",
        metrics=measure(labels, scores),
        baseline=measure(labels, score(challenger.baseline, challenger.inputs, rows)),
        champion=compared,
        notes=notes,
    )
    title = (
        f"{model.name} as of {trained.as_of}: {len(rows):,} rows, {evidence.first_day} to {evidence.last_day}"
    )
    return Evaluation(evidence, evaluation_plot(labels, scores, title=title))


def produced(evidence: Evidence, *inputs: Pinned) -> Produced:
    """The evidence as the one row of its partition."""
    values: dict[str, Any] = {
        "as_of": evidence.as_of,
        "rows": evidence.rows,
        "positives": evidence.positives,
        **{metric: float(value) for metric, value in sorted(evidence.metrics.items())},
        "evidence": canonical(evidence),
    }
    return one_row(values, evidence.as_of, *inputs)


def recorded_evidence(stores: Stores, report: Pinned) -> Evidence:
    """The evidence of a pinned evaluation report."""
    return Evidence.from_dict(json.loads(only_row(stores, report)["evidence"]))


def canonical(evidence: Evidence) -> str:
    """The evidence as JSON, spelled the same wherever it is equal."""
    return json.dumps(evidence.to_dict(), sort_keys=True)


def evidence_digest(evidence: Evidence) -> str:
    """The fingerprint by which a decision names its evidence."""
    return hashlib.sha256(canonical(evidence).encode()).hexdigest()[:32]


def _load(stores: Stores, artifact_digest: str) -> Loaded:
    return from_files(stores.artifacts.load(artifact_digest))


def _compare(
    stores: Stores,
    rival: Release | None,
    challenger: Loaded,
    rows: pd.DataFrame,
    labels: Scores,
    scores: Scores,
    days: pd.Series[str],
) -> tuple[Comparison | None, list[str]]:
    if rival is None:
        return None, ["no version reigned before"]
    champion = _load(stores, rival.artifact_digest)
    if champion.question != challenger.question:
        why = "it was trained on features, a label or a moment that are declared otherwise by now"
        return Comparison(rival.version, {}, {}, incomparable=why), [f"version {rival.version}: {why}"]
    theirs = score(champion.model, champion.inputs, rows)
    daily = daily_improvement(labels, challenger=scores, champion=theirs, days=days)
    return Comparison(rival.version, measure(labels, theirs), dict(daily)), []


def _local_days(rows: pd.DataFrame, timezone: str) -> pd.Series[str]:
    local: pd.Series[str] = rows["event_time"].dt.tz_convert(timezone).dt.strftime("%Y-%m-%d")
    return local
