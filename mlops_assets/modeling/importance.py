"""What a model would lose without an input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlops_assets.modeling.evaluation import log_losses
from mlops_assets.modeling.frames import Scores, frame, probabilities, shuffled
from mlops_assets.modeling.inputs import Inputs

REPEATS = 3


def importance(
    model: Any, inputs: Inputs, rows: pd.DataFrame, labels: Scores, *, seed: int
) -> dict[str, float]:
    """Input -> by how much the log loss grows when its values are shuffled, the greatest first (Breiman 2001).

    Inputs that tell the same share what they are worth: each alone may seem to be worth nothing.
    """
    if rows.empty:
        return {}
    prepared, random = frame(rows, inputs), np.random.default_rng(seed)
    before = log_losses(labels, probabilities(model, prepared)).mean()

    def grown(column: str) -> float:
        """All repeats at once, since a call costs more than some rows."""
        repeated = [shuffled(prepared, column, random) for _ in range(REPEATS)]
        scores = probabilities(model, pd.concat(repeated, ignore_index=True))
        return float(log_losses(np.tile(labels, REPEATS), scores).mean() - before)

    found = {column: grown(column) for column in inputs.columns}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
