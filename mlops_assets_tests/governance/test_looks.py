"""However often one looks, the risk of a false winner stays within what was declared."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.governance.looks import Look, affordable

START = date(2024, 1, 1)


def spent_by(days, risk, per_days):
    """What looks on these days after the start of a reign take, in this order."""
    looks = []
    for day in days:
        as_of = (START + timedelta(days=day)).isoformat()
        spent = affordable(looks, since=START.isoformat(), as_of=as_of, risk=risk, per_days=per_days)
        looks.append(Look(as_of, spent))
    return [look.spent for look in looks]


@given(
    st.lists(st.integers(0, 29), min_size=1, max_size=60),
    st.floats(0.001, 0.4),
)
def test_looks_of_the_first_period_never_take_more_than_the_declared_risk(days, risk):
    assert 0 < sum(spent_by(days, risk, 30)) <= risk


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 0.4))
def test_on_the_long_run_the_risk_per_period_is_the_declared_one(every, per_days, risk):
    days = range(every, 20 * per_days + every, every)
    assert sum(spent_by(days, risk, per_days)) <= risk * (1 + days[-1] / per_days)


def test_one_look_a_month_is_asked_for_little_more_than_a_single_test():
    assert spent_by([30, 60, 90], 0.05, 30) == pytest.approx([0.025] * 3)


def test_going_back_in_time_earns_nothing():
    forward, back = spent_by([10, 11], 0.05, 30), spent_by([11, 10], 0.05, 30)
    assert back[1] < back[0] / 1.9
    assert forward[1] > back[1]
