"""Classes of a profile's scores, how far two populations of them lie apart, and the hour that is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.cells import QUANTILES, Watched
from mlops_assets.monitoring.classes import LastHour, classes_of, divergence
from mlops_assets_tests.monitoring.counted import cells_of, divergence_by_scipy, profile

SCORE = Watched("probability", "number", "score")
PROBABILITIES = st.lists(st.floats(0, 1) | st.just(0.5), min_size=1, max_size=400)
COUNTS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))


def profiled(scores, watched=SCORE):
    values = {watched: np.array(scores, dtype=float)}
    return profile(values, cells_of(values))


@given(PROBABILITIES, st.sampled_from([0.3, 0.5]) | st.floats(0.01, 0.99))
def test_the_classes_of_a_profile_are_those_of_its_rows_but_for_one_cell(scores, threshold):
    positive, negative = classes_of(profiled(scores), threshold)
    assert positive + negative == pytest.approx(len(scores))
    assert abs(positive - sum(one >= threshold for one in scores)) <= np.ceil(len(scores) / QUANTILES)


@pytest.mark.parametrize("score", [0.0, 0.2, np.nextafter(0.5, 0), 0.5, 1.0])
def test_one_answer_to_all_is_of_one_class(score):
    assert classes_of(profiled([score] * 7), 0.5) == ((7, 0) if score >= 0.5 else (0, 7))


def test_a_profile_without_scores_has_no_classes():
    assert classes_of(profiled([0.3], Watched("amount", "number")), 0.5) is None
    assert classes_of(profiled([float("nan")]), 0.5) is None


@given(COUNTS, COUNTS)
def test_the_divergence_is_the_square_of_scipys_distance(base, found):
    told = divergence(base, found)
    if not sum(base) or not sum(found):
        assert told is None
    else:
        assert told == pytest.approx(divergence_by_scipy(base, found), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_the_last_hour_is_that_of_the_clock(steps):
    now, counted = 0.0, []
    hour = LastHour(lambda: now)
    for seconds, positive, negative in steps:
        now += seconds
        hour.count(positive, negative)
        counted.append((now // 60, positive, negative))
        inside = [one for one in counted if one[0] > now // 60 - 60]
        assert hour.counts() == (sum(one[1] for one in inside), sum(one[2] for one in inside))
    now += 3600
    assert hour.counts() == (0, 0)
