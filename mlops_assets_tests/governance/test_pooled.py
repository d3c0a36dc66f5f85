"""Days of earlier challengers of the same recipe count, those of others do not, and a lemon is no winner by them."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlops_assets.declaration.model import ChampionGate, Gates
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.gates import Reigning, decide
from mlops_assets.governance.looks import Look, pooled

START = date(2024, 1, 1)


def days(first, count):
    return [(START + timedelta(days=first + n)).isoformat() for n in range(count)]


def luck(seed, count=14, *, better=0.0):
    return np.random.default_rng(seed).normal(better, 0.01, count).tolist()


def look(first, daily, recipe="r"):
    seen = {"log_loss": dict(zip(days(first, len(daily)), daily, strict=True))}
    return Look(days(first, len(daily) + 1)[-1], 0.01, recipe, seen)


def evidence(first, daily, recipe="r"):
    named = days(first, len(daily))
    return Evidence(
        model="m",
        as_of=days(first, len(daily) + 1)[-1],
        model_digest="d",
        rows=1000,
        positives=100,
        first_day=named[0],
        last_day=named[-1],
        metrics={"log_loss": 0.4},
        baseline={"log_loss": 0.5},
        champion=Comparison(1, {}, {"log_loss": daily}, days=named),
        recipe=recipe,
    )


def verdict(found, looks, *, pool_days=200):
    gates = Gates(champion=ChampionGate(pool_days=pool_days))
    decision = decide(found, gates, reigning=Reigning(1, START.isoformat(), tuple(looks)))
    (reason,) = [one for one in decision.reasons if one.gate == "champion"]
    return reason


LOOKS = [look(30 * n, luck(n, better=0.006)) for n in range(4)]
OWN = evidence(120, luck(9, better=0.006))


def test_a_recipe_that_is_better_month_after_month_wins_where_one_month_cannot_tell():
    assert verdict(OWN, LOOKS).answer == "promote"
    assert "its recipe" in verdict(OWN, LOOKS).sentence
    assert "on 70;" in verdict(OWN, LOOKS).sentence
    assert verdict(OWN, LOOKS, pool_days=0).answer == "hold"
    assert verdict(OWN, []).answer == "hold"


def test_another_recipe_begins_anew():
    assert verdict(replace(OWN, recipe="other"), LOOKS).answer == "hold"


def test_days_before_the_pool_do_not_count():
    assert "on 28;" in verdict(OWN, LOOKS, pool_days=50).sentence


def test_a_challenger_that_is_worse_itself_does_not_win_by_its_predecessors():
    strong = [look(30 * n, luck(n, better=0.05)) for n in range(4)]
    lemon = evidence(120, [-0.001] * 14)
    reason = verdict(lemon, strong)
    assert reason.answer == "hold"
    assert "worse than version 1 on 14 days, its recipe" in reason.sentence


def test_of_two_looks_at_one_day_the_later_counts_and_ones_own_days_before_all():
    looks = [look(0, [1.0, 1.0, 1.0]), look(1, [2.0, 2.0, 2.0])]
    own = dict(zip(days(3, 2), [3.0, 3.0], strict=True))
    assert pooled(looks, own, metric="log_loss", recipe="r", since="2024-01-01") == [1.0, 2.0, 2.0, 3.0, 3.0]
    assert pooled(looks, own, metric="log_loss", recipe="r", since="2024-01-03") == [2.0, 3.0, 3.0]
    assert pooled(looks, own, metric="brier", recipe="r", since="2024-01-01") == [3.0, 3.0]


def test_months_of_looks_at_equals_swap_seldom():
    """Five hundred years of monthly looks, pooled over half a year: a swap a year in 5% of months at most."""
    swapped = months = 0
    for seed in range(500):
        looks, random = [], np.random.default_rng([1, seed])
        for month in range(12):
            daily = random.normal(0, 0.01, 14).tolist()
            found, months = evidence(30 * month, daily), months + 1
            if verdict(found, looks, pool_days=180).answer == "promote":
                swapped += 1
                break
            looks.append(look(30 * month, daily))
    assert swapped / months <= 0.05


@pytest.mark.parametrize("pool_days", [-1, 0.5, 4000])
def test_impossible_pools_are_refused(pool_days):
    with pytest.raises(ValueError, match="pool_days"):
        ChampionGate(pool_days=pool_days)
