"""What the reference never held is counted: numbers beyond it, categories new to it."""

import numpy as np
import pytest

from mlops_assets.monitoring.calibrated import calibrated
from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.unseen import unseen_share
from mlops_assets_tests.monitoring.counted import cells_of, number_profiles, profile

WORD = Watched("word", "category")


def category_profiles(reference, batch):
    sides = [np.array(side, dtype=object) for side in (reference, batch)]
    cells = cells_of({WORD: sides[0]})
    return [profile({WORD: side}, cells) for side in sides]


@pytest.mark.parametrize(
    ("reference", "batch", "share"),
    [
        ([1, 2, 3], [1, 2, 3], 0.0),
        ([1, 2, 3], [0, 4, 2, 2], 0.5),
        ([1, 1, 1], [1, 1], 0.0),
        ([1, 1, 1], [0.5, 1.5], 1.0),
        ([1, 2, 3], [np.nan, np.inf], 0.0),
        ([np.nan], [5, 6], 0.0),
    ],
)
def test_numbers_beyond_the_reference(reference, batch, share):
    before, after = number_profiles(np.array(reference, float), np.array(batch, float))
    assert unseen_share(before.columns["x"], after.columns["x"]) == share


@pytest.mark.parametrize(
    ("reference", "batch", "share"),
    [
        (["a", "b"], ["a", "é", None, "b"], 1 / 3),
        (["a", "b"], [None], 0.0),
        # Ten of the forty are not listed, so a quarter of others is nothing new.
        ([f"{number}" for number in range(40)], ["new"], 0.75),
    ],
)
def test_categories_new_to_the_reference(reference, batch, share):
    before, after = category_profiles(reference, batch)
    assert unseen_share(before.columns["word"], after.columns["word"]) == pytest.approx(share)


@pytest.mark.parametrize(("moved", "severity"), [(0.04, None), (0.06, "warn"), (0.6, "warn")])
def test_how_much_of_it_matters(moved, severity):
    random = np.random.default_rng(5)
    before = random.uniform(0, 1, 20_000)
    batch = random.uniform(0, 1, 1000)
    batch[: int(moved * 1000)] = 2.0
    found = calibrated(*number_profiles(before, batch)).of("x", "unseen")
    assert (found and found.severity) == severity
    assert found is None or f"{moved:.1%} of the rows lie beyond" in found.sentence


def test_few_rows_tell_nothing():
    before, after = number_profiles(np.arange(1000.0), np.full(100, 5000.0))
    assert calibrated(before, after).of("x", "unseen") is None
