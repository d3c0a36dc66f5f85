"""A version is believed without labels as long as labels that came later say that it could be."""

import numpy as np
import pytest

from mlops_assets.monitoring.estimates import AUDITED, NEEDED, holds
from mlops_assets_tests.steps.stream import Stream, day

JUDGED = 14


def audits(found):
    return {one.metric: one for one in found.audits}


def test_days_that_are_not_mature_are_estimated_and_the_newest_others_audited():
    found = Stream(late=3).estimating(days=45).estimates()
    assert [one.day for one in found.ahead] == [day(JUDGED + 43), day(JUDGED + 44)]
    assert [one.day for one in found.audited] == [day(JUDGED + 43 - back) for back in range(AUDITED, 0, -1)]
    assert all(one.real is None for day in found.ahead for one in day.metrics.values())
    assert all(one.real is not None for day in found.audited for one in day.metrics.values())
    assert set(audits(found)) == {"log_loss", "brier", "roc_auc", "precision", "recall"}
    assert all(set(shown) == set(audits(found)) for shown in found.shown.values())


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_covariate_shift_alone_is_covered_and_goes_on_being_shown(shift):
    # The shift comes with the first audited day. Four streams of 28 days: fewer than 0.90 happen once in 50 times.
    covered = {}
    for seed in range(4):
        found = Stream(shift=shift, shift_from=JUDGED + 15).estimating(seed=seed).estimates()
        for name, one in audits(found).items():
            covered.setdefault(name, []).append(one.covered / one.days)
    for name, shares in covered.items():
        assert np.mean(shares) >= 0.90, name


@pytest.mark.parametrize(
    "world",
    [{"turned_from": JUDGED + 33}, {"drift": 1.5, "drift_from": JUDGED + 33}],
    ids=["the input means the contrary", "all log odds moved"],
)
def test_concept_drift_switches_the_estimate_off_within_ten_days_of_labels(world):
    for seed in range(3):
        found = Stream(**world).estimating(seed=seed, days=45).estimates()
        one = audits(found)["log_loss"]
        assert one.off
        assert "switched off" in one.why
        assert all("log_loss" not in shown for shown in found.shown.values())
        verdict = holds(found)
        assert (verdict.passed, verdict.blocking) == (False, False)
        assert "log_loss" in verdict.reason


def test_concept_drift_of_which_no_label_came_is_not_seen():
    found = Stream(turned_from=JUDGED + 43).estimating().estimates()
    assert audits(found)["log_loss"].shown


def test_what_is_learned_from_drifted_days_is_believed_again_when_it_holds():
    found = Stream(drift=1.5, drift_from=JUDGED + 1, mood=0.2).estimating(days=80).estimates()
    assert audits(found)["log_loss"].covered > 0.8 * AUDITED


def test_fewer_days_than_can_be_audited_show_nothing():
    found = Stream().estimating(days=NEEDED + 1).estimates()
    assert audits(found)["log_loss"].days == NEEDED - 1
    assert all(not shown for shown in found.shown.values())
    assert holds(found).passed


def test_too_few_days_to_learn_from_are_no_estimate():
    found = Stream().estimating(days=3, judged=3).estimates()
    assert (found.audited, found.ahead) == ((), ())


def test_of_a_past_day_only_is_known_what_was_known_then():
    """Labels that came after a day was estimated may be what they like: the estimate is the same."""
    stream, judged, days = Stream(late=3), 14, 10
    now = judged + days
    whole = stream.estimating(days=days).estimates()
    early = stream.estimating(days=days - 4).estimates()
    past = {one.day: one for one in whole.audited}
    (then,) = [one for one in early.ahead if one.day == day(now - 5)]
    for name, one in then.metrics.items():
        told = past[then.day].metrics[name]
        assert (told.value, told.low, told.high) == pytest.approx((one.value, one.low, one.high)), name


def test_the_real_value_is_that_of_the_labels():
    stream = Stream()
    asked, scores = stream.asked(JUDGED, JUDGED + 45, seed=0, as_of=JUDGED + 45)
    found = stream.estimating().estimates()
    newest = found.audited[-1]
    rows = (asked.days == newest.day).to_numpy()
    assert newest.events == rows.sum()
    assert newest.metrics["brier"].real == pytest.approx(((scores - asked.labels)[rows] ** 2).mean())
