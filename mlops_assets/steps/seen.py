"""What looks at a champion saw, read back from its reports."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_assets.declaration.model import Model
from mlops_assets.governance.retraining import Seen
from mlops_assets.steps.performance import recorded_performance
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

NOTHING = "none"


def seen_in(stores: Stores, model: Model, champion: Release, looks: Sequence[str]) -> list[Seen]:
    """What the reports of these as-of dates say of this champion, in their order; of another one's, nothing."""
    table = f"{model.name}/drift_report"
    rows = stores.engine.rows(
        "SELECT as_of, model_digest, severity FROM reports", {"reports": stores.lake.pin(table, list(looks))}
    ).to_pylist()
    severities = {
        row["as_of"]: row["severity"] for row in rows if row["model_digest"] == champion.model_digest
    }
    performed = recorded_performance(stores, model, looks)
    found = []
    for as_of in looks:
        severity, performance = severities.get(as_of, NOTHING), performed[as_of]
        grown = performance.grown if performance.model_digest == champion.model_digest else None
        found.append(Seen(as_of, None if severity == NOTHING else severity, grown))
    return found
