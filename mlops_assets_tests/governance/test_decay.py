"""A loss has grown when it surely has, on days that count."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.governance.decay import CONFIDENCE, evaluated_and_newest, growth
from mlops_assets.governance.paired import growth_bound

DAY = date(2024, 3, 1)


def daily(losses, first=DAY):
    return {(first + timedelta(days=at)).isoformat(): float(loss) for at, loss in enumerate(losses)}


@given(st.dates(DAY, date(2024, 6, 1)), st.integers(1, 30), st.dates(DAY, date(2024, 6, 1)))
def test_the_days_looked_at_are_mature_and_never_both_before_and_after(champion, days, mature_until):
    champion, mature_until = champion.isoformat(), mature_until.isoformat()
    evaluated, newest = evaluated_and_newest(champion, days=days, mature_until=mature_until)
    assert evaluated[1] <= mature_until
    assert newest[1] == mature_until
    assert evaluated[1] <= newest[0] <= newest[1]
    assert champion <= newest[0] or newest[0] == newest[1]
    length = date.fromisoformat(newest[1]) - date.fromisoformat(newest[0])
    assert length <= timedelta(days=days)


@pytest.mark.parametrize(("before", "after"), [(6, 14), (14, 6), (0, 0)])
def test_too_few_days_on_either_side_say_nothing(before, after):
    assert growth(daily([0.5] * before), daily([0.9] * after), at_least_days=7) is None


def test_the_order_in_which_days_are_named_is_nothing():
    random = np.random.default_rng(0)
    before, after = daily(random.normal(0.4, 0.05, 14)), daily(random.normal(0.5, 0.05, 14))
    found = growth(before, dict(reversed(after.items())), at_least_days=7)
    mean, least = growth_bound(list(before.values()), list(after.values()), CONFIDENCE)
    assert (found.mean, found.least) == (mean, least)
    assert 0 < least < mean


def test_equal_worlds_grow_surely_as_seldom_as_is_allowed():
    random = np.random.default_rng(1)
    grown = [
        growth(daily(random.normal(0.4, 0.05, 14)), daily(random.normal(0.4, 0.05, 14)), at_least_days=7)
        for _ in range(2000)
    ]
    assert sum(one.least > 0 for one in grown) / 2000 == pytest.approx(1 - CONFIDENCE, abs=0.01)
