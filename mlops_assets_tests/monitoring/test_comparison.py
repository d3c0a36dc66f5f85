"""Comparisons: p-values that hold, bounds that hold, degenerate sides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.comparison import (
    Comparison,
    binomial_p,
    comparisons,
    distribution,
    missing,
    rao_scott_p,
    student_quantile,
    wandering_p,
)
from mlops_assets.monitoring.dependence import CategoryWander
from mlops_assets_tests.monitoring.counted import cells_of, number_profiles, profile

CATEGORY = Watched("c", "category")


def compared(reference: np.ndarray, batch: np.ndarray) -> list[Comparison]:
    return list(comparisons(*number_profiles(reference, batch)))


def categories(reference: list[str | None], batch: list[str | None]) -> list[Comparison]:
    one, other = (np.array(each, dtype=object) for each in (reference, batch))
    cells = cells_of({CATEGORY: one})
    return list(comparisons(profile({CATEGORY: one}, cells), profile({CATEGORY: other}, cells)))


def test_independent_numbers_have_scipys_p_value():
    random = np.random.default_rng(1)
    one, other = (
        random.integers(0, 40, size=3000).astype(float),
        random.integers(0, 41, size=2000).astype(float),
    )
    found = compared(one, other)[0]
    exact = stats.ks_2samp(one, other, method="asymp")
    assert found.effect == pytest.approx(exact.statistic)
    assert found.p_value == pytest.approx(exact.pvalue, rel=0.2)


def test_independent_categories_have_scipys_p_value():
    found = categories(["a"] * 500 + ["b"] * 300, ["a"] * 200 + ["b"] * 160)[0]
    expected = stats.chi2_contingency([[500, 300], [200, 160]], correction=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.effect == pytest.approx(500 / 800 - 200 / 360)


def test_rare_categories_join_the_others():
    reference = ["a"] * 900 + [f"rare {number}" for number in range(20)]
    found = categories(reference, ["a"] * 900 + [f"new {number}" for number in range(20)])[0]
    assert found.effect == 0


def test_a_category_never_seen_is_drift():
    found = categories(["a"] * 1000, ["a"] * 900 + ["new"] * 100)[0]
    assert found.effect == pytest.approx(0.1)
    assert found.p_value < 1e-12


def test_missing_values_are_compared_whatever_makes_them_unusable():
    found = compared(np.ones(1000), np.where(np.arange(1000) < 50, np.nan, 1.0))[1]
    assert found.effect == pytest.approx(0.05)
    assert found.values["z"] == pytest.approx(7.16, abs=0.01)


@pytest.mark.parametrize(("reference", "batch"), [([np.nan], [1.0]), ([1.0], [np.nan]), ([np.nan], [np.nan])])
def test_a_side_without_values_has_nothing_to_compare(reference, batch):
    found = compared(np.array(reference * 600), np.array(batch * 600))
    assert (found[0].rows, found[0].p_value) == (0, 1.0)
    assert found[1].effect == abs(math.isnan(batch[0]) - math.isnan(reference[0]))


def test_an_empty_batch_has_nothing_to_compare():
    assert [each.rows for each in compared(np.ones(10), np.array([]))] == [0, 0]


def test_constant_columns_are_alike_or_wholly_apart():
    assert compared(np.zeros(600), np.zeros(600))[0].effect == 0
    assert compared(np.zeros(600), np.full(600, -1e-300))[0].effect == 1


def test_statistics_have_no_nan():
    for comparison in compared(np.zeros(600), np.ones(600)):
        assert all(math.isfinite(value) for value in comparison.values.values())


def test_other_cells_are_refused():
    one, _ = number_profiles(np.arange(9.0), np.ones(3))
    other, _ = number_profiles(np.arange(8.0), np.ones(3))
    with pytest.raises(ValueError, match="not counted in the cells"):
        list(comparisons(one, other))


def test_the_lower_bound_of_a_true_effect_holds_as_often_as_it_says():
    random = np.random.default_rng(2)
    truth = stats.norm.cdf(0.15) - stats.norm.cdf(-0.15)
    reference = random.normal(size=20_000)
    bounds = [
        distribution(
            *(each.columns["x"] for each in number_profiles(reference, random.normal(0.3, 1, size=1000)))
        )
        for _ in range(200)
    ]
    assert np.mean([each.at_least(0.95) <= truth for each in bounds]) > 0.9
    assert np.mean([each.at_least(0.95) for each in bounds]) > truth - 0.04


def test_total_variation_of_equal_sides_is_noise_that_the_bound_takes_off():
    random = np.random.default_rng(3)
    names = np.array([f"{number:02d}" for number in range(30)], dtype=object)
    found = [categories(random.choice(names, 5000), random.choice(names, 1000))[0] for _ in range(60)]
    assert np.mean([each.effect - each.bias for each in found]) == pytest.approx(0, abs=0.005)
    assert max(each.at_least(0.99) for each in found) < 0.02


def test_dependence_weakens_and_never_strengthens_a_p_value():
    weights = [wandering_p(0.1, 400 / effect, 19) for effect in (1, 2, 4)]
    assert weights == sorted(weights)
    shared = [
        rao_scott_p(40.0, 4, CategoryWander(mean=mean, mean_degrees=76, directions=4)) for mean in (1, 2, 4)
    ]
    assert shared == sorted(shared)


def test_a_missing_test_of_dependent_outages_is_not_sure():
    outages = np.random.default_rng(4).permutation(np.repeat([1.0, np.nan], [380, 20]))
    calm, worse = number_profiles(
        np.repeat(outages, 50), np.repeat([1.0, np.nan], [850, 150]), blocks=(200, 10)
    )
    comparison = missing(calm.columns["x"], worse.columns["x"])
    assert comparison.values["design_effect"] > 20
    assert comparison.p_value > 1e-4


@given(rows=st.integers(1, 300), share=st.floats(0.01, 0.99), data=st.data())
def test_exact_tails_are_scipys(rows, share, data):
    count = data.draw(st.integers(0, rows))
    exact = stats.binom(rows, share)
    expected = min(1, 2 * min(exact.sf(count - 1), exact.cdf(count)))
    assert binomial_p(count, rows, share) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_few_missing_rows_are_not_tested_whichever_side_has_them():
    def p_value(before: int, now: int) -> float:
        sides = (np.repeat([np.nan, 1.0], [count, 1000 - count]) for count in (before, now))
        return compared(*sides)[1].p_value

    assert p_value(0, 14) == p_value(14, 0) == 1
    assert p_value(0, 15) < 0.05
    assert p_value(15, 0) < 0.05


def test_a_small_share_has_the_exact_p_value_when_z_exaggerates():
    calm, worse = number_profiles(
        np.where(np.arange(20_000) % 100 == 0, np.nan, 1.0), np.repeat([1.0, np.nan], [476, 24])
    )
    comparison = missing(calm.columns["x"], worse.columns["x"])
    assert comparison.values["z"] > 8
    assert comparison.p_value > 100 * stats.norm.sf(8)


def test_students_quantile_is_scipys():
    assert student_quantile(0.99, 7) == pytest.approx(stats.t.ppf(0.99, 7))
