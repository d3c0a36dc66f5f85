"""A calibration is the fit that its name says, and the one that predicts what it has not seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from mlops_assets.modeling.calibration import (
    CELLS,
    KINDS,
    ODDS,
    Calibration,
    Counts,
    beta,
    cell,
    isotonic,
    logistic,
)


def world(meaning, *, rows=40_000, seed=0):
    """Scores, labels that come true as ``meaning`` says of the score's log odds, and five parts in turn."""
    random = np.random.default_rng(seed)
    odds = random.normal(loc=-0.5, scale=1.2, size=rows)
    labels = (random.random(rows) < expit(meaning(odds))).astype(float)
    return expit(odds), labels, np.arange(rows) % 5


def counts(scores, labels):
    return Counts.by_part(scores, labels, np.zeros(len(scores), dtype=np.int64), 1).together()


def test_a_cell_is_too_narrow_to_matter():
    scores = np.random.default_rng(0).random(10_000)
    assert np.abs(expit(ODDS)[cell(scores)] - scores).max() <= 0.00125


@given(st.floats(min_value=0, max_value=1))
def test_every_probability_has_a_cell(score):
    assert 0 <= cell(np.array([score]))[0] < CELLS


def test_the_logistic_one_is_a_logistic_regression():
    scores, labels, _ = world(lambda odds: 0.4 + 0.6 * odds)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(scores)[:, None], labels)
    ours = logistic(counts(scores, labels))[cell(scores)]
    assert ours == pytest.approx(fitted.predict_proba(logit(scores)[:, None])[:, 1], abs=2e-3)


def test_the_beta_one_is_a_logistic_regression_on_both_logs():
    scores, labels, _ = world(lambda odds: odds - 0.8 * np.log1p(np.exp(odds)))
    design = np.stack([np.log(scores), np.log1p(-scores)], axis=1)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design, labels)
    ours = beta(counts(scores, labels))[cell(scores)]
    assert ours == pytest.approx(fitted.predict_proba(design)[:, 1], abs=2e-3)


def test_the_isotonic_one_is_scikit_learns_on_scores_that_are_cells():
    _, labels, _ = world(lambda odds: odds**3 / 4)
    scores = expit(ODDS)[cell(world(lambda odds: odds)[0])]
    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    ours = isotonic(counts(scores, labels))[cell(scores)]
    assert ours == pytest.approx(fitted.predict(scores), abs=1e-4)


@pytest.mark.parametrize(
    ("meaning", "kinds"),
    [
        (lambda odds: odds, {"as they are", "logistic"}),
        (lambda odds: 1 - 0.4 * odds, {"logistic", "beta"}),
        (lambda odds: odds - 0.9 * np.log1p(np.exp(odds)), {"beta", "isotonic"}),
        (lambda odds: 3.0 * (odds > 0) - 2.0, {"isotonic"}),
    ],
    ids=["true", "turned", "bent", "a step"],
)
def test_the_kind_is_the_one_that_the_world_has(meaning, kinds):
    scores, labels, part = world(meaning)
    found = Calibration.chosen(Counts.by_part(scores, labels, part, 5))
    assert found.kind in kinds
    random = np.random.default_rng(1).normal(loc=-0.5, scale=1.2, size=1000)
    assert np.abs(found.of(expit(random)) - expit(meaning(random))).mean() < 0.02


def test_what_is_said_of_a_part_does_not_know_its_labels():
    scores, labels, part = world(lambda odds: odds, rows=2_000)
    lying = np.where(part == 3, 1 - labels, labels)
    told, lied = (Calibration.chosen(Counts.by_part(scores, one, part, 5)) for one in (labels, lying))
    places = [list(KINDS).index(one.kind) for one in (told, lied)]
    if places[0] == places[1]:
        assert told.of_part(3, scores) == pytest.approx(lied.of_part(3, scores))
    parts = [Counts.by_part(scores, one, part, 5).without(3) for one in (labels, lying)]
    for fit in KINDS.values():
        assert fit(parts[0]) == pytest.approx(fit(parts[1]))


@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30),
)
def test_any_rows_have_chances(rows):
    scores, labels = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    known = counts(scores, labels)
    for name, fit in KINDS.items():
        chances = fit(known)
        assert np.isfinite(chances).all(), name
        assert ((chances > 0) & (chances < 1)).all(), name


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_class_the_other_stays_possible(label):
    scores = np.random.default_rng(0).random(500)
    for name in ("logistic", "beta", "isotonic"):
        chances = KINDS[name](counts(scores, np.full(500, label)))[cell(scores)]
        assert np.abs(chances - label).max() < 0.05, name
        assert np.abs(chances - label).min() > 0, name
