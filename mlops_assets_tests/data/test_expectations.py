"""What a measured value means, and what the days before say is usual."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_assets.data.expectations import Limits, Setting, could_not_run, limits, outcome
from mlops_assets.declaration.expectations import Expectation

DAY = date(2024, 3, 31)


def expectation(severity: str = "warning", **kind) -> Expectation:
    return Expectation.model_validate({"name": "it", "severity": severity, **kind})


def setting(*rows: int, every: int = 1) -> Setting:
    """rows: how many the days before have, the last one first."""
    counts = {(DAY - timedelta(days=every * (n + 1))).isoformat(): count for n, count in enumerate(rows)}
    return Setting(DAY, "Europe/Berlin", counts)


def usual(**history) -> Expectation:
    return expectation(row_count={"history": {"within": 0.5, "at_least": 3, **history}})


def test_the_usual_number_of_rows_is_near_the_median_of_the_days_before():
    (found,) = limits(usual(), setting(10, 10, 11, 500))
    assert (found.low, found.high) == (6, 15)
    assert found.because == "within 50% of 10.5, the median of 4 days before"


def test_too_few_days_say_nothing():
    (found,) = limits(usual(), setting(10, 10))
    assert (found.low, found.high) == (None, None)
    said = outcome(usual(), 0, setting(10, 10))
    assert said.passed
    assert said.sentence == "it: 0 rows, nothing is expected (2 days before, compared from 3 on)"


def test_empty_days_and_later_days_do_not_count():
    counts = setting(10, 0, 0, 10, 10).counts | {DAY.isoformat(): 999, "2024-04-01": 999}
    (found,) = limits(usual(), Setting(DAY, "UTC", counts))
    assert (found.low, found.high) == (5, 15)


def test_days_too_long_ago_do_not_count():
    (found,) = limits(usual(days=3), setting(10, 10, 10, 999, 999))
    assert found.high == 15


def test_the_same_weekdays_may_be_the_history():
    weeks = setting(100, 100, 100, every=7)
    (found,) = limits(usual(same_weekday=True), weeks)
    assert (found.low, found.high) == (50, 150)
    assert found.because.endswith("the median of 3 of the same weekday before")
    (other,) = limits(usual(), weeks)
    assert other.high == 150


def test_both_bounds_and_history_must_hold():
    both = expectation(row_count={"between": [8, None], "history": {"within": 0.5, "at_least": 3}})
    assert not outcome(both, 7, setting(10, 10, 10)).passed
    assert not outcome(both, 16, setting(10, 10, 10)).passed
    assert outcome(both, 8, setting(10, 10, 10)).passed


def test_a_day_ends_at_its_own_midnight_on_the_day_of_23_hours():
    assert setting().ends == datetime(2024, 3, 31, 22, tzinfo=UTC)
    fresh = expectation(freshness={"within": "2h"})
    assert outcome(fresh, datetime(2024, 3, 31, 20, tzinfo=UTC), setting()).passed
    late = outcome(fresh, datetime(2024, 3, 31, 19, 59, tzinfo=UTC), setting())
    assert not late.passed
    assert late.sentence == (
        "it: the newest event_time is 2024-03-31 19:59:00+00:00, "
        "expected at least 2024-03-31 20:00:00+00:00 (2h before the day ends)"
    )


COMPLETE = {"completeness": {"column": "a", "missing_at_most": 0.1}}
UPPER = {"quantile": {"column": "a", "at": 0.9, "between": [1, None]}}
MOST = {"rows": {"condition": "a > {b}", "at_most": 0.5}}


@pytest.mark.parametrize(
    ("kind", "value", "passed", "sentence"),
    [
        (COMPLETE, 0.1, True, "10.00% of a is missing, expected at most 10.00%"),
        (COMPLETE, 0.11, False, "11.00% of a is missing"),
        (
            {"distinct": {"column": "a", "between": [2, 3]}},
            1,
            False,
            "1 different values of a, expected 2 to 3",
        ),
        (
            {"mean": {"column": "a", "between": [None, 3]}},
            3.5,
            False,
            "the mean of a is 3.5, expected at most 3",
        ),
        (
            {"mean": {"column": "a", "between": [1, 3]}},
            None,
            False,
            "the mean of a is nothing, expected 1 to 3",
        ),
        (UPPER, 2, True, "quantile 0.9 of a is 2, expected at least 1"),
        (MOST, 0.6, False, "60.00% of rows fail a > {b}, expected at most 50.00%"),
        (
            {"references": {"table": "t", "columns": {"a": "b"}}},
            0.0,
            True,
            "0.00% of rows refer to what is not in t",
        ),
    ],
)
def test_an_outcome_says_what_was_found_and_what_was_expected(kind, value, passed, sentence):
    said = outcome(expectation(**kind), value, setting())
    assert said.passed is passed
    assert sentence in said.sentence


@pytest.mark.parametrize("declared", ["critical", "warning", "info"])
def test_what_could_not_run_blocks_what_its_failure_would(declared):
    said = could_not_run(expectation(declared, row_count={"between": [1, None]}), "no column a")
    assert (said.severity, said.passed, said.could_run) == (declared, False, False)
    assert said.sentence == "could not run: it: no column a"


def test_limits_without_bounds_hold_for_anything():
    assert Limits().hold(None)
    assert not Limits(low=1).hold(None)
