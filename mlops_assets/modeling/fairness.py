"""Whether the values of a column are treated alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.intervals import Array, DayDraws, interval
from mlops_assets.modeling.slices import Slice

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Treated:
    """One value of a group column. selected_of_positives: None when no row of it is positive."""

    value: str
    rows: int
    positives: int
    selected: float
    selected_of_positives: float | None


@dataclass(frozen=True)
class Fairness:
    """A group column. too_few: values with fewer rows than are asked for, of which nothing is said.

    selection_ratio: the smallest share selected over the greatest; opportunity_gap: the greatest share selected of
    positives less the smallest; each with its 95% interval, empty when it cannot be had. None with fewer than two
    values to compare.
    """

    column: str
    treated: tuple[Treated, ...]
    too_few: tuple[str, ...]
    selection_ratio: float | None
    selection_ratio_interval: tuple[float, ...]
    opportunity_gap: float | None
    opportunity_gap_interval: tuple[float, ...]


def fairness(
    column: str,
    cut: Sequence[Slice],
    labels: Scores,
    scores: Scores,
    draws: DayDraws | None,
    *,
    threshold: float,
    at_least_rows: int,
) -> Fairness:
    """How the values of one column are treated."""
    large = [one for one in cut if one.rows.sum() >= at_least_rows]
    selected: Mask = scores >= threshold
    positive: Mask = labels > 0.5
    treated = tuple(_treated(one, selected, positive) for one in large)
    members = np.array([one.rows for one in large], dtype=np.float64).reshape(len(large), len(labels)).T
    selection = _rates(members, selected, draws)
    opportunity = _rates(members * positive[:, None], selected, draws)
    return Fairness(
        column,
        treated,
        tuple(one.value for one in cut if one.rows.sum() < at_least_rows),
        *_told(ratios(selection)),
        *_told(gaps(opportunity)),
    )


def ratios(rates: Array) -> Array:
    """The smallest over the greatest, of each row; not a number with fewer than two, or when all are zero."""
    if rates.shape[1] < 2:
        return np.full(len(rates), np.nan)
    greatest = rates.max(axis=1)
    return np.where(greatest > 0, rates.min(axis=1) / np.where(greatest > 0, greatest, 1), np.nan)


def gaps(rates: Array) -> Array:
    """The greatest less the smallest, of each row; not a number with fewer than two."""
    return np.ptp(rates, axis=1) if rates.shape[1] > 1 else np.full(len(rates), np.nan)


def _rates(members: Array, selected: Mask, draws: DayDraws | None) -> Array:
    """The share selected of each column's members, of all rows first and then of every draw of days."""
    picked = members * selected[:, None]
    every = [(picked.sum(axis=0)[None, :], members.sum(axis=0)[None, :])]
    if draws is not None:
        every.append((draws.sums(picked), draws.sums(members)))
    above, below = (np.concatenate(parts) for parts in zip(*every, strict=True))
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _told(values: Array) -> tuple[float | None, tuple[float, ...]]:
    """The figure of all rows, and its interval from the draws."""
    first = float(values[0])
    drawn = tuple(interval(values[1:])) if len(values) > 1 else ()
    return (first, drawn) if np.isfinite(first) else (None, ())


def _treated(one: Slice, selected: Mask, positive: Mask) -> Treated:
    positives = one.rows & positive
    share = float(selected[positives].mean()) if positives.any() else None
    return Treated(
        one.value, int(one.rows.sum()), int(positives.sum()), float(selected[one.rows].mean()), share
    )
