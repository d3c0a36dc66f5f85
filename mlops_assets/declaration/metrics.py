"""What a model is measured by, and which way is better."""

from __future__ import annotations

import math
from typing import Literal

Metric = Literal["roc_auc", "log_loss", "brier", "calibration_error", "accuracy"]
HIGHER_IS_BETTER: dict[str, bool] = {
    "roc_auc": True,
    "accuracy": True,
    "log_loss": False,
    "brier": False,
    "calibration_error": False,
}

# The log loss of rows once the level of their day is known: how well a model tells the rows of a day apart.
WITHIN_DAYS = "log_loss_within_days"

HIGHEST: dict[str, float] = {
    **dict.fromkeys(HIGHER_IS_BETTER, 1.0),
    "log_loss": math.inf,
    WITHIN_DAYS: math.inf,
}
