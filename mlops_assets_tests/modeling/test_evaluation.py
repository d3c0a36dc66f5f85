"""Measures against scikit-learn, and against what they mean."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlops_assets.declaration.metrics import HIGHER_IS_BETTER, WITHIN_DAYS
from mlops_assets.declaration.model import ChampionGate
from mlops_assets.modeling.evaluation import (
    COMPARED,
    SMALLEST_PROBABILITY,
    calibration_curve,
    calibration_error,
    daily_improvement,
    log_losses,
    log_losses_within_days,
    measure,
)

SCORED = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60)


def arrays(scored):
    labels, scores = zip(*scored, strict=True)
    return np.array(labels, dtype=float), np.array(scores)


@given(scored=SCORED)
def test_measures_are_scikit_learns(scored):
    labels, scores = arrays(scored)
    clipped = np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    expected = {
        "log_loss": sk.log_loss(labels, clipped, labels=[0, 1]),
        "brier": sk.brier_score_loss(labels, scores, pos_label=1),
        "accuracy": sk.accuracy_score(labels, scores >= 0.5),
    }
    if len(set(labels)) == 2:
        expected["roc_auc"] = sk.roc_auc_score(labels, scores)
    found = measure(labels, scores)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert set(found) == {*expected, "calibration_error"}


def test_every_metric_a_gate_may_name_is_measured():
    assert set(measure(np.array([0.0, 1.0]), np.array([0.1, 0.9]))) == set(HIGHER_IS_BETTER)


def test_every_loss_a_champion_gate_may_name_is_compared():
    assert set(ChampionGate.model_fields["metric"].annotation.__args__) == set(COMPARED)


def of_two_moods(random, *, shift=0.0):
    """Labels, scores and days: on one day everything is late, on the other nothing is."""
    days = pd.Series(np.repeat(["2024-01-01", "2024-01-02"], 200))
    odds = random.normal(-1, 1, 400)
    mood = np.where(days == "2024-01-01", 1.5, -1.5)
    labels = (random.random(400) < 1 / (1 + np.exp(-odds - mood))).astype(float)
    return labels, 1 / (1 + np.exp(-odds - shift)), days


def test_within_days_the_level_of_the_scores_does_not_count():
    labels, scores, days = of_two_moods(np.random.default_rng(1))
    _, shifted, _ = of_two_moods(np.random.default_rng(1), shift=0.7)
    found = daily_improvement(labels, challenger=scores, champion=shifted, days=days)
    assert found[WITHIN_DAYS] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert abs(found["log_loss"][0]) > 0.05


def test_within_days_the_scores_add_up_to_the_positives_and_are_the_best_shift():
    labels, scores, days = of_two_moods(np.random.default_rng(2))
    losses, odds = log_losses_within_days(labels, scores, days), np.log(scores / (1 - scores))
    for day in days.unique():
        on = (days == day).to_numpy()
        shifts = np.linspace(-4, 4, 8001)[:, None]
        tried = np.log1p(np.exp(odds[on] + shifts)) - labels[on] * (odds[on] + shifts)
        assert losses[on].mean() == pytest.approx(tried.mean(axis=1).min(), abs=1e-6)


def test_a_day_of_one_class_tells_nothing_within_it():
    scores, days = np.array([0.0, 1.0, 0.2, 0.9]), pd.Series(["a", "a", "b", "b"])
    found = log_losses_within_days(np.array([1.0, 1.0, 0.0, 1.0]), scores, days)
    assert list(found[:2]) == [0.0, 0.0]
    assert 0 < found[2:].sum() < log_losses(np.array([0.0, 1.0]), scores[2:]).sum()


def test_no_rows_have_no_measures():
    assert measure(np.array([]), np.array([])) == {}


def test_one_class_has_no_roc_auc():
    assert "roc_auc" not in measure(np.ones(3), np.array([0.2, 0.5, 0.9]))


def test_a_sure_mistake_costs_much_but_not_infinitely():
    assert log_losses(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(13.8155, abs=1e-3)


@given(scored=SCORED, random=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_measure(scored, random):
    shuffled = random.sample(scored, len(scored))
    assert measure(*arrays(shuffled)) == pytest.approx(measure(*arrays(scored)))


def test_a_constant_score_is_off_by_its_distance_from_the_share():
    labels = np.repeat([0.0, 1.0], [70, 30])
    assert calibration_error(labels, np.full(100, 0.3)) == pytest.approx(0)
    assert calibration_error(labels, np.full(100, 0.5)) == pytest.approx(0.2)


def test_bins_hold_equal_counts_in_the_order_of_the_scores():
    scores = np.linspace(0, 1, 1000)
    curve = calibration_curve((scores > 0.5).astype(float), scores)
    assert curve["rows"].tolist() == [100] * 10
    assert curve["predicted"].is_monotonic_increasing
    assert curve["observed"].tolist() == [0.0] * 5 + [1.0] * 5


@given(scored=SCORED)
def test_no_row_is_left_out_of_the_curve(scored):
    labels, scores = arrays(scored)
    curve = calibration_curve(labels, scores)
    assert curve["rows"].sum() == len(scored)
    assert 1 <= len(curve) <= 10
    assert (curve["observed"] * curve["rows"]).sum() == pytest.approx(labels.sum())
    assert 0 <= calibration_error(labels, scores) <= 1


def test_true_probabilities_are_calibrated_and_doubtful_ones_are_not():
    random = np.random.default_rng(0)
    truth = random.random(20_000)
    labels = (random.random(20_000) < truth).astype(float)
    assert calibration_error(labels, truth) < 0.02
    assert calibration_error(labels, truth**2) > 0.1


def test_improvement_is_the_mean_difference_of_losses_by_day_oldest_first():
    labels = np.array([1.0, 0.0, 1.0])
    days = pd.Series(["2013-01-02", "2013-01-01", "2013-01-02"], index=[9, 8, 7])
    found = daily_improvement(
        labels, challenger=np.array([0.9, 0.2, 0.7]), champion=np.array([0.6, 0.1, 0.5]), days=days
    )
    assert found["brier"] == pytest.approx([0.01 - 0.04, ((0.16 - 0.01) + (0.25 - 0.09)) / 2])
    expected = [np.log(0.8 / 0.9), (np.log(0.9 / 0.6) + np.log(0.7 / 0.5)) / 2]
    assert found["log_loss"] == pytest.approx(expected)


def test_a_model_does_not_improve_upon_itself():
    scores = np.array([0.3, 0.6])
    found = daily_improvement(
        np.array([0.0, 1.0]), challenger=scores, champion=scores, days=pd.Series(["a", "b"])
    )
    assert found == {name: [0.0, 0.0] for name in COMPARED}
