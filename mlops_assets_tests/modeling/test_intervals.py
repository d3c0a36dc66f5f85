"""Intervals hold the truth as often as they say, also where whole days share their luck."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mlops_assets.modeling.evaluation import calibration_error, measure
from mlops_assets.modeling.intervals import DayDraws, calibration_line, interval, intervals

DAYS, A_DAY = 20, 60


def world(seed, *, day_luck=0.5, days=DAYS):
    """Labels, scores that know nothing of the day's luck, and the day of each row."""
    random = np.random.default_rng(seed)
    odds = random.normal(loc=1, size=days * A_DAY)
    day = np.repeat(np.arange(days), A_DAY)
    luck = random.normal(scale=day_luck, size=days)[day]
    labels = (random.random(len(odds)) < 1 / (1 + np.exp(-(odds + luck)))).astype(float)
    return labels, 1 / (1 + np.exp(-odds)), day.astype(str)


def drawn_by_hand(labels, scores, draws, statistic):
    """The statistic of every draw, its rows repeated."""
    found = []
    for counts in draws.counts:
        rows = np.repeat(np.arange(len(labels)), counts[draws.day].astype(int))
        found.append(statistic(labels[rows], scores[rows]))
    return np.array(found)


def test_weights_are_what_repeated_rows_are():
    labels, scores, day = world(0)
    scores = np.round(scores, 2)
    draws = DayDraws.of(day, seed=1, draws=60)
    found = intervals(labels, scores, draws)
    by_hand = {
        "roc_auc": roc_auc_score,
        "log_loss": lambda y, s: measure(y, s)["log_loss"],
        "brier": lambda y, s: measure(y, s)["brier"],
        "accuracy": lambda y, s: measure(y, s)["accuracy"],
    }
    for name, statistic in by_hand.items():
        expected = interval(drawn_by_hand(labels, scores, draws, statistic))
        assert found[name] == pytest.approx(expected, abs=1e-9), name


def test_one_step_of_the_slope_is_nearly_the_slope_of_the_draw():
    labels, scores, day = world(0)
    draws = DayDraws.of(day, seed=1, draws=60)
    by_hand = drawn_by_hand(labels, scores, draws, lambda y, s: calibration_line(y, s)["slope"])
    assert intervals(labels, scores, draws)["calibration slope"] == pytest.approx(interval(by_hand), abs=0.02)


def test_the_calibration_line_is_a_logistic_regression():
    labels, scores, _ = world(3)
    odds = np.log(scores / (1 - scores))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], labels)
    found = calibration_line(labels, scores)
    assert found["slope"] == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
    assert found["intercept"] == pytest.approx(fitted.intercept_[0], abs=1e-5)


def test_scores_that_are_too_extreme_have_a_slope_below_one():
    labels, scores, _ = world(3, day_luck=0)
    odds = np.log(scores / (1 - scores))
    assert calibration_line(labels, 1 / (1 + np.exp(-2 * odds)))["slope"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (np.ones(4), np.array([0.1, 0.2, 0.3, 0.4])),
        (np.array([0.0, 1.0]), np.array([0.5, 0.5])),
        (np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.8, 0.9])),
    ],
)
def test_there_is_no_line_where_there_is_nothing_to_fit(labels, scores):
    assert calibration_line(labels, scores) == {}


def test_days_that_share_their_luck_make_wider_intervals_than_rows_do_and_hold_the_truth():
    """Sixty worlds, days lucky together: the interval holds the mean of many worlds in about 95% of them."""
    accuracy = [measure(*world(seed)[:2])["accuracy"] for seed in range(1000, 1400)]
    truth, held, widths = np.mean(accuracy), 0, []
    for seed in range(60):
        labels, scores, day = world(seed)
        low, high = intervals(labels, scores, DayDraws.of(day, seed=0))["accuracy"]
        held += low <= truth <= high
        widths.append(high - low)
    assert held >= 51
    rows_alone = 2 * 1.96 * np.sqrt(truth * (1 - truth) / (DAYS * A_DAY))
    assert np.mean(widths) > 1.2 * rows_alone


def test_few_days_and_one_class_have_no_interval():
    labels, scores, day = world(0, days=6)
    assert DayDraws.of(day, seed=0) is None
    assert intervals(labels, scores, None) == {}
    labels, scores, day = world(0)
    assert "roc_auc" not in intervals(np.ones_like(labels), scores, DayDraws.of(day, seed=0))


def test_the_error_of_calibration_is_measured_in_the_bins_of_all_rows():
    labels, scores, day = world(0)
    low, high = intervals(labels, scores, DayDraws.of(day, seed=0))["calibration_error"]
    assert low < calibration_error(labels, scores) * 2
    assert high > low
