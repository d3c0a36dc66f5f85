"""Fit the declared model and its baseline on the training rows of a training set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from mlops_assets.declaration.model import Model
from mlops_assets.declaration.training_columns import LABEL, USE
from mlops_assets.errors import TrainingRefused
from mlops_assets.modeling.estimators import Inputs, build_pipeline
from mlops_assets.modeling.threads import a_core_to_spare

Scores = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Trained:
    """A fitted model beside its fitted baseline.

    digest: SHA-256 of the model's exact scores on its training rows: equal behaviour, equal
        digest, whatever file it is stored in. dropped: inputs without a value in the window.
    """

    model: Pipeline
    baseline: Pipeline
    inputs: Inputs
    dropped: tuple[str, ...]
    rows: int
    digest: str


def split_inputs(types: Mapping[str, str]) -> Inputs:
    """Input columns by preparation: strings are categories, all else numbers."""
    return Inputs(
        categories=tuple(name for name, kind in types.items() if kind == "string"),
        numbers=tuple(name for name, kind in types.items() if kind != "string"),
    )


def train(model: Model, inputs: Inputs, rows: pd.DataFrame) -> Trained:
    """Fit on the rows whose ``use`` is ``train``; deterministic for equal rows, code and seed.

    Raises TrainingRefused when there are no rows, only one class, or no input that has a value.
    """
    training = rows[rows[USE] == "train"]
    labels = training[LABEL].astype(bool)
    if labels.nunique() < 2:
        raise TrainingRefused(
            f"{model.name}: the training window has {len(training)} labelled rows with "
            f"{int(labels.sum())} positive ones; a classifier needs rows of both kinds. "
            "Materialize the missing days, or widen window.train_days."
        )
    empty = tuple(column for column in inputs.columns if training[column].isna().all())
    usable = inputs.without(empty)
    if not usable.columns:
        raise TrainingRefused(
            f"{model.name}: none of {', '.join(inputs.columns) or 'its inputs'} has a value in the training "
            "window; materialize the features for its days."
        )
    prepared = frame(training, usable)
    with a_core_to_spare():
        fitted = build_pipeline(model.estimator, usable, seed=model.seed).fit(prepared, labels)
        baseline = build_pipeline(model.baseline, usable, seed=model.seed).fit(prepared, labels)
    digest = hashlib.sha256(_probabilities(fitted, prepared).tobytes()).hexdigest()[:32]
    return Trained(fitted, baseline, usable, empty, len(training), digest)


def score(pipeline: Pipeline, inputs: Inputs, rows: pd.DataFrame) -> Scores:
    """The probability of the positive class, shape (n,), in the order of ``rows``."""
    if rows.empty:
        return np.empty(0)
    return _probabilities(pipeline, frame(rows, inputs))


def frame(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """The input columns as estimators take them: text as objects, the rest as floats, gaps as NaN.

    A moment becomes the seconds since 1970.
    """
    text = {
        column: rows[column].astype(object).where(rows[column].notna(), np.nan)
        for column in inputs.categories
    }
    numbers = {column: _as_numbers(rows[column]) for column in inputs.numbers}
    return pd.DataFrame({**text, **numbers}, index=rows.index)


def _probabilities(pipeline: Pipeline, prepared: pd.DataFrame) -> Scores:
    with a_core_to_spare():
        probabilities: Scores = pipeline.predict_proba(prepared)[:, 1]
    return np.ascontiguousarray(probabilities, dtype=np.float64)


def _as_numbers(values: pd.Series[Any]) -> pd.Series[float]:
    if pd.api.types.is_datetime64_any_dtype(values):
        return (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(seconds=1)
    return values.astype("float64")
