"""Distances, against scipy on the same raw data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial import distance

from mlops_assets.monitoring.distances import (
    chi_square,
    chi_square_p,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    population_stability_index,
    proportions,
    tenths,
    total_variation,
    two_proportion_z,
    wasserstein,
)
from mlops_assets_tests.monitoring.counted import number_profiles

COUNTS = hnp.arrays(np.int64, st.integers(2, 12), elements=st.integers(0, 1000)).filter(
    lambda each: each.sum() > 0
)
PAIRS = st.integers(2, 12).flatmap(
    lambda size: st.tuples(*[hnp.arrays(np.int64, size, elements=st.integers(1, 1000))] * 2)
)


def counts(reference: np.ndarray, batch: np.ndarray):
    one, other = number_profiles(reference, batch)
    column = one.columns["x"]
    return np.array(column.counts), np.array(other.columns["x"].counts), column.cells


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_binned_ks_is_within_a_cell_of_the_exact_one(shift):
    random = np.random.default_rng(1)
    one, other = random.normal(size=4000), random.normal(shift, 1, size=3000)
    binned = kolmogorov_smirnov(*counts(one, other)[:2])
    exact = stats.ks_2samp(one, other).statistic
    assert exact - 1 / 128 <= binned <= exact + 1e-12


@given(
    one=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 3.0]), min_size=1, max_size=60),
    other=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 3.0, 9.0]), min_size=1, max_size=60),
)
def test_binned_ks_of_few_values_is_exact_when_the_reference_is_tied(one, other):
    reference, batch = np.repeat(one, 200), np.array(other)
    binned = kolmogorov_smirnov(*counts(reference, batch)[:2])
    assert binned == pytest.approx(stats.ks_2samp(reference, batch).statistic, abs=1e-12)


def test_a_heavy_tie_that_moves_next_door_is_seen_whole():
    random = np.random.default_rng(2)
    reference = np.concatenate([np.zeros(6000), random.normal(size=4000)])
    batch = np.where(reference == 0, -1e-9, reference)
    assert kolmogorov_smirnov(*counts(reference, batch)[:2]) == pytest.approx(0.6, abs=0.01)


def test_the_asymptotic_p_value_is_scipys():
    random = np.random.default_rng(3)
    one, other = random.normal(size=2000), random.normal(0.08, 1, size=1500)
    exact = stats.ks_2samp(one, other, method="asymp")
    assert kolmogorov_smirnov_p(exact.statistic, 2000, 1500) == pytest.approx(exact.pvalue, rel=0.1)


@given(pair=PAIRS)
def test_chi_square_is_scipys(pair):
    statistic, degrees = chi_square(*pair)
    expected = stats.chi2_contingency(np.stack(pair), correction=False)
    assert statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert degrees == expected.dof
    assert chi_square_p(statistic, degrees) == pytest.approx(expected.pvalue, abs=1e-12)


@given(pair=PAIRS)
def test_jensen_shannon_is_scipys_distance_in_base_two(pair):
    expected = distance.jensenshannon(*pair, base=2)
    assert jensen_shannon_distance(*pair) == pytest.approx(np.nan_to_num(expected), abs=1e-7)


def test_the_squared_z_is_chi_square():
    z = two_proportion_z(30, 1000, 60, 1500)
    assert z**2 == pytest.approx(chi_square(np.array([30, 970]), np.array([60, 1440]))[0])


def test_two_proportions_of_nought_do_not_differ():
    assert two_proportion_z(0, 10, 0, 20) == 0


@pytest.mark.parametrize("shift", [0.0, 0.25, 1.0])
def test_wasserstein_in_sds_is_scipys_on_raw_values(shift):
    random = np.random.default_rng(4)
    one, other = random.normal(10, 3, size=20_000), random.normal(10 + 3 * shift, 3, size=20_000)
    exact = stats.wasserstein_distance(one, other) / one.std()
    assert wasserstein(*counts(one, other)) == pytest.approx(exact, abs=0.03)


def test_wasserstein_does_not_overflow_at_the_greatest_doubles():
    one = np.array([-1.7e308, 0.0, 1.7e308] * 100)
    assert 0 < wasserstein(*counts(one, one[:1])) < 10


@pytest.mark.parametrize("value", [0.0, 1e6, -1e-300])
def test_a_constant_reference_has_no_standard_deviation(value):
    assert math.isnan(wasserstein(*counts(np.full(50, value), np.ones(5))))


@given(pair=PAIRS, factor=st.integers(2, 9))
def test_distances_do_not_depend_on_the_number_of_rows(pair, factor):
    one, other = pair
    for measure in (kolmogorov_smirnov, total_variation, jensen_shannon_distance, population_stability_index):
        assert measure(one * factor, other) == pytest.approx(measure(one, other), abs=1e-7)
        assert measure(one, one) == pytest.approx(0, abs=1e-7)
        assert measure(one, other) == pytest.approx(measure(other, one), abs=1e-7)


@given(pair=PAIRS)
def test_ks_is_at_most_total_variation(pair):
    assert kolmogorov_smirnov(*pair) <= total_variation(*pair) + 1e-12


@given(reference=COUNTS)
def test_tenths_keep_all_rows(reference):
    merged, doubled = tenths(reference, reference * 2)
    assert merged.sum() == reference.sum()
    assert len(merged) <= 10
    assert (doubled == merged * 2).all()


def test_no_rows_cannot_be_compared():
    with pytest.raises(ValueError, match="no rows to compare"):
        proportions(np.zeros(3))
