"""Rows as estimators take them, and what estimators answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.threads import a_core_to_spare

Scores = np.ndarray[tuple[int], np.dtype[np.float64]]


def score(pipeline: Any, inputs: Inputs, rows: pd.DataFrame) -> Scores:
    """The probability of the positive class, shape (n,), in the order of ``rows``."""
    return probabilities(pipeline, frame(rows, inputs))


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


def shuffled(prepared: pd.DataFrame, column: str, random: np.random.Generator) -> pd.DataFrame:
    """The same rows, where one input takes the values of other rows and keeps its type."""
    others = prepared[column].take(random.permutation(len(prepared))).to_numpy()
    return prepared.assign(**{column: others})


def probabilities(pipeline: Any, prepared: pd.DataFrame) -> Scores:
    """The probability of the positive class for rows that ``frame`` made, shape (n,)."""
    if not len(prepared):
        return np.empty(0)
    with a_core_to_spare():
        answers = pipeline.predict_proba(prepared)[:, 1]
    return np.ascontiguousarray(answers, dtype=np.float64)


def _as_numbers(values: pd.Series[Any]) -> pd.Series[float]:
    if pd.api.types.is_datetime64_any_dtype(values):
        return (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(seconds=1)
    return values.astype("float64")
