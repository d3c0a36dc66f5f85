"""The paired bound, against the textbook."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_assets.governance.paired import improvement_bound

DAYS = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=40)


@given(daily=DAYS, confidence=st.sampled_from([0.6, 0.9, 0.95, 0.99]))
def test_the_bound_is_students(daily, confidence):
    mean, bound = improvement_bound(daily, confidence)
    error = np.std(daily, ddof=1) / math.sqrt(len(daily))
    assert mean == pytest.approx(np.mean(daily), abs=1e-12)
    assert bound == pytest.approx(np.mean(daily) - stats.t.ppf(confidence, len(daily) - 1) * error, abs=1e-9)


@given(daily=DAYS)
def test_the_order_of_days_does_not_count(daily):
    assert improvement_bound(daily, 0.95) == pytest.approx(improvement_bound(daily[::-1], 0.95))


def test_the_bound_is_above_zero_exactly_when_the_one_sided_paired_test_rejects():
    random = np.random.default_rng(1)
    agreed = 0
    for _ in range(200):
        daily = random.normal(0.3, 1, size=10)
        rejects = stats.ttest_1samp(daily, 0, alternative="greater").pvalue < 0.05
        assert (improvement_bound(daily.tolist(), 0.95)[1] > 0) == rejects
        agreed += rejects
    assert 0 < agreed < 200


def test_equal_days_leave_no_doubt():
    assert improvement_bound([0.25, 0.25, 0.25], 0.99) == (0.25, 0.25)
