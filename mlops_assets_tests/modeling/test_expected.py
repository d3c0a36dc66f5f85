"""What is expected of scores is the mean of what labels drawn by their chances say, and as spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn import metrics as sk

from mlops_assets.modeling.expected import expected, measured

METRICS = {"log_loss", "brier", "roc_auc", "precision", "recall"}


def world(seed=0, rows=400, decimals=2):
    random = np.random.default_rng(seed)
    scores = np.clip(np.round(random.beta(2, 4, rows), decimals), 0.01, 0.99)
    return random, scores, np.clip(scores**1.5, 0.01, 0.99)


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_of_labels_it_is_what_everybody_measures(decimals):
    random, scores, chances = world(decimals=decimals)
    labels = (random.random(len(scores)) < chances).astype(float)
    chosen = scores >= 0.4
    assert measured(scores, labels, threshold=0.4) == pytest.approx(
        {
            "log_loss": sk.log_loss(labels, scores),
            "brier": sk.brier_score_loss(labels, scores),
            "roc_auc": sk.roc_auc_score(labels, scores),
            "precision": sk.precision_score(labels, chosen),
            "recall": sk.recall_score(labels, chosen),
        }
    )


def test_labels_leave_nothing_to_chance():
    random, scores, chances = world()
    labels = (random.random(len(scores)) < chances).astype(float)
    assert all(one.chance == 0 for one in expected(scores, labels, threshold=0.4).values())


def test_value_and_spread_are_those_of_drawn_labels():
    random, scores, chances = world()
    drawn = [
        measured(scores, (random.random(len(scores)) < chances).astype(float), threshold=0.4)
        for _ in range(3000)
    ]
    found = expected(scores, chances, threshold=0.4)
    assert set(found) == METRICS
    for name, one in found.items():
        values = np.array([draw[name] for draw in drawn])
        # Of ratios it is the ratio of means, off by a bit of the spread (Kivimäki and others 2025, section 4).
        assert one.value == pytest.approx(values.mean(), abs=0.1 * values.std()), name
        assert np.sqrt(one.chance) == pytest.approx(values.std(), rel=0.06), name


def test_the_mood_is_what_a_shift_of_all_log_odds_does():
    _, scores, chances = world()
    found = expected(scores, chances, threshold=0.4)
    shifted = expected(scores, expit(logit(chances) + 1e-5), threshold=0.4)
    for name, one in found.items():
        assert one.mood == pytest.approx((shifted[name].value - one.value) / 1e-5, abs=1e-4), name


def test_the_matrix_of_confusion_is_that_of_the_published_definition():
    _, scores, chances = world()
    chosen = scores >= 0.4
    right, wrong, missed = chances[chosen].sum(), (1 - chances[chosen]).sum(), chances[~chosen].sum()
    found = expected(scores, chances, threshold=0.4)
    assert found["precision"].value == pytest.approx(right / (right + wrong))
    assert found["recall"].value == pytest.approx(right / (right + missed))


def test_equal_scores_part_nothing_and_are_sure_of_it():
    found = expected(np.full(50, 0.3), np.full(50, 0.3), threshold=0.5)
    assert (found["roc_auc"].value, found["roc_auc"].chance) == pytest.approx((0.5, 0.0))
    # No row is selected.
    assert set(found) == METRICS - {"precision"}


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_area(label):
    _, scores, _ = world()
    found = measured(scores, np.full(len(scores), label), threshold=0.4)
    assert "roc_auc" not in found
    assert ("recall" in found) == bool(label)


def test_of_nothing_nothing_is_expected():
    assert expected(np.empty(0), np.empty(0), threshold=0.5) == {}


@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 1 - 1e-6)), min_size=1, max_size=20),
    threshold=st.floats(0.01, 0.99),
)
def test_any_rows_have_finite_metrics(rows, threshold):
    scores, chances = (np.array(one) for one in zip(*rows, strict=True))
    for name, one in expected(scores, chances, threshold=threshold).items():
        assert np.isfinite([one.value, one.chance]).all(), name
        assert one.chance >= 0
        if name != "log_loss":
            assert -1e-9 <= one.value <= 1 + 1e-9, name


def test_the_order_of_rows_does_not_count():
    random, scores, chances = world()
    order = random.permutation(len(scores))
    one, other = (
        expected(scores[rows], chances[rows], threshold=0.4) for rows in (order, np.arange(len(scores)))
    )
    for name in METRICS:
        assert one[name].value == pytest.approx(other[name].value)
        assert one[name].chance == pytest.approx(other[name].chance)
