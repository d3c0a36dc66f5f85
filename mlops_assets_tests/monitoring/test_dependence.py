"""Design effects, against those that theory knows."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from mlops_assets.monitoring.comparison import wandering_p
from mlops_assets.monitoring.dependence import category_wander, distribution_wander
from mlops_assets.monitoring.distances import kolmogorov_smirnov, pooled_size
from mlops_assets_tests.monitoring.counted import autoregression


def sign_counts(values: np.ndarray, blocks: int) -> np.ndarray:
    """Rows below and above zero per block: a distribution function with one edge."""
    parts = np.array_split(values < 0, blocks)
    return np.array([[part.sum(), len(part) - part.sum()] for part in parts])


def effect_of_signs(phi: float) -> float:
    """Of a Gaussian autoregression: signs correlate as the arcsine of what values do."""
    lags = np.arange(1, 2000)
    return 1 + 2 * float((2 / math.pi * np.arcsin(phi**lags)).sum())


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    ("windows", "blocks", "most"), [(40, 1, 1.3), (4, 16, 2.5)], ids=["as large as the batch", "smaller"]
)
def test_the_effect_of_an_autoregression_is_what_theory_says_or_safely_above(phi, windows, blocks, most):
    random = np.random.default_rng(1)
    effects = [
        distribution_wander(
            sign_counts(autoregression(random, (windows * 2000,), phi), windows * blocks),
            sign_counts(autoregression(random, (2000,), phi), blocks),
        ).effect
        for _ in range(60)
    ]
    assert 0.9 < np.mean(effects) / effect_of_signs(phi) < most


def day_counts(random: np.random.Generator, days: int, rows: int, phi: float, sd: float) -> np.ndarray:
    """Rows below and above zero per day, where the daily level is an autoregression."""
    level = sd * autoregression(random, (days,), phi)
    below = random.binomial(rows, ndtr(-level))
    return np.stack([below, rows - below], axis=1)


@pytest.mark.parametrize(
    ("weeks", "phi"), [(4, 0.0), (4, 0.5), (4, 0.7), (8, 0.7), (8, 0.9), (28, 0.7), (28, 0.9)]
)
def test_a_wandering_daily_level_seldom_looks_sure_to_have_moved(weeks, phi):
    """Of a thousand quiet weeks, each long after a reference of its own, hardly more than one has p < 0.001."""
    random, days, sure = np.random.default_rng(6), 7 * weeks, 0
    for _ in range(1000):
        counts = day_counts(random, days + 67, 1000, phi, 0.3)
        reference, batch = counts[:days], counts[-7:]
        wander = distribution_wander(reference, batch)
        size = pooled_size(reference.sum(), batch.sum()) / wander.effect
        apart = kolmogorov_smirnov(reference.sum(axis=0), batch.sum(axis=0))
        sure += wandering_p(apart, size, wander.degrees) < 0.001
    assert sure <= 5


def test_a_short_reference_knows_its_effect_less_surely_than_its_days_are_many():
    random = np.random.default_rng(7)
    four, long = (
        np.median(
            [
                distribution_wander(counts[: 7 * weeks], counts[7 * weeks :]).degrees
                for counts in (day_counts(random, 7 * weeks + 7, 1000, 0.5, 0.3) for _ in range(50))
            ]
        )
        for weeks in (4, 28)
    )
    assert four < 12
    assert 15 < long < 28


def test_days_that_differ_count_as_wander():
    random = np.random.default_rng(2)
    days = random.binomial(1000, np.tile([0.4, 0.4, 0.6], 10))
    blocks = np.stack([days, 1000 - days], axis=1)
    wander = distribution_wander(blocks, blocks[:1])
    assert 20 < wander.degrees < 29
    assert 25 < wander.effect < 50


def test_without_blocks_rows_are_taken_as_independent():
    one = np.array([[50, 50]])
    assert distribution_wander(one, one).effect == 1
    assert math.isinf(distribution_wander(one, one).degrees)
    assert category_wander(one, one).directions == 1


def test_blocks_of_the_batch_serve_when_the_reference_has_none():
    days = np.random.default_rng(5).integers(0, 100, size=20)
    blocks = np.stack([days, 100 - days], axis=1)
    wander = distribution_wander(blocks[:1], blocks)
    assert wander.effect > 10
    assert 5 < wander.degrees < 19


def test_a_value_that_never_varies_has_no_effect():
    blocks = np.tile([[100, 0]], (12, 1))
    assert distribution_wander(blocks, blocks[:1]).effect == 1
    assert category_wander(blocks, blocks[:1]).mean == 1


def test_empty_blocks_do_not_count():
    blocks = np.array([[0, 0], [40, 60], [60, 40]] * 6)
    assert distribution_wander(blocks, blocks[1:2]) == distribution_wander(
        blocks[blocks[:, 0] > 0], blocks[1:2]
    )


def test_independent_categories_move_in_all_directions_alike():
    random = np.random.default_rng(3)
    found = [
        category_wander(
            random.multinomial(500, [0.1] * 10, size=30), random.multinomial(500, [0.1] * 10, size=1)
        )
        for _ in range(40)
    ]
    assert np.mean([each.mean for each in found]) == pytest.approx(1.07, abs=0.07)
    assert np.mean([each.directions for each in found]) > 7


def test_one_category_that_swings_is_one_direction():
    random = np.random.default_rng(4)
    share = random.beta(5, 5, size=40)
    blocks = np.array([random.multinomial(5000, [p, *[(1 - p) / 4] * 4]) for p in share])
    wander = category_wander(blocks, blocks[:1])
    assert wander.directions < 1.2
    assert wander.effect > 100
