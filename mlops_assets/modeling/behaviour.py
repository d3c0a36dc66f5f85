"""What must not change an answer, what must change it one way only, and whether arithmetic does as it should."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlops_assets.declaration.evaluation import Direction
from mlops_assets.modeling.frames import Scores, frame, probabilities, score, shuffled
from mlops_assets.modeling.inputs import Inputs

# Rows that are tried; of one at a time so many, after some that warm up.
ROWS, ALONE, WARM = 500, 60, 5
# Of all of them at once the middle of so many times is told.
BATCHES = 5
PERMUTATIONS = 3
# A probability that goes this little the wrong way is rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Tested:
    """An invariance or a direction of one input. violations: the share of rows against it. largest: by how much."""

    kind: Literal["invariance", "increasing", "decreasing"]
    column: str
    rows: int
    violations: float
    largest: float


def sample(rows: pd.DataFrame, *, seed: int, most: int = ROWS) -> pd.DataFrame:
    """At most so many rows, drawn without repetition, in their order."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def invariance(
    model: Any, inputs: Inputs, rows: pd.DataFrame, column: str, tolerance: float, *, seed: int
) -> Tested:
    """An input takes the values of other rows; every probability may change by the tolerance at most."""
    prepared, random = frame(rows, inputs), np.random.default_rng(seed)
    before, change = probabilities(model, prepared), np.zeros(len(rows))
    for _ in range(PERMUTATIONS):
        after = probabilities(model, shuffled(prepared, column, random))
        change = np.maximum(change, np.abs(after - before))
    return _tested("invariance", column, change, tolerance)


def direction(model: Any, inputs: Inputs, rows: pd.DataFrame, column: str, way: Direction) -> Tested:
    """A number grows by its interquartile range; no probability may go the other way. Missing values stay."""
    prepared = frame(rows, inputs)
    values = prepared[column]
    step = float(values.quantile(0.75) - values.quantile(0.25)) or float(values.std()) or 1.0
    grown = probabilities(model, prepared.assign(**{column: values + (step if step == step else 1.0)}))
    change = grown - probabilities(model, prepared)
    return _tested(way, column, -change if way == "increasing" else change, ROUNDING)


def _tested(kind: Any, column: str, against: Scores, tolerance: float) -> Tested:
    largest = float(np.max(against, initial=0.0))
    violations = float((against > tolerance).mean()) if len(against) else 0.0
    return Tested(kind, column, len(against), violations, largest)


@dataclass(frozen=True)
class Alone:
    """Rows scored one at a time, as a service does. difference: the greatest from scoring them together."""

    difference: float
    milliseconds: tuple[float, ...]


def alone(model: Any, inputs: Inputs, rows: pd.DataFrame) -> Alone:
    """Score some rows alone, and together; how long each took, preparing it included."""
    tried = rows.iloc[:ALONE]
    at_once = score(model, inputs, tried)
    single, took = np.empty(len(tried)), []
    for at in [*range(min(WARM, len(tried))), *range(len(tried))]:
        begun = time.perf_counter()
        single[at] = score(model, inputs, tried.iloc[[at]])[0]
        took.append(1000 * (time.perf_counter() - begun))
    difference = float(np.max(np.abs(single - at_once), initial=0.0))
    return Alone(difference, tuple(took[min(WARM, len(tried)) :]))


def together(model: Any, inputs: Inputs, rows: pd.DataFrame) -> float | None:
    """The milliseconds that all of the rows take at once, preparing them included; None without rows."""
    if not len(rows):
        return None
    took = []
    for _ in range(BATCHES):
        begun = time.perf_counter()
        score(model, inputs, rows)
        took.append(1000 * (time.perf_counter() - begun))
    return float(np.median(took))


def numeric(model: Any, inputs: Inputs, rows: pd.DataFrame, scores: Scores) -> dict[str, float]:
    """Whether probabilities are ones, and whether they depend on the order of rows or on the last digits of inputs.

    outside: how many are not finite or not from 0 to 1. order: the greatest change when rows come in reverse.
    perturbed: when every number is larger by a billionth of itself.
    """
    prepared = frame(rows, inputs)
    before = probabilities(model, prepared)
    reverse = probabilities(model, prepared.iloc[::-1])[::-1]
    moved = {column: prepared[column] * (1 + 1e-9) for column in inputs.numbers}
    perturbed = probabilities(model, prepared.assign(**moved))
    return {
        "outside": float((~(np.isfinite(scores) & (scores >= 0) & (scores <= 1))).sum()),
        "order": float(np.max(np.abs(reverse - before), initial=0.0)),
        "perturbed": float(np.max(np.abs(perturbed - before), initial=0.0)),
    }
