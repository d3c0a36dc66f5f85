"""Benjamini-Hochberg, against scipy."""

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_assets.monitoring.multiplicity import rejected


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=30), rate=st.sampled_from([0.01, 0.1, 0.5]))
def test_it_rejects_what_scipys_adjusted_p_values_reject(p_values, rate):
    adjusted = stats.false_discovery_control(p_values)
    for answer, value in zip(rejected(p_values, rate), adjusted, strict=True):
        if abs(value - rate) > 1e-9:
            assert answer == (value < rate)


def test_without_tests_nothing_is_rejected():
    assert rejected([], 0.05) == []
