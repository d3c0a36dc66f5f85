"""What the reference never held is counted: numbers beyond it, categories new to it."""

import numpy as np
import pytest

from mlops_assets.monitoring.calibrated import calibrated
from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.unseen import unseen_shares
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
    assert unseen_shares(before.columns["x"], after.columns["x"]).beyond_usual == share


@pytest.mark.parametrize(
    ("reference", "batch", "share"),
    [
        (["a", "b"], ["a", "é", None, "b"], 1 / 3),
        (["a", "b"], [None], 0.0),
        # Ten of the forty have no cell of their own.
        ([f"{number}" for number in range(40)], ["new"], 1.0),
        ([f"{number}" for number in range(40)], ["39", "38", "new", "a"], 0.5),
    ],
)
def test_categories_new_to_the_reference(reference, batch, share):
    before, after = category_profiles(reference, batch)
    assert unseen_shares(before.columns["word"], after.columns["word"]).beyond_usual == pytest.approx(share)


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


def days(*values: list) -> tuple[np.ndarray, int]:
    """Days of equally many values, and how many there are."""
    return np.array([value for day in values for value in day], dtype=object), len(values)


def ids(first: int, last: int, *, kind: str = "id", rows: int = 600) -> list[str]:
    return [f"{kind} {number}" for number in np.random.default_rng(first).integers(first, last, rows)]


def judged(reference, batch):
    cells = cells_of({WORD: reference[0]})
    sides = [profile({WORD: values}, cells, blocks) for values, blocks in (reference, batch)]
    return calibrated(*sides).of("word", "unseen")


def test_a_new_population_among_thousands_of_values_is_told():
    known = days(*[ids(0, 2_000)] * 4, *[ids(1, 2_000)] * 4)
    assert judged(known, days(ids(0, 2_000))) is None
    found = judged(known, days(ids(0, 2_000, kind="new")))
    assert (found.severity, found.effect) == ("warn", 1.0)
    assert "100.0% of the rows are of categories that were not in the reference" in found.sentence


def test_a_column_that_names_rows_is_new_every_day_and_not_told():
    known = days(*[[f"row {day} {row}" for row in range(600)] for day in range(6)])
    assert judged(known, days([f"row 6 {row}" for row in range(600)])) is None


def test_a_category_that_names_the_day_is_not_told():
    assert judged(days(*[[f"day {day}"] * 600 for day in range(8)]), days(["day 9"] * 600)) is None


def test_more_than_what_is_new_by_habit_is_told_with_the_habit():
    known = days(*[[*ids(0, 100, rows=540), *ids(day, day + 1, kind="new", rows=60)] for day in range(8)])
    usual = judged(known, days([*ids(0, 100, rows=540), *ids(9, 10, kind="new", rows=60)]))
    more = judged(known, days([*ids(0, 100, rows=450), *ids(9, 10, kind="new", rows=150)]))
    assert usual is None
    assert "25.0% of the rows" in more.sentence
    assert "(10.0% are new in its own last days)" in more.sentence
