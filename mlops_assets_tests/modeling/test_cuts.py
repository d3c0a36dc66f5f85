"""Slices cover every row once; groups, agreement, behaviour and importance against what they mean."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from mlops_assets.modeling.agreement import BINS, agreement
from mlops_assets.modeling.behaviour import alone, direction, invariance, numeric, sample, together
from mlops_assets.modeling.fairness import fairness
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.importance import importance
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.intervals import DayDraws
from mlops_assets.modeling.slices import FEW, MISSING, MOST, OTHERS, slices

VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.sampled_from("abc|<>"), st.text(max_size=3)), min_size=1, max_size=80),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, width=32)), min_size=1, max_size=80),
    st.lists(st.integers(-50, 50), min_size=1, max_size=80),
    st.lists(st.booleans(), min_size=1, max_size=20),
)


@given(values=VALUES)
def test_each_row_is_in_exactly_one_slice_and_names_are_given_once(values):
    found = list(slices("c", pd.Series(values)))
    assert (np.sum([one.rows for one in found], axis=0) == 1).all()
    assert len({one.value for one in found}) == len(found)


def test_numbers_of_many_values_are_cut_at_their_quartiles_and_missing_ones_stand_apart():
    found = list(slices("c", pd.Series([*range(100), None], dtype="float64")))
    assert [(one.value, one.rows.sum()) for one in found] == [
        ("[0, 24]", 25),
        ("(24, 49]", 25),
        ("(49, 74]", 25),
        ("(74, 99]", 25),
        (MISSING, 1),
    ]


def test_numbers_of_few_values_are_their_values():
    found = list(slices("c", pd.Series([3, 1, 3, 2], dtype="Int64")))
    assert [one.value for one in found] == ["1", "2", "3"]
    assert len(list(slices("c", pd.Series(range(FEW))))) == FEW


def test_a_number_that_is_nearly_always_the_same_is_cut_too():
    found = list(slices("c", pd.Series([0.0] * 100 + list(range(1, 21)))))
    assert sum(one.rows.sum() for one in found) == 120
    assert len(found) > 1


def test_the_rarest_categories_are_taken_together():
    values = [f"v{n:02d}" for n in range(MOST + 5) for _ in range(2 if n < MOST else 1)]
    found = list(slices("c", pd.Series(values)))
    assert len(found) == MOST + 1
    assert (found[-1].value, found[-1].rows.sum()) == (OTHERS, 5)


def test_moments_are_cut_by_month():
    found = list(slices("c", pd.Series(pd.to_datetime(["2024-01-31", "2024-02-01", None], utc=True))))
    assert [one.value for one in found] == ["2024-01", "2024-02", MISSING]


def treated(scores, labels, groups, *, days=None, at_least_rows=1):
    draws = None if days is None else DayDraws.of(days, seed=0)
    cut = list(slices("g", pd.Series(groups)))
    return fairness(
        "g", cut, np.array(labels, float), np.array(scores), draws, threshold=0.5, at_least_rows=at_least_rows
    )


def test_groups_are_measured_by_who_is_selected():
    found = treated([0.9, 0.1, 0.5, 0.2, 0.7, 0.6], [1, 1, 0, 0, 1, 0], ["a", "a", "a", "a", "b", "b"])
    assert [(one.value, one.selected, one.selected_of_positives) for one in found.treated] == [
        ("a", 0.5, 0.5),
        ("b", 1.0, 1.0),
    ]
    assert (found.selection_ratio, found.opportunity_gap) == (0.5, 0.5)
    assert found.selection_ratio_interval == ()


def test_small_groups_are_named_and_left_out_and_one_group_is_compared_with_nothing():
    found = treated([0.9, 0.1, 0.9], [1, 0, 1], ["a", "a", "b"], at_least_rows=2)
    assert (found.too_few, found.selection_ratio, found.opportunity_gap) == (("b",), None, None)


def test_nobody_selected_has_no_ratio():
    assert treated([0.1, 0.2], [0, 1], ["a", "b"]).selection_ratio is None


def test_groups_that_are_treated_otherwise_surely_have_an_interval_that_says_so():
    random = np.random.default_rng(0)
    groups = np.tile(["a", "b"], 1000)
    scores = random.random(2000) * np.where(groups == "a", 1.0, 0.6)
    found = treated(scores, np.ones(2000), groups, days=np.repeat(np.arange(20), 100).astype(str))
    assert found.selection_ratio == pytest.approx((1 - 0.5 / 0.6) / 0.5, abs=0.08)
    assert found.selection_ratio_interval[1] < 0.8
    assert found.opportunity_gap_interval[0] > 0.2


@pytest.mark.parametrize(("groups", "rows"), [(2, 400), (16, 200), (16, 800)])
def test_groups_that_are_treated_alike_are_seldom_surely_treated_otherwise(groups, rows):
    """The extremes of many groups lie apart by chance: forty times they are told from it."""
    ratios, gaps = 0, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        total = groups * rows
        found = treated(
            np.where(random.random(total) < 0.2, 0.9, 0.1),
            random.random(total) < 0.3,
            [f"g{n % groups:02d}" for n in range(total)],
            days=random.integers(0, 14, total).astype(str),
        )
        assert found.selection_ratio_interval[0] <= found.selection_ratio <= found.selection_ratio_interval[1]
        ratios += found.selection_ratio_interval[1] < 1
        gaps += found.opportunity_gap_interval[0] > 0
    assert max(ratios, gaps) <= 4


def test_one_group_among_many_that_is_treated_otherwise_is_found():
    random = np.random.default_rng(0)
    groups = np.array([f"g{n % 16:02d}" for n in range(16 * 800)])
    selected = random.random(len(groups)) < np.where(groups == "g03", 0.1, 0.3)
    days = random.integers(0, 14, len(groups)).astype(str)
    found = treated(np.where(selected, 0.9, 0.1), np.ones(len(groups)), groups, days=days)
    assert found.selection_ratio_interval[1] < 0.8


def test_a_group_without_positive_rows_does_not_hide_the_gap_between_the_others():
    random = np.random.default_rng(0)
    groups = np.repeat(["a", "b", "c"], 1000)
    scores = np.where(random.random(3000) < np.where(groups == "a", 0.8, 0.2), 0.9, 0.1)
    found = treated(scores, groups != "c", groups, days=random.integers(0, 14, 3000).astype(str))
    assert found.opportunity_gap == pytest.approx(0.6, abs=0.05)
    assert found.opportunity_gap_interval[0] > 0.3


def test_nobody_of_a_small_group_selected_is_no_certainty():
    random = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], [20, 2000])
    selected = (random.random(2020) < 0.1) & (groups == "b")
    days = random.integers(0, 14, 2020).astype(str)
    found = treated(np.where(selected, 0.9, 0.1), np.ones(2020), groups, days=days)
    assert found.selection_ratio == 0.0
    assert found.selection_ratio_interval[1] > 0.8


def test_agreement_is_scipys_distance_and_counts_who_changes_sides():
    random = np.random.default_rng(0)
    one, other = random.random(500), random.beta(2, 5, 500)
    found = agreement(one, other, threshold=0.5)
    shares = [np.histogram(values, np.linspace(0, 1, BINS + 1))[0] for values in (one, other)]
    assert found["jensen_shannon"] == pytest.approx(jensenshannon(*shares, base=2))
    assert found["churn"] == ((one >= 0.5) != (other >= 0.5)).mean()
    same = agreement(one, one, threshold=0.5)
    assert same == {"churn": 0.0, "mean_change": 0.0, "jensen_shannon": 0.0}
    assert agreement(np.empty(0), np.empty(0), threshold=0.5) == {}


INPUTS = Inputs(categories=("kind",), numbers=("x", "z"))


class Sigmoid:
    """A model that is a formula: rises with x, does not know z, and depends on kind by a little."""

    def __init__(self, *, kind=0.01, noise=None):
        self.kind, self.noise = kind, noise

    def predict_proba(self, rows):
        odds = np.nan_to_num(rows["x"].to_numpy(dtype=float))
        answers = 0.9 / (1 + np.exp(-odds)) + self.kind * (rows["kind"] == "a").to_numpy()
        if self.noise == "batch":
            answers = answers + len(rows) * 1e-6
        if self.noise == "order":
            answers = answers + np.arange(len(rows)) * 1e-6
        if self.noise == "above":
            answers = answers + 1
        return np.stack([1 - answers, answers], axis=1)


def rows(count=300):
    random = np.random.default_rng(0)
    x = np.where(random.random(count) < 0.1, np.nan, random.normal(size=count))
    return pd.DataFrame(
        {"kind": random.choice(["a", "b", None], count), "x": x, "z": random.normal(size=count)}
    )


def test_an_input_that_may_not_matter_is_found_when_it_does():
    assert invariance(Sigmoid(), INPUTS, rows(), "z", 0.0, seed=0).violations == 0.0
    tolerated = invariance(Sigmoid(), INPUTS, rows(), "kind", 0.011, seed=0)
    assert (tolerated.violations, tolerated.largest) == (0.0, pytest.approx(0.01))
    found = invariance(Sigmoid(kind=0.05), INPUTS, rows(), "kind", 0.02, seed=0)
    assert found.violations > 0.3
    assert found.largest == pytest.approx(0.05)


def test_directions_are_held_to_and_missing_values_stay_missing():
    assert direction(Sigmoid(), INPUTS, rows(), "x", "increasing").violations == 0.0
    found = direction(Sigmoid(), INPUTS, rows(), "x", "decreasing")
    assert found.violations == pytest.approx(rows()["x"].notna().mean())
    assert direction(Sigmoid(), INPUTS, rows().assign(x=1.0), "x", "decreasing").violations == 1.0
    assert direction(Sigmoid(), INPUTS, rows().assign(x=np.nan), "x", "decreasing").violations == 0.0


@pytest.mark.parametrize("found", [numeric, lambda *given: {"alone": alone(*given[:3]).difference}])
def test_sound_arithmetic_is_sound(found):
    model = Sigmoid()
    told = found(model, INPUTS, rows(), score(model, INPUTS, rows()))
    assert all(value < 1e-8 for value in told.values())


@pytest.mark.parametrize(("noise", "name"), [("order", "order"), ("above", "outside")])
def test_arithmetic_that_is_not_is_found(noise, name):
    model = Sigmoid(noise=noise)
    assert numeric(model, INPUTS, rows(), score(model, INPUTS, rows()))[name] > 1e-5


def test_a_row_that_is_answered_otherwise_alone_is_found_and_each_is_timed():
    found = alone(Sigmoid(noise="batch"), INPUTS, rows())
    assert found.difference == pytest.approx(59e-6)
    assert len(found.milliseconds) == 60
    assert min(found.milliseconds) > 0
    assert alone(Sigmoid(), INPUTS, rows(0)).milliseconds == ()


def test_a_batch_is_timed_whole_and_no_rows_take_no_time():
    class Slow(Sigmoid):
        def predict_proba(self, prepared):
            assert len(prepared) == 70
            time.sleep(0.01)
            return super().predict_proba(prepared)

    assert 10 <= together(Slow(), INPUTS, rows(70)) < 1000
    assert together(Slow(), INPUTS, rows(0)) is None


def test_importance_is_what_shuffling_costs():
    given_rows = rows(2000)
    labels = (np.random.default_rng(1).random(2000) < score(Sigmoid(), INPUTS, given_rows)).astype(float)
    found = importance(Sigmoid(), INPUTS, given_rows, labels, seed=0)
    assert next(iter(found)) == "x"
    assert found["x"] > 0.05
    assert abs(found["z"]) < 1e-12
    assert importance(Sigmoid(), INPUTS, given_rows, labels, seed=0) == found
    assert importance(Sigmoid(), INPUTS, given_rows.iloc[:0], labels[:0], seed=0) == {}


def test_a_sample_keeps_its_order_and_is_the_same_each_time():
    first, second = (sample(rows(2000), seed=3, most=100) for _ in range(2))
    assert first.equals(second)
    assert list(first.index) == sorted(first.index)
    assert len(sample(rows(50), seed=3, most=100)) == 50
