"""Try parameters on blocks of time, and keep everything that was tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops_assets.declaration.metrics import HIGHER_IS_BETTER
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.declaration.search import Search
from mlops_assets.declaration.training_columns import LABEL, LABEL_KNOWN_AT
from mlops_assets.errors import TrainingRefused
from mlops_assets.modeling.estimators import fitted
from mlops_assets.modeling.evaluation import measure
from mlops_assets.modeling.frames import frame, probabilities
from mlops_assets.modeling.inputs import Inputs


@dataclass(frozen=True)
class Fold:
    """Rows that are learned from and the block of days after them; both as positions in the training rows."""

    first_day: str
    last_day: str
    learned: np.ndarray[tuple[int], np.dtype[np.int64]]
    measured: np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Tried:
    """One combination of parameters, and the metric on each block, oldest first."""

    parameters: dict[str, Any]
    values: list[float]

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True)
class Searched:
    """Everything that was tried, in order. blocks: of each the days, and how many rows were learned from and measured.

    combinations: how many there were to draw from. chosen: the index of the one that won.
    """

    metric: str
    blocks: list[dict[str, Any]]
    combinations: int
    tried: list[Tried]
    chosen: int

    @property
    def parameters(self) -> dict[str, Any]:
        """Those that won."""
        return self.tried[self.chosen].parameters

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": self.parameters}


def searched(recipe: Recipe, search: Search, inputs: Inputs, rows: pd.DataFrame) -> Searched:
    """Fit every combination before each block and measure it there.

    Raises TrainingRefused when the days do not suffice, or a block does not allow the metric.
    """
    folds = list(_folds(recipe.model, search, rows))
    tried = [
        Tried(parameters, [_measured(recipe, search, inputs, rows, fold, parameters) for fold in folds])
        for parameters in _combinations(search, recipe.seed)
    ]
    sign = 1.0 if HIGHER_IS_BETTER[search.metric] else -1.0
    best = max(range(len(tried)), key=lambda index: (sign * tried[index].mean, -index))
    return Searched(search.metric, [_told(fold) for fold in folds], search.combinations, tried, best)


def _combinations(search: Search, seed: int) -> list[dict[str, Any]]:
    """In the order in which they are declared, or so many of them drawn without repetition."""
    every = (
        dict(zip(search.over, values, strict=True)) for values in itertools.product(*search.over.values())
    )
    if search.combinations <= search.at_most:
        return list(every)
    drawn = set(
        np.random.default_rng(seed).choice(search.combinations, search.at_most, replace=False).tolist()
    )
    return [one for index, one in enumerate(every) if index in drawn]


def _folds(model: str, search: Search, rows: pd.DataFrame) -> Iterator[Fold]:
    day = rows["event_time"].dt.strftime("%Y-%m-%d").to_numpy()
    known = rows[LABEL_KNOWN_AT]
    days = np.unique(day)
    if len(days) < search.folds + 1:
        raise TrainingRefused(
            f"{model}: the search needs rows on {search.folds + 1} days to make {search.folds} folds, found "
            f"{len(days)}; widen window.train_days or lower search.folds"
        )
    for block in np.array_split(days, search.folds + 1)[1:]:
        inside = (day >= block[0]) & (day <= block[-1])
        begins = rows.loc[inside, "event_time"].min()
        before = (day < block[0]) & (known < begins).to_numpy()
        yield Fold(str(block[0]), str(block[-1]), np.flatnonzero(before), np.flatnonzero(inside))


def _measured(
    recipe: Recipe,
    search: Search,
    inputs: Inputs,
    rows: pd.DataFrame,
    fold: Fold,
    parameters: dict[str, Any],
) -> float:
    learned, measured = rows.iloc[fold.learned], rows.iloc[fold.measured]
    if learned[LABEL].astype(bool).nunique() < 2:
        raise TrainingRefused(
            f"{recipe.model}: the search has {len(learned)} rows of one class to learn from before "
            f"{fold.first_day}; widen window.train_days or lower search.folds"
        )
    labels, estimator = learned[LABEL].astype(bool), recipe.estimator.with_parameters(parameters)
    pipeline = fitted(estimator, inputs, frame(learned, inputs), labels, seed=recipe.seed)
    scores = probabilities(pipeline, frame(measured, inputs))
    found = measure(measured[LABEL].to_numpy(dtype=np.float64), scores)
    if search.metric not in found:
        raise TrainingRefused(
            f"{recipe.model}: {search.metric} cannot be measured from {fold.first_day} to {fold.last_day}, where all "
            f"{len(measured)} labels are of one class; lower search.folds or search by log_loss"
        )
    return found[search.metric]


def _told(fold: Fold) -> dict[str, Any]:
    return {
        "first_day": fold.first_day,
        "last_day": fold.last_day,
        "learned": len(fold.learned),
        "measured": len(fold.measured),
    }
