import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.cells import edges_from
from mlops_assets.monitoring.lookup import Lookup

EVERY = st.floats(width=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NEAR = st.integers(0, 40).map(lambda steps: 1012.0 + steps / 64)
LARGEST = 1.7976931348623157e308


def sought(numbers: np.ndarray, edges: list[float]) -> np.ndarray:
    places = 1 + np.searchsorted(np.array(edges), numbers, side="left")
    places[~np.isfinite(numbers)] = len(edges) + 2
    return places


@pytest.mark.parametrize("values", [FINITE, NEAR, st.integers(-3, 3).map(float)], ids=["any", "near", "ties"])
def test_every_number_lies_where_a_search_finds_it(values):
    @given(st.lists(values, max_size=40), st.lists(values | EVERY, max_size=60), st.booleans())
    def holds(edges, numbers, with_edges):
        known = sorted(set(edges))
        # An edge itself, and its neighbours, are where cells end.
        beside = [math.nextafter(edge, to) for edge in known for to in (-math.inf, math.inf)]
        asked = np.array([*numbers, *(known + beside if with_edges else [])], dtype=np.float64)
        assert Lookup(known).places(asked).tolist() == sought(asked, known).tolist()

    holds()


def test_the_ends_of_what_a_number_can_be():
    numbers = np.array([np.nan, -np.nan, np.inf, -np.inf, LARGEST, -LARGEST, 0.0, -0.0, 5e-324, -5e-324])
    for edges in ([], [0.0], [-LARGEST, LARGEST], [-LARGEST], [1e300], [5e-324], [-1e289, 1e289]):
        assert Lookup(edges).places(numbers).tolist() == sought(numbers, edges).tolist()


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e6])
def test_quantiles_far_from_nought(spread):
    numbers = 1e6 + spread * np.random.default_rng(3).normal(size=20_000)
    edges = list(edges_from(np.quantile(numbers, np.linspace(0, 1, 129)).tolist()).edges)
    assert Lookup(edges).places(numbers).tolist() == sought(numbers, edges).tolist()
