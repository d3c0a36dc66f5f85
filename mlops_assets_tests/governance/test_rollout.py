"""A candidate beside the champion: equal ones are seldom stopped however often one looks, worse ones soon."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, ndtr

from mlops_assets.governance.rollout import (
    CELLS,
    EDGES,
    EVEN,
    FEWEST,
    Beside,
    Counts,
    Limits,
    apart_by,
    doubt,
    even_at,
    judged,
    surely_fails,
    together,
)

LIMITS = Limits(at_least=5000)
ROLLOUTS, LOOKS, BETWEEN = 100, 60, 100
few = st.integers(0, 50)


@cache
def chances(seconds, spread, edges):
    """Of lognormal seconds beyond each edge, and of scores of a beta distribution in each cell."""
    beyond = [1 - ndtr(math.log(edge / seconds) / 0.8) for edge in edges]
    took = -np.diff([1.0, *beyond, 0.0])
    return took / took.sum(), np.diff(betainc(spread, 5.0, np.linspace(0, 1, CELLS + 1)))


def counts_of(random, requests, *, errors=0.0, scale=1.0, spread=2.0, slow_after=None):
    """What was counted of so many requests."""
    edges = tuple(slow_after(edge) if slow_after else edge for edge in EDGES)
    took, scores = chances(0.02 * scale, spread, edges)
    slow = np.cumsum(random.multinomial(requests, took)[::-1])[::-1][1:]
    return Counts(
        requests,
        int(random.binomial(requests, errors)),
        tuple(slow.tolist()),
        tuple(random.multinomial(requests, scores).tolist()),
    )


def looked_at(random, share, looks=LOOKS, limits=LIMITS, champion=None, **candidate):
    """How a rollout goes that is judged after each hundred requests; and at which look it ended."""
    found = Beside(even_at("canary", share))
    for look in range(1, looks + 1):
        own = int(random.binomial(BETWEEN, share))
        found += Beside(
            found.even,
            counts_of(random, own, slow_after=limits.slow_after, **candidate),
            counts_of(random, BETWEEN - own, **(champion or {})),
        )
        told = judged([found], limits, seconds=look)
        if told.answer != "go on":
            return told, look
    return told, looks


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("errors", [0.0, 0.03])
def test_of_equal_versions_one_in_twenty_is_stopped_at_most_however_often_one_looks(share, errors):
    # Equally fast means here as slow as may be: then the test of speed has no margin to rest on.
    limits = replace(LIMITS, slower=1.0, later_ms=0.0, errors=0.0)
    random = np.random.default_rng(7)
    told = [
        looked_at(random, share, limits=limits, errors=errors, champion={"errors": errors})[0]
        for _ in range(ROLLOUTS)
    ]
    stopped = sum(one.answer == "failed" for one in told)
    assert stopped <= 0.05 * ROLLOUTS


@pytest.mark.parametrize(
    ("candidate", "why", "within"),
    [
        ({"errors": 1.0}, "it failed in", 2),
        ({"errors": 0.05}, "it failed in", 40),
        ({"scale": 10.0}, "it is slower", 12),
        ({"scale": 3.0}, "it is slower", 40),
        ({"spread": 12.0}, "bits from the champion's", 40),
    ],
)
def test_a_worse_one_is_stopped_soon_and_it_is_said_why(candidate, why, within):
    random = np.random.default_rng(1)
    for _ in range(20):
        told, look = looked_at(
            random,
            0.2,
            errors=candidate.get("errors", 0.0),
            **{name: value for name, value in candidate.items() if name != "errors"},
        )
        assert told.answer == "failed"
        assert why in told.sentence
        assert look <= within


def test_what_is_better_or_within_the_margins_passes():
    random = np.random.default_rng(2)
    limits = replace(LIMITS, at_least=1000)
    for candidate in ({"scale": 0.2}, {"scale": 1.3}, {"errors": 0.0}):
        told, _ = looked_at(random, 0.3, limits=limits, champion={"errors": 0.02}, **candidate)
        assert told.answer == "passed", told.sentence


def test_it_passes_with_enough_requests_and_time_and_not_before():
    many = Counts(1000, 0, scores=(1000, *[0] * (CELLS - 1)))
    found, limits = [Beside(0.5, many, many)], Limits(at_least=1000, seconds=60)
    assert judged(found, limits, seconds=59.9).answer == "go on"
    assert judged(found, limits, seconds=60).answer == "passed"
    assert judged(found, replace(limits, at_least=1001), seconds=60).answer == "go on"
    assert judged([], limits, seconds=10**6).answer == "go on"


def test_a_failure_that_is_rarer_than_the_limit_stops_nothing():
    found = [Beside(0.1, Counts(10_000, 8), Counts(90_000, 0))]
    assert judged(found, Limits(at_least=1, errors=0.001), seconds=1).answer == "passed"
    assert judged(found, Limits(at_least=1, errors=0.0005), seconds=1).answer == "failed"


def test_a_share_that_was_changed_is_no_difference_of_scores():
    """By night, when the canary was small, scores were low; by day they are high, for both."""
    low, high = (900, *[0] * (CELLS - 2), 100), (100, *[0] * (CELLS - 2), 900)

    def at(share, scores, requests):
        own = tuple(int(share * requests * one / 1000) for one in scores)
        others = tuple(int((1 - share) * requests * one / 1000) for one in scores)
        return Beside(share, Counts(sum(own), scores=own), Counts(sum(others), scores=others))

    found = [at(0.1, low, 10_000), at(0.5, high, 10_000)]
    assert apart_by(found, 0.01)[0] == pytest.approx(0.0, abs=1e-9)
    assert judged(found, Limits(at_least=1), seconds=1).answer == "passed"


def test_scores_that_lie_apart_are_told_surely_and_never_more_than_they_do():
    one, other = Counts(2000, scores=(2000, *[0] * 9)), Counts(2000, scores=(*[0] * 9, 2000))
    found, surely = apart_by([Beside(0.5, one, other)], 0.01)
    assert found == pytest.approx(1.0)
    assert 0.9 < surely <= found
    assert apart_by([Beside(0.5, Counts(FEWEST - 1, scores=(FEWEST - 1, *[0] * 9)), other)], 0.01) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from([0.05, 0.1, 0.5]), few, few), max_size=4))
def test_doubt_grows_with_what_the_candidate_does_and_falls_with_what_the_champion_does(cells):
    found = [(even, own, own + others) for even, own, others in cells]
    before = doubt(found)
    assert 0 <= before < math.inf
    for even in (0.05, 0.5):
        assert doubt([*found, (even, 1, 1)]) >= before or before >= 1e12
        assert doubt([*found, (even, 0, 1)]) <= before


def test_doubt_is_a_fair_bet():
    """Were both equal, what is won on the average of all that may come is what was staked."""
    for even in (0.1, 0.5):
        ways = [math.comb(8, own) * even**own * (1 - even) ** (8 - own) for own in range(9)]
        assert sum(way * doubt([(even, own, 8)]) for own, way in enumerate(ways)) == pytest.approx(1)


def test_what_fails_more_often_than_it_may_is_sure_after_a_few_and_what_seldom_fails_never():
    assert not surely_fails(10, 1, share=0.01, risk=0.001)
    assert surely_fails(10, 5, share=0.01, risk=0.001)
    assert not surely_fails(10_000, 100, share=0.01, risk=0.001)
    random = np.random.default_rng(3)
    for _ in range(200):
        failed = np.cumsum(random.random(5000) < 0.01)
        assert not any(
            surely_fails(requests, int(failed[requests - 1]), share=0.01, risk=0.001)
            for requests in range(1, 5001, 250)
        )


@given(few, few, few, few)
def test_what_several_counted_is_added_by_share(one, other, third, fourth):
    cells = [
        Beside(0.1, Counts(one, 0), Counts(other)),
        Beside(0.5, Counts(third), Counts(fourth, fourth)),
        Beside(0.1, Counts(third, third), Counts(other)),
    ]
    found = together(cells)
    assert [cell.even for cell in found] == [0.1, 0.5]
    assert found[0] == Beside(0.1, Counts(one + third, third), Counts(2 * other))
    assert together(found) == found
    assert [Beside.of(cell.to_dict()) for cell in found] == found


def test_a_shadow_is_even_whatever_its_share():
    assert even_at("shadow", 1.0) == EVEN
    assert even_at("canary", 0.1) == 0.1
