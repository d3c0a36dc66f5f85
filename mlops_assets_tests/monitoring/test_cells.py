"""Cells: increasing edges, atoms apart, categories ranked."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.cells import Edges, categories_from, edges_from

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(quantiles=st.lists(FINITE, min_size=1, max_size=50).map(sorted))
def test_edges_increase_and_hold_every_quantile(quantiles):
    edges = edges_from(quantiles).edges
    assert all(left < right for left, right in itertools.pairwise(edges))
    assert set(quantiles) <= set(edges)
    assert all(math.isfinite(edge) for edge in edges)


def test_a_tied_quantile_is_alone_in_its_cell():
    edges = edges_from([-1.0, 0.0, 0.0, 0.0, 2.0]).edges
    assert edges[edges.index(0.0) - 1] == math.nextafter(0.0, -1)


def test_the_least_double_has_nothing_below_it():
    least = -1.7976931348623157e308
    assert edges_from([least, least]) == Edges((least,))


def test_without_quantiles_one_cell_holds_every_number():
    assert len(edges_from([])) == 1


def test_categories_beyond_the_most_frequent_are_left_out():
    assert categories_from({f"{n:02d}": n for n in range(40)}, most=3).values == ("39", "38", "37")
