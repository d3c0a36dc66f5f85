"""Rows as a service has them, one dictionary each, as estimators take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.modeling.inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def frame_of(records: Sequence[Mapping[str, Any]], inputs: Inputs) -> pd.DataFrame:
    """What ``frame`` makes of the same rows, many times as fast for a few of them.

    Records have every input, None where it is missing; a moment is a datetime with a zone, or its seconds since 1970.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for column in inputs.categories:
        columns[column] = np.empty(len(records), dtype=object)
        columns[column][:] = [np.nan if row[column] is None else row[column] for row in records]
    for column in inputs.numbers:
        columns[column] = np.array([as_number(row[column]) for row in records], dtype=np.float64)
    return pd.DataFrame(columns, copy=False)


def as_number(value: Any) -> float:
    """A number, a flag or a moment as estimators take it; NaN where it is missing."""
    if value is None:
        return np.nan
    if isinstance(value, datetime):
        # As pandas divides a moment: nanoseconds as a float, which may be rounded.
        return (value - EPOCH) // timedelta(microseconds=1) * 1000 / 1e9
    return float(value)
