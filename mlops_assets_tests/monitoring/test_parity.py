"""Values of the same requests, compared to the last bit."""

import math

import pytest

from mlops_assets.monitoring.parity import compared, table, verdict


def found(online, offline):
    return compared("f", [{"f": one} for one in online], [{"f": one} for one in offline])


@pytest.mark.parametrize(
    ("online", "offline", "differing"),
    [
        (1, 1, 0),
        (1, 1.0, 1),
        (True, 1, 1),
        (0.0, -0.0, 1),
        (math.nan, -math.nan, 0),
        (math.nan, None, 1),
        (None, None, 0),
        (None, 0, 1),
        (0.1 + 0.2, 0.3, 1),
        ("ü", "u\u0308", 1),
    ],
)
def test_equal_is_equal_to_the_last_bit(online, offline, differing):
    assert found([online], [offline]).differing == differing


def test_a_feature_is_counted_and_its_largest_difference_told():
    one = found([1.0, None, 5.0, None], [1.5, 2.0, 2.0, None])
    assert (one.compared, one.present, one.differing, one.max_difference) == (4, 3, 3, 3.0)
    assert "| f | 4 | 3 | 3 | 3.0 |" in table([one])


def test_differences_are_an_error_and_so_is_nothing_compared():
    equal, other = found([1], [1]), found([1], [2])
    assert verdict([equal]).passed
    assert not verdict([equal, other]).passed
    assert verdict([equal, other]).error
    assert not verdict([found([], [])]).passed
