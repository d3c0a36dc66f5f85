"""What looks at a champion saw, read back from its reports."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlops_assets.declaration.model import Model
from mlops_assets.declaration.retraining import DriftOf
from mlops_assets.declaration.training_columns import LABEL
from mlops_assets.governance.retraining import Seen
from mlops_assets.monitoring.findings import DriftReport, Severity
from mlops_assets.steps.performance import recorded_performance
from mlops_assets.steps.population import SCORE
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

# Columns of a report that are no inputs, by what they are called in a declaration.
OTHERS = {SCORE: "scores", LABEL: "labels"}


def seen_in(stores: Stores, model: Model, champion: Release, looks: Sequence[str]) -> list[Seen]:
    """What the reports of these as-of dates say of this champion, in their order; of another one's, nothing."""
    rows = stores.engine.rows(
        "SELECT as_of, model_digest, report FROM reports",
        {"reports": stores.lake.pin(f"{model.name}/drift_report", list(looks))},
    ).to_pylist()
    drifted = {
        row["as_of"]: severity(DriftReport.from_dict(json.loads(row["report"])), model.retraining.drift_of)
        for row in rows
        if row["model_digest"] == champion.model_digest
    }
    performed = recorded_performance(stores, model, looks)
    found = []
    for as_of in looks:
        one = performed[as_of]
        own = one.model_digest == champion.model_digest
        found.append(
            Seen(as_of, drifted.get(as_of), one.grown if own else None, one.new_labels if own else 0)
        )
    return found


def severity(report: DriftReport, counted: Sequence[DriftOf]) -> Severity | None:
    """The worst that a report says of what counts as having moved."""
    said = {
        finding.severity
        for finding in report.findings
        if finding.verdict == "drift" and OTHERS.get(finding.column, "inputs") in counted
    }
    return "error" if "error" in said else "warn" if "warn" in said else None
