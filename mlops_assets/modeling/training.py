"""Fit the declared model and its baseline on the training rows of a training set."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops_assets.declaration.recipe import Recipe
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.errors import TrainingRefused
from mlops_assets.modeling.estimators import fitted
from mlops_assets.modeling.frames import frame, probabilities
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.search import Searched, searched
from mlops_assets.modeling.threads import a_core_to_spare


@dataclass(frozen=True)
class Trained:
    """A fitted model beside its fitted baseline.

    digest: SHA-256 of the model's exact scores on its training rows: equal behaviour, equal
        digest, whatever file it is stored in. dropped: inputs without a value in the window.
    parameters: of the estimator, with those that a search has chosen. cpu_seconds: that fitting took.
    """

    model: Any
    baseline: Any
    inputs: Inputs
    dropped: tuple[str, ...]
    rows: int
    digest: str
    parameters: dict[str, Any]
    searched: Searched | None
    cpu_seconds: float


def split_inputs(types: Mapping[str, str]) -> Inputs:
    """Input columns by preparation: strings are categories, all else numbers."""
    return Inputs(
        categories=tuple(name for name, kind in types.items() if kind == "string"),
        numbers=tuple(name for name, kind in types.items() if kind != "string"),
    )


def train(recipe: Recipe, rows: pd.DataFrame) -> Trained:
    """Fit on the rows whose ``use`` is ``train``; deterministic for equal rows, recipe, code and environment.

    Raises TrainingRefused when there are no rows, only one class, or no input that has a value.
    """
    training = rows[rows[USE] == "train"]
    labels, inputs = training[LABEL].astype(bool), split_inputs(recipe.inputs)
    if labels.nunique() < 2:
        raise TrainingRefused(
            f"{recipe.model}: the training window has {len(training)} labelled rows with "
            f"{int(labels.sum())} positive ones; a classifier needs rows of both kinds. "
            "Materialize the missing days, or widen window.train_days."
        )
    empty = tuple(column for column in inputs.columns if training[column].isna().all())
    usable = inputs.without(empty)
    if not usable.columns:
        raise TrainingRefused(
            f"{recipe.model}: none of {', '.join(inputs.columns) or 'its inputs'} has a value in the training "
            "window; materialize the features for its days."
        )
    begun = time.process_time()
    with a_core_to_spare():
        found = searched(recipe, recipe.search, usable, training) if recipe.search else None
        estimator = recipe.estimator.with_parameters(found.parameters) if found else recipe.estimator
        prepared = frame(training, usable)
        model = fitted(estimator, usable, prepared, labels, seed=recipe.seed)
        baseline = fitted(recipe.baseline, usable, prepared, labels, seed=recipe.seed)
    took = time.process_time() - begun
    digest = hashlib.sha256(probabilities(model, prepared).tobytes()).hexdigest()[:32]
    return Trained(model, baseline, usable, empty, len(training), digest, estimator.parameters, found, took)
