"""How labels arrive is read off complete and incomplete days alike, and only late ones can deceive."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.arrival import Arrival, DayLabels

START = date(2024, 3, 1)
arrivals = st.dictionaries(st.integers(1, 12), st.integers(1, 50), min_size=1)


def seen(days, age_of_newest):
    """Days of labels, the newest so old, each as it was known by then; and the as-of date."""
    as_of = START + timedelta(days=len(days) - 1 + age_of_newest)
    found = []
    for at, arrived in enumerate(days):
        day = START + timedelta(days=at)
        age = (as_of - day).days
        known = {after: labels for after, labels in arrived.items() if after <= age}
        found.append(DayLabels(day.isoformat(), sum(arrived.values()), known))
    return found, as_of.isoformat()


@given(st.lists(arrivals, min_size=1, max_size=20))
def test_where_every_label_has_arrived_the_curve_is_the_share_that_had(days):
    curve = Arrival.of(*seen(days, 20))
    total = sum(sum(one.values()) for one in days)
    for age in range(1, 14):
        known = sum(labels for one in days for after, labels in one.items() if after <= age)
        assert curve.expected(age) == pytest.approx(known / total)


@given(arrivals, st.integers(13, 30))
def test_days_that_are_not_complete_yet_do_not_bend_the_curve(arrived, days):
    whole, cut = (Arrival.of(*seen([arrived] * days, age)) for age in (20, 1))
    assert cut.shares == pytest.approx(whole.shares)


def test_a_share_of_what_has_arrived_by_now_would_say_more():
    random = np.random.default_rng(0)
    days = [
        dict(zip(*np.unique(random.geometric(0.3, 400), return_counts=True), strict=True)) for _ in range(40)
    ]
    days = [{int(after): int(labels) for after, labels in one.items()} for one in days]
    labels, as_of = seen(days, 1)
    curve = Arrival.of(labels, as_of)
    for age in (1, 2, 4, 8):
        assert curve.expected(age) == pytest.approx(1 - 0.7**age, abs=0.01)
    naive = sum(one.arrived.get(1, 0) for one in labels) / sum(one.labels for one in labels)
    assert naive > curve.expected(1) + 0.01


@given(st.lists(st.dictionaries(st.integers(1, 12), st.integers(1, 50)), max_size=20), st.integers(1, 20))
def test_the_curve_never_falls_and_ends_with_all(days, age):
    labels, as_of = seen(days, age)
    curve = Arrival.of(labels, as_of)
    if not any(one.labels for one in labels):
        assert curve is None
        return
    assert list(curve.shares) == sorted(curve.shares)
    assert curve.shares[-1] == 1.0
    assert all(0 <= one <= 1 for one in curve.shares)
    for share in (0.01, 0.5, 0.99, 1.0):
        after = curve.mature_after(share)
        assert curve.expected(after) >= share > curve.expected(after - 1)
        first = curve.mature_until(share, as_of)
        assert (date.fromisoformat(as_of) - date.fromisoformat(first)).days == after - 1


def test_events_without_a_label_are_not_waited_for():
    days = [DayLabels("2024-03-01", 100, {1: 3}), DayLabels("2024-03-02", 100, {1: 2})]
    assert Arrival.of(days, "2024-03-10").shares == (1.0,)


def test_labels_that_all_take_a_month_leave_nothing_before():
    curve = Arrival.of([DayLabels("2024-03-01", 5, {30: 5}), DayLabels("2024-03-20", 5, {})], "2024-04-10")
    assert (curve.expected(29), curve.expected(30), curve.mature_after(0.01)) == (0.0, 1.0, 30)


def test_what_was_known_at_an_earlier_date():
    day = DayLabels("2024-03-01", 9, {1: 2, 4: 3})
    assert [day.known_by(one) for one in ("2024-03-01", "2024-03-02", "2024-03-04", "2024-03-05")] == [
        0,
        2,
        2,
        5,
    ]
