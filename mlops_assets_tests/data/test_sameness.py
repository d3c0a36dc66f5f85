"""When two answers are the same."""

import math

import pyarrow as pa
import pytest

from mlops_assets.data.sameness import difference

NUMBERS = [1.0, None, math.nan, math.inf, -math.inf, -0.0]


@pytest.mark.parametrize(
    "values", [NUMBERS, ["a", None], [1, None], pa.array([], pa.int64()), [True]], ids=str
)
def test_rows_are_the_same_as_themselves(values):
    assert not difference(pa.table({"x": values}), pa.table({"x": values}))


def test_numbers_that_were_added_in_another_order_are_the_same():
    assert not difference(pa.table({"x": [0.1 + 0.2 + 0.3, 0.0]}), pa.table({"x": [0.3 + 0.2 + 0.1, -0.0]}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0], [1.0 + 1e-9]),
        ([0.0], [1e-300]),
        ([None, 1.0], [math.nan, 1.0]),
        ([math.inf], [-math.inf]),
        ([math.inf], [1.7e308]),
        ([None, 1], [0, 1]),
        (["a"], ["A"]),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ([1], [1.0]),
    ],
)
def test_a_difference_is_found_from_either_side(one, other):
    one, other = pa.table({"x": one}), pa.table({"x": other})
    assert difference(one, other)
    assert difference(other, one)


def test_it_is_told_where():
    one, other = (pa.table({"same": [1, 2], "x": [1, last]}) for last in (2, 3))
    assert difference(one, other) == "x, row 1: 2 is not 3"


def test_another_name_or_order_of_columns_is_a_difference():
    assert difference(pa.table({"a": [1], "b": [1]}), pa.table({"b": [1], "a": [1]}))
