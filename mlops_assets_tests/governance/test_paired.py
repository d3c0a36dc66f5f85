"""The paired bound: against an independent transform, and against days whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft, stats

from mlops_assets.governance.paired import improvement_bound, swings

DAYS = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=40)


@given(daily=DAYS, confidence=st.sampled_from([0.6, 0.9, 0.95, 0.99]))
def test_the_bound_is_that_of_the_first_cosine_coefficients(daily, confidence):
    mean, bound = improvement_bound(daily, confidence)
    slow = fft.dct(np.array(daily), norm="ortho")[1 : swings(len(daily)) + 1]
    error = math.sqrt(np.mean(slow**2) / len(daily))
    assert mean == pytest.approx(np.mean(daily), abs=1e-12)
    assert bound == pytest.approx(np.mean(daily) - stats.t.ppf(confidence, len(slow)) * error, abs=1e-9)


@given(daily=DAYS)
def test_past_and_future_may_be_exchanged_and_the_unit_does_not_count(daily):
    mean, bound = improvement_bound(daily, 0.95)
    assert improvement_bound(daily[::-1], 0.95) == pytest.approx((mean, bound), abs=1e-9)
    assert improvement_bound([8 * value for value in daily], 0.95) == pytest.approx((8 * mean, 8 * bound))


def test_a_run_of_good_days_is_less_sure_than_the_same_days_in_turns():
    in_turns, in_runs = [0.03, -0.01] * 7, [0.03] * 7 + [-0.01] * 7
    assert improvement_bound(in_turns, 0.95)[1] > 0 > improvement_bound(in_runs, 0.95)[1]


@pytest.mark.parametrize("days", [3, 7, 14, 28])
def test_of_independent_days_the_bound_is_wrong_as_often_as_it_says(days):
    random = np.random.default_rng(days)
    wrong = sum(improvement_bound(random.normal(size=days).tolist(), 0.9)[1] > 0 for _ in range(4000))
    assert stats.binomtest(wrong, 4000, 0.1).pvalue > 1e-3


def test_of_days_in_runs_it_is_nearly_so_where_students_over_days_is_wrong_twice_as_often():
    random = np.random.default_rng(3)
    ours = students = 0
    for _ in range(4000):
        daily = in_runs(random, 28, 0.5)
        ours += improvement_bound(daily.tolist(), 0.95)[1] > 0
        students += stats.ttest_1samp(daily, 0, alternative="greater").pvalue < 0.05
    assert ours / 4000 < 0.075
    assert students / 4000 > 0.13


def in_runs(random, days, correlation):
    """Days that remember a share of the day before, with a mean of zero and a variance of one."""
    daily = random.normal(size=days)
    for day in range(1, days):
        daily[day] = correlation * daily[day - 1] + math.sqrt(1 - correlation**2) * daily[day]
    return daily


def test_equal_days_leave_no_doubt():
    assert improvement_bound([0.25, 0.25, 0.25], 0.99) == (0.25, 0.25)
