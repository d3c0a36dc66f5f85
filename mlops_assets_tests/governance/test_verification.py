"""Later days keep a release or take it back: how often wrongly, how soon rightly, and when it is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.declaration.retraining import Verification
from mlops_assets.governance.verification import verified

LOOKS = Verification()
RELEASES = 2000


def in_runs(random, days, correlation):
    """Days that remember a share of the day before, with a mean of zero and a variance of one."""
    daily = random.normal(size=days)
    for day in range(1, days):
        daily[day] = correlation * daily[day - 1] + math.sqrt(1 - correlation**2) * daily[day]
    return daily


def answers(daily, asked=LOOKS):
    """What is said as the days become known one by one."""
    return [verified(daily[:count], asked).answer for count in range(len(daily) + 1)]


def taken_back(correlation, improvement=0.0, asked=LOOKS, seed=0):
    """Of how many releases in a hundred it is said that they were worse, over all looks."""
    random = np.random.default_rng([seed, round(100 * correlation)])
    last = asked.after_days[-1]
    found = sum(
        verified((improvement + in_runs(random, last, correlation)).tolist(), asked).answer == "worse"
        for _ in range(RELEASES)
    )
    return 100 * found / RELEASES


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_releases_that_are_no_worse_at_most_one_in_twenty_is_taken_back(seed):
    # Three standard errors of 2,000 draws at 5% are 1.5 points.
    assert taken_back(0.0, seed=seed) <= 5 + 1.5
    assert taken_back(0.0, seed=seed) > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_so_it_is_nearly_when_bad_days_come_in_runs(seed):
    assert taken_back(0.5, seed=seed) <= 5 + 2.5


def test_a_surer_declaration_takes_back_less():
    surer = Verification(confidence=0.99)
    assert taken_back(0.0, asked=surer) <= 1 + 0.7


def test_one_that_is_clearly_worse_is_taken_back_and_a_better_one_never():
    assert taken_back(0.0, improvement=-1.5) > 95
    assert taken_back(0.5, improvement=-1.5) > 60
    assert taken_back(0.0, improvement=1.0) == 0


def test_a_version_that_is_equal_to_the_one_before_is_kept():
    assert verified([0.0] * 28, LOOKS).answer == "kept"


def test_a_version_that_loses_the_same_more_every_day_is_taken_back_at_the_first_look():
    assert answers([-0.1] * 15) == ["waiting"] * 14 + ["worse"] * 2


@given(
    daily=st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=0, max_size=40),
    after_days=st.sets(st.integers(3, 30), min_size=1, max_size=4).map(lambda one: tuple(sorted(one))),
)
def test_what_is_said_depends_on_the_looks_and_not_on_when_it_is_asked(daily, after_days):
    asked = Verification(after_days=after_days)
    said = answers(daily, asked)
    for count, answer in enumerate(said):
        looks = [days for days in after_days if days <= count]
        # The same as when it was asked on the very day of the newest look.
        assert answer == (said[looks[-1]] if looks else "waiting")
    final = next((index for index, answer in enumerate(said) if answer != "waiting"), len(said))
    assert set(said[final:]) <= {"kept"} or set(said[final:]) <= {"worse"}
    assert ("kept" in said) == (len(daily) >= after_days[-1] and "worse" not in said)


def test_days_after_the_last_look_change_nothing():
    assert verified([0.01] * 28 + [-9.0] * 30, LOOKS).answer == "kept"
    assert verified([0.01] * 6 + [-9.0] * 30, Verification(after_days=(3,))).answer == "kept"


def test_it_is_told_on_which_days_how_much_and_how_surely():
    worse = verified([-0.02, -0.03] * 7, LOOKS).sentence
    assert "on the first 14 days since its release its loss was 0.0250 higher" in worse
    assert "with 98.33% confidence at least 0.0" in worse
    assert (
        "3 days with known labels since its release; the next look is at 14"
        in verified([0.1] * 3, LOOKS).sentence
    )
    assert "the next look is at 21" in verified([0.1] * 14, LOOKS).sentence
    assert "was 0.1000 lower than" in verified([0.1] * 28, LOOKS).sentence
    noisy = [(-1) ** day * 0.5 - 0.01 for day in range(28)]
    assert "was 0.0100 higher, not surely, than" in verified(noisy, LOOKS).sentence
