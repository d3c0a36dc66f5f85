"""Whether the values of a column are treated alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.intervals import LEVEL, Array, DayDraws
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
    positives = members * positive[:, None]
    selection = _Rates.of(members, selected, draws)
    # A value without positive rows has no share selected of them; the others are compared.
    opportunity = _Rates.of(positives[:, positives.any(axis=0)], selected, draws)
    return Fairness(
        column,
        treated,
        tuple(one.value for one in cut if one.rows.sum() < at_least_rows),
        *_ratio(selection),
        *_gap(opportunity),
    )


@dataclass(frozen=True)
class _Rates:
    """The share selected of the members of each group.

    smooth: with half a member more on either side, so that none selected does not look like certainty.
    drawn: the same of each draw of days, None when there are too few. days: how many were drawn from.
    """

    shares: Array
    members: Array
    smooth: Array
    drawn: Array | None
    days: int

    @classmethod
    def of(cls, members: Array, selected: Mask, draws: DayDraws | None) -> _Rates:
        picked = members * selected[:, None]
        above, below = picked.sum(axis=0), members.sum(axis=0)
        drawn = None if draws is None else _smooth(draws.sums(picked), draws.sums(members))
        days = 0 if draws is None else draws.counts.shape[1]
        return cls(above / below, below, _smooth(above, below), drawn, days)


def _smooth(above: Array, below: Array) -> Array:
    return np.asarray((above + 0.5) / (below + 1))


def _ratio(rates: _Rates) -> tuple[float | None, tuple[float, ...]]:
    """The smallest share over the greatest; None with fewer than two groups, or when nobody is selected."""
    if len(rates.shares) < 2 or not rates.shares.any():
        return None, ()
    least = (1 - rates.smooth) / (rates.smooth * (rates.members + 1))
    low, high = _differences(rates, np.log, least)
    return float(rates.shares.min() / rates.shares.max()), _within(np.exp(low.min()), np.exp(high.min()))


def _gap(rates: _Rates) -> tuple[float | None, tuple[float, ...]]:
    """The greatest share less the smallest; None with fewer than two groups."""
    if len(rates.shares) < 2:
        return None, ()
    least = rates.smooth * (1 - rates.smooth) / (rates.members + 1)
    low, high = _differences(rates, np.asarray, least)
    return float(np.ptp(rates.shares)), _within(low.max(), high.max())


def _differences(rates: _Rates, scale: Callable[[Array], Array], least: Array) -> tuple[Array, Array]:
    """Low and high of the difference between each group and each other, all of them at once in 95% (Bonferroni).

    The extremes of many groups lie apart by chance alone, and drawing days again widens that: only bounds that
    hold for all pairs at once say something of the worst one. Not a number with too few days.
    least: the variance of each that as many independent rows would have.
    """
    others = ~np.eye(len(rates.smooth), dtype=bool)
    values = scale(rates.smooth)
    between = (values[:, None] - values[None, :])[others]
    if rates.drawn is None:
        return np.full_like(between, np.nan), np.full_like(between, np.nan)
    together = np.cov(scale(rates.drawn), rowvar=False)
    own = np.diag(together)
    wander = np.maximum(own[:, None] + own[None, :] - 2 * together, least[:, None] + least[None, :])[others]
    reach = stdtrit(rates.days - 1, 1 - (1 - LEVEL) / 2 / len(between)) * np.sqrt(wander)
    return between - reach, between + reach


def _within(low: float, high: float) -> tuple[float, ...]:
    """An interval of what is from 0 to 1; nothing where there is none."""
    return tuple(float(one) for one in np.clip([low, high], 0, 1)) if np.isfinite([low, high]).all() else ()


def _treated(one: Slice, selected: Mask, positive: Mask) -> Treated:
    positives = one.rows & positive
    share = float(selected[positives].mean()) if positives.any() else None
    return Treated(
        one.value, int(one.rows.sum()), int(positives.sum()), float(selected[one.rows].mean()), share
    )
