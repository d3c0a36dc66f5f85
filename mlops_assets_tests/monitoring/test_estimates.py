"""An estimate is shown only where days whose labels came later say that it may be."""

import json

import numpy as np
import pytest

from mlops_assets.monitoring.estimates import (
    HOLDS,
    LEAST_CHANCE,
    NEEDED,
    Audit,
    Estimate,
    EstimatedDay,
    Estimates,
    audit,
    holds,
)

LEVEL = 0.95


def past(inside, outside):
    return [Estimate(0.5, 0.4, 0.6, 0.55)] * inside + [Estimate(0.5, 0.4, 0.6, 0.7)] * outside


def judged(inside, outside, *, worth=None, metric="log_loss"):
    days = past(inside, outside)
    count = inside + outside
    return audit(metric, days, [0.45] * count, level=LEVEL, worth=count if worth is None else worth)


def estimates(*audits):
    ahead = EstimatedDay("2024-03-02", 9, "beta", {one.metric: Estimate(0.5, 0.4, 0.6) for one in audits})
    known = EstimatedDay(
        "2024-03-01", 9, "beta", {one.metric: Estimate(0.4, 0.3, 0.5, 0.45) for one in audits}
    )
    return Estimates(LEVEL, (known,), (ahead,), audits)


@pytest.mark.parametrize(
    ("inside", "outside", "shown", "off"),
    [
        (28, 0, True, False),
        (25, 3, True, False),
        (23, 5, False, True),
        (0, 28, False, True),
        (14, 0, True, False),
    ],
)
def test_as_many_days_as_by_chance_must_fall_into_their_intervals(inside, outside, shown, off):
    found = judged(inside, outside)
    assert (found.shown, found.off, found.covered, found.days) == (shown, off, inside, inside + outside)
    assert f"{inside} of {inside + outside} days fell into their 95% intervals" in found.why


def test_the_bound_is_the_binomial_one():
    random = np.random.default_rng(0)
    inside = random.binomial(28, LEVEL, size=20_000)
    off = {count: judged(count, 28 - count).off for count in range(29)}
    # Between whole numbers of days, so at most what is declared.
    assert 0.005 < np.mean([off[count] for count in inside]) <= LEAST_CHANCE


def test_days_that_resemble_each_other_need_more_misses():
    assert judged(24, 4).off
    assert judged(24, 4, worth=12).shown
    assert judged(14, 14, worth=12).off


def test_where_a_fifth_of_the_days_missed_nothing_is_shown_however_much_they_resemble_each_other():
    assert judged(23, 5, worth=4).shown
    found = judged(22, 6, worth=4)
    assert found.off
    assert found.why.endswith("80% is the least that is shown")


@pytest.mark.parametrize("outside", [0, 5])
def test_too_few_days_show_nothing_and_are_no_fault(outside):
    found = judged(NEEDED - 1 - outside, outside)
    assert not found.shown
    assert not found.off
    assert found.why == f"not shown: {NEEDED - 1} days could be audited, {NEEDED} are needed"
    assert holds(estimates(found)).passed


def test_errors_are_those_of_the_labels_and_of_the_mean():
    found = judged(14, 14)
    assert (found.bias, found.error, found.usual_error) == pytest.approx((0.125, 0.125, 0.175))


def test_a_metric_without_a_day_is_not_shown():
    found = audit("recall", [], [], level=LEVEL, worth=0)
    assert (found.days, found.shown, found.bias) == (0, False, 0.0)


def test_only_what_held_is_shown_and_what_did_not_warns_with_the_reason():
    found = estimates(judged(28, 0), judged(14, 14, metric="recall"))
    assert found.shown == {"2024-03-02": {"log_loss": Estimate(0.5, 0.4, 0.6)}}
    assert set(found.of("log_loss")) == {"2024-03-01", "2024-03-02"}
    # What was estimated of the past is the evidence, and stays.
    assert set(found.of("recall")) == {"2024-03-01"}
    verdict = holds(found)
    assert (verdict.check, verdict.passed, verdict.blocking, verdict.error) == (HOLDS, False, False, False)
    assert verdict.reason.startswith("recall: switched off: 14 of 28 days fell into their 95% intervals")
    assert "log_loss" not in verdict.reason


def test_all_that_held_is_told():
    verdict = holds(estimates(judged(28, 0)))
    assert verdict.passed
    assert verdict.reason == "log_loss: 28 of 28 days fell into their 95% intervals when their labels came"


def test_of_nothing_nothing_is_said():
    assert holds(None).passed
    assert holds(Estimates(LEVEL, (), (), ())).passed
    assert "could not" not in holds(Estimates(LEVEL, (), (), ())).reason


def test_a_value_on_the_edge_is_inside_although_floats_are_not_exact():
    assert Estimate(0.5, 0.5, 0.5, 0.5 + 1e-12).covered
    assert not Estimate(0.5, 0.5, 0.5, 0.51).covered
    assert not Estimate(0.5, 0.4, 0.6).covered


def test_estimates_are_the_same_after_they_were_kept():
    from dataclasses import asdict

    found = estimates(judged(28, 0), judged(3, 3, metric="recall"))
    assert Estimates.from_dict(json.loads(json.dumps(asdict(found)))) == found
    assert all(isinstance(one, Audit) for one in found.audits)
