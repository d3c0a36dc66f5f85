"""Rows cut by the values of a column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

MISSING = "(missing)"
OTHERS = "(others)"
# Numbers of more different values are cut at their quartiles; of more categories the rarest are taken together.
FEW, MOST = 12, 30


@dataclass(frozen=True)
class Slice:
    """The rows of one value of a column, as a mask."""

    column: str
    value: str
    rows: npt.NDArray[np.bool_]


def slices(column: str, values: pd.Series[Any]) -> Iterator[Slice]:
    """Every slice of a column, in order of the values; each row is in exactly one."""
    named = _named(values)
    for value in dict.fromkeys([*named.cat.categories, MISSING]):
        rows = (named == value).to_numpy() if value in named.cat.categories else named.isna().to_numpy()
        if rows.any():
            yield Slice(column, value, rows)


def _named(values: pd.Series[Any]) -> pd.Series[Any]:
    """Each value as text, ordered, missing ones as missing."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _numbers(values.astype("float64"))
    if pd.api.types.is_datetime64_any_dtype(values):
        return _categories(values.dt.strftime("%Y-%m").where(values.notna()))
    return _categories(values.astype(object).where(values.notna()).map(str, na_action="ignore"))


def _categories(values: pd.Series[Any]) -> pd.Series[Any]:
    frequent = values.value_counts().sort_index(kind="stable").nlargest(MOST).index
    kept = values.where(values.isin(frequent) | values.isna(), OTHERS)
    order = [*sorted(frequent), *([OTHERS] if (kept == OTHERS).any() else [])]
    return kept.astype(pd.CategoricalDtype(list(dict.fromkeys(order))))


def _numbers(values: pd.Series[float]) -> pd.Series[Any]:
    distinct = np.sort(values.dropna().unique())
    if len(distinct) <= FEW:
        named = {value: f"{value:g}" for value in distinct}
        return values.map(named).astype(pd.CategoricalDtype(list(dict.fromkeys(named.values()))))
    # Edges are values that occur, so that the names say what is inside.
    edges = np.unique(values.dropna().quantile([0, 0.25, 0.5, 0.75, 1], interpolation="lower"))
    if len(edges) < 3:
        edges = np.unique([distinct[0], distinct[1], distinct[-1]])
    names = [f"{'[' if low == edges[0] else '('}{low:g}, {high:g}]" for low, high in pairwise(edges)]
    inside = np.clip(np.searchsorted(edges[1:], values, side="left"), 0, len(names) - 1)
    inside_of = [None if missing else names[at] for missing, at in zip(values.isna(), inside, strict=True)]
    return pd.Series(inside_of, values.index, dtype=pd.CategoricalDtype(names))
