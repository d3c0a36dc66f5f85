"""Design effects, against those that theory knows."""

import math

import numpy as np
import pytest

from mlops_assets.monitoring.dependence import category_wander, distribution_wander
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
@pytest.mark.parametrize(("windows", "blocks"), [(40, 1), (4, 16)], ids=["as large as the batch", "smaller"])
def test_the_effect_of_an_autoregression_is_what_theory_says(phi, windows, blocks):
    random = np.random.default_rng(1)
    effects = [
        distribution_wander(
            sign_counts(autoregression(random, (windows * 2000,), phi), windows * blocks),
            sign_counts(autoregression(random, (2000,), phi), blocks),
        ).effect
        for _ in range(60)
    ]
    assert 0.9 < np.mean(effects) / effect_of_signs(phi) < 1.5


def test_days_that_differ_count_as_wander():
    random = np.random.default_rng(2)
    days = random.binomial(1000, np.tile([0.4, 0.4, 0.6], 10))
    blocks = np.stack([days, 1000 - days], axis=1)
    wander = distribution_wander(blocks, blocks[:1])
    assert wander.degrees == 29
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
    assert wander.degrees == 19


def test_a_value_that_never_varies_has_no_effect():
    blocks = np.tile([[100, 0]], (12, 1))
    assert distribution_wander(blocks, blocks[:1]).effect == 1
    assert category_wander(blocks, blocks[:1]).mean == 1


def test_empty_blocks_do_not_count():
    blocks = np.array([[0, 0], [40, 60], [60, 40]] * 6)
    assert distribution_wander(blocks, blocks[1:2]).degrees == 11


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
