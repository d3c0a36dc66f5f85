"""How models of earlier as-of dates do on the newest rows: what waiting to retrain costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from mlops_assets.modeling.evaluation import measure
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.serialization import from_files
from mlops_assets.steps.evaluated import Evaluated
from mlops_assets.steps.training import trained_record
from mlops_assets.stores.stores import Stores

# Of more earlier models the newest so many.
MOST = 8


@dataclass(frozen=True)
class Stale:
    """A model of an earlier date on the same rows. days: how much earlier."""

    as_of: str
    days: int
    metrics: dict[str, float]


def staleness(stores: Stores, model: str, as_of: str, question: str, found: Evaluated) -> Iterator[Stale]:
    """Every earlier trained model that answers the same question, the newest first."""
    table = f"{model}/model"
    earlier = sorted(
        (one.partition for one in stores.records.contents(table) if one.partition < as_of), reverse=True
    )
    for partition in earlier[:MOST]:
        record = trained_record(stores, stores.lake.pin(table, [partition]))
        loaded = from_files(stores.artifacts.load(record.artifact_digest))
        if loaded.question == question:
            scores = score(loaded.model, loaded.inputs, found.rows)
            days = (date.fromisoformat(as_of) - date.fromisoformat(partition)).days
            yield Stale(partition, days, measure(found.labels, scores))
