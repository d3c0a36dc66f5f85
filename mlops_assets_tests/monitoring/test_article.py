"""The article's literal rules, and why they are not the default."""

import numpy as np
import pytest

from mlops_assets.monitoring.article import article
from mlops_assets.monitoring.calibrated import calibrated
from mlops_assets.monitoring.cells import Watched
from mlops_assets.monitoring.distances import jensen_shannon_distance
from mlops_assets_tests.monitoring.counted import cells_of, number_profiles, profile

SCORE, LABEL = Watched("score", "number", "score"), Watched("label", "category", "label")


def test_any_feature_below_five_percent_is_drift():
    random = np.random.default_rng(1)
    tested = [
        article(*number_profiles(random.normal(size=5000), random.normal(size=5000))).verdict
        for _ in range(200)
    ]
    assert 2 <= sum(verdict == "drift" for verdict in tested) <= 20


def test_it_speaks_on_most_quiet_batches_of_many_features_and_the_default_does_not():
    random = np.random.default_rng(2)
    watched = [Watched(f"x{number}", "number") for number in range(25)]
    spoke = {"article": 0, "calibrated": 0}
    for _ in range(20):
        one, other = ({each: random.normal(size=2000) for each in watched} for _ in range(2))
        cells = cells_of(one)
        sides = profile(one, cells), profile(other, cells)
        spoke["article"] += article(*sides).verdict == "drift"
        spoke["calibrated"] += calibrated(*sides).verdict == "drift"
    assert spoke["article"] >= 8
    assert spoke["calibrated"] == 0


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "stable"), (0.3, "stable"), (1.5, "drift")])
def test_a_score_is_judged_by_jensen_shannon_distance(shift, verdict):
    random = np.random.default_rng(3)
    one, other = random.normal(size=5000), random.normal(shift, 1, size=5000)
    cells = cells_of({SCORE: one})
    report = article(profile({SCORE: one}, cells), profile({SCORE: other}, cells))
    assert report.verdict == verdict
    assert "Jensen-Shannon distance (base 2)" in report.findings[0].sentence


def test_the_known_distances_of_two_classes():
    assert jensen_shannon_distance(np.array([90, 10]), np.array([85, 15])) == pytest.approx(0.064, abs=1e-3)
    assert jensen_shannon_distance(np.array([90, 10]), np.array([80, 20])) == pytest.approx(0.120, abs=1e-3)


def test_labels_are_not_looked_at():
    one, other = np.array(["yes"] * 600, dtype=object), np.array(["no"] * 600, dtype=object)
    cells = cells_of({LABEL: one})
    assert article(profile({LABEL: one}, cells), profile({LABEL: other}, cells)).findings == ()


def test_no_values_are_not_enough():
    assert article(*number_profiles(np.ones(9), np.full(9, np.nan))).verdict == "not enough data"
