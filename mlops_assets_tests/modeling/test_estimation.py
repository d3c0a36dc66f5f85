"""A day falls into its interval as often as it is said, whatever moods days have and whatever is asked of them."""

import numpy as np
import pytest
from scipy.special import expit

from mlops_assets.modeling.estimation import Estimator, ScoredDay, correlation, worth
from mlops_assets.modeling.expected import measured

METRICS = ("log_loss", "brier", "roc_auc", "precision", "recall")


def days(count, *, seed, rows=200, mood=0.3, alike=0.0, shift=0.0):
    """Scores that are no chances, but tell all that there is to know except each day's mood."""
    random, own, found = np.random.default_rng(seed), 0.0, []
    for number in range(count):
        own = alike * own + np.sqrt(1 - alike**2) * random.normal()
        x = random.normal(loc=shift * (number == count - 1), size=rows)
        labels = random.random(rows) < expit(-0.7 + 1.2 * x + mood * own)
        found.append(ScoredDay.of(expit(-0.3 + 0.8 * x), labels.astype(float)))
    return found


def covered(worlds, **world):
    """Of the last day of so many worlds of three weeks, what share fell into the interval, by metric."""
    inside = {name: [] for name in METRICS}
    for seed in range(worlds):
        *known, last = days(22, seed=seed, **world)
        found = Estimator.of(known, threshold=0.5).of_day(last.scores)
        for name, real in measured(last.scores, last.labels, threshold=0.5).items():
            inside[name].append(found[name].low <= real <= found[name].high)
    return {name: np.mean(one) for name, one in inside.items()}


@pytest.mark.parametrize(
    "world",
    [{}, {"mood": 0.0}, {"alike": 0.5}, {"shift": 1.0}, {"shift": -1.0, "mood": 0.1}, {"rows": 40}],
    ids=["moods", "no moods", "moods that last", "a shift", "a shift down", "few rows"],
)
def test_an_interval_of_95_percent_holds_that_often(world):
    # Of 80 worlds in which it is 0.95, fewer than 0.875 happen once in 200 times.
    for name, share in covered(80, **world).items():
        assert share >= 0.875, name


def test_intervals_are_no_wider_than_days_differ():
    assert np.mean(list(covered(80).values())) < 0.985


def test_without_moods_the_estimate_is_all_that_can_be_known():
    *known, last = days(30, seed=1, rows=2000, mood=0.0)
    real = measured(last.scores, last.labels, threshold=0.5)
    for name, one in Estimator.of(known, threshold=0.5).of_day(last.scores).items():
        assert one.value == pytest.approx(real[name], abs=0.03), name
        assert one.high - one.low < 0.15, name


def test_moods_widen_the_interval():
    calm, moody = (
        Estimator.of(days(30, seed=1, mood=mood), threshold=0.5).of_day(days(1, seed=2)[0].scores)["log_loss"]
        for mood in (0.0, 0.6)
    )
    assert moody.high - moody.low > 1.1 * (calm.high - calm.low)


@pytest.mark.parametrize("mood", [0.0, 0.3, 0.8])
def test_moods_are_as_great_as_they_are(mood):
    found = Estimator.of(days(150, seed=3, rows=400, mood=mood), threshold=0.5)
    assert np.sqrt(found.moods) == pytest.approx(mood, abs=0.08)


def test_too_few_days_say_nothing():
    nothing = ScoredDay(np.empty(0), np.empty(0))
    assert Estimator.of([], threshold=0.5) is None
    assert Estimator.of(days(6, seed=0), threshold=0.5) is None
    assert Estimator.of([*days(6, seed=0), nothing, nothing], threshold=0.5) is None
    assert Estimator.of([*days(4, seed=0), nothing, *days(3, seed=1)], threshold=0.5) is not None


def test_a_day_without_events_has_no_estimate():
    assert Estimator.of(days(10, seed=0), threshold=0.5).of_day(np.empty(0)) == {}


def test_scores_that_are_no_numbers_are_left_out():
    known, asked = days(10, seed=0), days(1, seed=9)[0]
    odd = np.array([np.nan, np.inf, -np.inf])
    spoiled = [
        ScoredDay.of(np.append(one.scores, odd), np.append(one.labels, [1.0, 0.0, 1.0])) for one in known
    ]
    clean, dirty = (Estimator.of(one, threshold=0.5) for one in (known, spoiled))
    assert dirty.of_day(np.append(asked.scores, odd)) == clean.of_day(asked.scores)


def test_equal_scores_are_estimated_and_part_nothing():
    random = np.random.default_rng(0)
    known = [ScoredDay.of(np.full(50, 0.2), (random.random(50) < 0.3).astype(float)) for _ in range(20)]
    found = Estimator.of(known, threshold=0.5).of_day(np.full(50, 0.2))
    assert (found["roc_auc"].low, found["roc_auc"].high) == pytest.approx((0.5, 0.5))
    assert "precision" not in found
    share = np.mean([one.labels.mean() for one in known])
    assert found["brier"].value == pytest.approx(share * 0.64 + (1 - share) * 0.04, abs=0.01)


def test_where_only_one_class_is_known_what_needs_both_is_not_estimated():
    known = [ScoredDay.of(one.scores, np.zeros_like(one.labels)) for one in days(10, seed=0)]
    found = Estimator.of(known, threshold=0.5).of_day(known[0].scores)
    assert set(found) == {"log_loss", "brier", "precision"}
    assert found["precision"].value < 0.01


def test_one_row_a_day_is_little_and_no_mistake():
    found = Estimator.of(days(30, seed=0, rows=1), threshold=0.5).of_day(np.array([0.7]))
    assert found["log_loss"].low < found["log_loss"].value < found["log_loss"].high
    assert "roc_auc" not in found


@pytest.mark.parametrize(("alike", "least", "most"), [(0.0, 190, 200), (0.5, 95, 150), (0.99, 20, 45)])
def test_days_that_resemble_each_other_are_worth_fewer(alike, least, most):
    random, own, errors = np.random.default_rng(0), 0.0, []
    for _ in range(200):
        own = alike * own + np.sqrt(1 - alike**2) * random.normal()
        errors.append(own)
    assert least <= worth(200, correlation(errors)) <= most


def test_no_errors_are_worth_their_days():
    assert worth(3, correlation([0.0, 0.0, 0.0])) == 3
    assert worth(0, correlation([])) == 0
