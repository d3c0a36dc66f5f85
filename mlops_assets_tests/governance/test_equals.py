"""Thirty days of daily looks at models that are equal: the bench's own simulation, small and seeded."""

import numpy as np
import pytest

from bench.gates import EVERY, WORLDS, World, interval, months_of_equals, ours, until_promoted

MONTHS = 400
ASKED = 0.05


@pytest.mark.parametrize("world", WORLDS[:3], ids=lambda world: world.name)
def test_equal_models_are_swapped_in_at_most_one_month_of_twenty(world):
    counted = months_of_equals(world, MONTHS, np.random.default_rng(1))
    hits = {name: sum(count > 0 for count in counts) for name, counts in counted.items()}
    assert interval(hits["ours"], MONTHS)[0] <= ASKED
    assert interval(hits["ours, alone"], MONTHS)[0] <= ASKED
    assert interval(hits["p < 0.05"], MONTHS)[0] > 6 * ASKED
    assert hits["higher wins"] > 0.98 * MONTHS


def test_days_that_come_in_runs_do_not_make_winners_where_students_test_would():
    world = World("runs alone", rows=0.0, luck=0.0, runs=0.5)
    counted = months_of_equals(world, MONTHS, np.random.default_rng(2))
    share = {name: sum(count > 0 for count in counts) / MONTHS for name, counts in counted.items()}
    assert share["ours"] < 0.12
    assert share["Student's"] > 0.35


def test_a_better_challenger_wins_sooner_the_better_it_is():
    random = np.random.default_rng(3)
    little, much = (
        np.median(until_promoted(ours, WORLDS[0], better, EVERY["daily"], 60, random))
        for better in (0.01, 0.02)
    )
    assert much < little <= 30
