"""Profiles add up, survive JSON, and stay small."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.profile import Profile, merge
from mlops_assets_tests.monitoring.counted import cells_of, profile

NUMBER, CATEGORY = Watched("x", "number", "score"), Watched("c", "category")
NUMBERS = st.lists(st.floats(-5, 5) | st.just(float("nan")) | st.just(float("inf")), min_size=1, max_size=30)


def columns(numbers: list[float]):
    values = np.array(numbers, dtype=float)
    names = np.array(
        [None if np.isnan(value) else "é" if value > 0 else "b" for value in values], dtype=object
    )
    return {NUMBER: values, CATEGORY: names}


@given(first=NUMBERS, second=NUMBERS, third=NUMBERS)
def test_merging_is_counting_together(first, second, third):
    cells = cells_of(columns([-1.0, 0.0, 0.0, 1.0, 2.0]))
    one, two, three = (profile(columns(part), cells) for part in (first, second, third))
    assert merge(one, two) == profile(columns(first + second), cells)
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(numbers=NUMBERS, blocks=st.integers(1, 5))
def test_a_profile_survives_json(numbers, blocks):
    counted = profile(columns(numbers), cells_of(columns(numbers)), blocks)
    assert Profile.from_dict(json.loads(json.dumps(counted.to_dict()))) == counted


@given(numbers=NUMBERS, blocks=st.integers(1, 5))
def test_every_row_is_counted_once_in_total_and_in_its_block(numbers, blocks):
    counted = profile(columns(numbers), cells_of(columns([0.0, 1.0])), blocks)
    for column in counted.columns.values():
        assert column.usable + column.unusable == len(numbers)
        assert column.block_counts().sum() == len(numbers)
        assert column.block_counts()[:, -1].sum() == column.unusable


def test_blocks_of_different_names_stay_apart_when_merged():
    cells = cells_of(columns([1.0]))
    one = profile(columns([1.0, 2.0]), cells, blocks=2)
    other = Profile.from_dict(json.loads(json.dumps(one.to_dict()).replace('"0000"', '"0007"')))
    assert list(merge(one, other).columns["x"].blocks) == ["0000", "0001", "0007"]


def test_profiles_in_different_cells_are_not_merged():
    one = profile(columns([1.0]), cells_of(columns([1.0])))
    other = profile(columns([1.0]), cells_of(columns([2.0])))
    with pytest.raises(ValueError, match="different cells cannot be merged: x"):
        merge(one, other)


def test_a_hundred_columns_in_thirty_blocks_stay_below_a_megabyte():
    values = np.random.default_rng(1).normal(size=20_000)
    watched = {Watched(f"x{number}", "number"): values for number in range(100)}
    body = json.dumps(profile(watched, cells_of(watched), blocks=30).to_dict())
    assert len(body) < 1_000_000
