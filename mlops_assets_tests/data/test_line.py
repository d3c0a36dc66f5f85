"""Places on a line, against NumPy's search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.data import line as module
from mlops_assets.data.line import places

# Close together, so that ties are common, and as far apart as packed moments are.
NUMBERS = st.integers(-5, 5) | st.integers(0, 2**62)


@given(
    line=st.lists(NUMBERS, max_size=30),
    sought=st.lists(NUMBERS, max_size=30),
    block=st.sampled_from([1, 7, 2**14]),
)
def test_places_are_those_that_numpy_finds(line, sought, block):
    line, sought = np.sort(np.array(line, np.int64)), np.array(sought, np.int64)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "BLOCK", block)
        found = places(line, sought)
    assert found.tolist() == np.searchsorted(line, sought, side="right").tolist()


def test_a_line_that_is_crowded_in_one_place_is_searched_too():
    chance = np.random.default_rng(7)
    line = np.sort(np.append(chance.integers(0, 1000, 50_000), chance.integers(0, 2**62, 50)))
    sought = np.append(chance.integers(-10, 1010, 40_000), chance.integers(0, 2**62, 1000))
    assert (places(line, sought) == np.searchsorted(line, sought, side="right")).all()
