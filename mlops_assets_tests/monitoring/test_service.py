"""A day of a service is judged by minute and hour, against what is declared; where nothing is there, nothing passes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.declaration.contract import Objectives
from mlops_assets.declaration.serving import Serving
from mlops_assets.monitoring.parity import FeatureParity
from mlops_assets.monitoring.service import (
    CLASSES,
    ERRORS,
    LATENCY,
    SAME,
    Answered,
    Example,
    ServedParity,
    Window,
    verdicts,
)
from mlops_assets.monitoring.service_day import report
from mlops_assets.monitoring.service_page import facts, page, pictures
from mlops_assets_tests.monitoring.counted import divergence_by_scipy

NOTHING = ServedParity(0, (), (), ())
SAME_VALUES = ServedParity(90, (FeatureParity("seen", 90, 80, 0, 0.0),), (), ())


def at(hour, minute=0):
    return f"2024-05-01T{hour:02}:{minute:02}:00.000000+00:00"


def answered(hour, count=60, *, positive=0.3, version=1, milliseconds=5.0):
    return [
        Answered(at(hour, number % 60), version, milliseconds + number, 1, int(number < positive * count))
        for number in range(count)
    ]


def window(hour, minute=0, *, p95=20.0, **statuses):
    return Window(at(hour, minute), {name.lstrip("s"): count for name, count in statuses.items()}, {}, p95)


def said(answers=(), windows=(), expected=None, parity=NOTHING, **limits):
    found = report("2024-05-01", answers, windows, expected or {}, parity)
    return {one.check: one for one in verdicts(found, Objectives(), Serving(**limits))}


def test_a_day_on_which_nothing_was_asked_passes_nothing_and_alarms_nobody():
    found = said()
    assert all(not one.passed and not one.error and not one.blocking for one in found.values())
    assert all(one.reason.startswith("nothing to judge: ") for one in found.values())
    assert facts(report("2024-05-01", [], [], {}, NOTHING))["latency"] == "nothing was answered"
    assert pictures(report("2024-05-01", [], [], {}, NOTHING)) == ""


@pytest.mark.parametrize(("p95", "passed"), [(499.9, True), (500.0, True), (500.1, False)])
def test_latency_is_judged_in_each_minute_of_enough_requests(p95, passed):
    windows = [window(1, 1, s200=30), window(1, 2, s200=20, p95=p95), window(1, 3, s200=19, p95=9999.0)]
    found = said(windows=windows)[LATENCY]
    assert (found.passed, found.error) == (passed, True)
    assert f"in {int(not passed)} of 2 minutes; at most {p95:.1f} ms, at 2024-05-01T01:02" in found.reason


def test_errors_are_those_of_the_service_and_are_judged_by_hour():
    fine = [window(1, 1, s200=98, s422=50, s503=1), window(1, 2, s200=1), window(2, 1, s503=19)]
    assert said(windows=fine)[ERRORS].passed
    found = said(windows=[*fine, window(3, 1, s200=50, s500=1), window(3, 2, s503=1, s200=48)])[ERRORS]
    assert (found.passed, found.error) == (False, True)
    assert (
        found.reason
        == "more than 1.00% of requests failed in 1 of 2 hours; at most 2 of 100, at 2024-05-01T03"
    )


@given(st.floats(0, 1), st.integers(0, 200), st.integers(1, 200))
def test_classes_diverge_as_scipy_says_squared_in_bits(share, positive, others):
    rows = positive + others
    one = [Answered(at(4), 1, 1.0, rows, positive)]
    (hour,) = report("2024-05-01", one, [], {1: share}, NOTHING).classes
    expected = divergence_by_scipy([positive, others], [share, 1 - share])
    assert hour.divergence == pytest.approx(expected, abs=1e-9)


def test_a_shift_of_classes_is_told_with_its_hour_and_few_rows_are_not_judged():
    answers = [*answered(1), *answered(2, positive=1.0), *answered(3, count=49, positive=1.0)]
    found = said(answers, expected={1: 0.3})[CLASSES]
    assert (found.passed, found.error) == (False, False)
    assert "in 1 of 2 hours; at most 0.4" in found.reason
    assert "at 2024-05-01T02: 100.00% positive, 30.00% when version 1 was evaluated" in found.reason
    assert said(answers, expected={1: 0.3}, class_shift=0.5)[CLASSES].passed
    # Of a version of which nobody knows how it was evaluated nothing is said, also beside another.
    assert not said(answers, expected={2: 0.3})[CLASSES].passed
    both = [*answered(1), *answered(1, version=2, positive=1.0)]
    assert said(both, expected={1: 0.3, 2: 1.0})[CLASSES].passed


def test_values_that_differ_are_told_by_feature_and_so_is_what_could_not_be_compared():
    assert said(parity=SAME_VALUES)[SAME].passed
    few = replace(SAME_VALUES, features=(FeatureParity("seen", 100, 80, 1, 0.5),))
    assert said(parity=few)[SAME].passed
    found = said(parity=replace(few, why_not=("9 rows of version 1: no",)), differing=0.0)[SAME]
    assert (found.passed, found.error) == (False, True)
    assert found.reason.endswith("differ in more than 0.00%; seen most, in 1; 9 rows of version 1: no")
    none = said(parity=ServedParity(0, (), (), ("9 rows of version 1: no",)))[SAME]
    assert none.reason == "nothing to judge: 9 rows of version 1: no"


def test_a_page_shows_all_of_it_and_nothing_that_was_sent_is_markup():
    example = Example("seen", "<b>mine</b>", 0, 1.0, None)
    parity = replace(SAME_VALUES, examples=(example,), why_not=("9 rows: <i>no</i>",))
    windows = [window(1, 1, s200=30), window(2, 2, s200=20, s503=1, p95=700.0)]
    found = report("2024-05-01", answered(1) + answered(2), windows, {1: 0.3}, parity)
    told = page("returned: the service", found, verdicts(found, Objectives(), Serving()))
    for there in (
        "p95 by minute",
        "latency: did not pass",
        "&lt;b&gt;mine",
        "&lt;i&gt;no",
        "200: 50, 503: 1",
    ):
        assert there in told
    assert "<b>mine" not in told
    assert pictures(found).count("data:image/svg+xml") == 3
    assert found.milliseconds == {"p50": 34.0, "p95": 61.0, "p99": 64.0, "most": 64.0}
    assert json.loads(json.dumps(found.to_dict()))["requests"] == 120
