"""Reasons to train, their patience, and what holds them back; policies replayed on a past that is made up."""

from datetime import date, timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from mlops_assets.declaration.model import Gates
from mlops_assets.declaration.retraining import Retraining
from mlops_assets.governance.backtest import Gain, Policy, Step, hindsight, reigns, replay
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.paired import growth_bound
from mlops_assets.governance.retraining import Seen, declared, every, never, on_drift


def day(number: int) -> str:
    return (date(2024, 1, 1) + timedelta(days=number)).isoformat()


def asked(seen, *, last=0, at=None, trained=(), **said):
    at = day(7 * len(seen)) if at is None else at
    return declared(Retraining(**said))(at, seen, [day(last), *trained])


def looks(*drifts, grown=None):
    return [Seen(day(7 * (number + 1)), drift, grown) for number, drift in enumerate(drifts)]


@pytest.mark.parametrize(
    ("seen", "said", "trains"),
    [
        (looks(None), {}, False),
        (looks("error"), {}, True),
        (looks("warn"), {}, False),
        (looks("warn"), {"drift": "warn"}, True),
        (looks("error"), {"drift": None}, False),
        (looks(None, grown=0.01), {}, True),
        (looks(None, grown=-0.01), {}, False),
        (looks(None, grown=0.01), {"decay": 0.02}, False),
        (looks(None, grown=0.01), {"decay": None}, False),
        (looks("error", None), {}, False),
        (looks("error", None, "error"), {"looks": 2, "of_looks": 3}, True),
        (looks("error", None, None), {"looks": 2, "of_looks": 3}, False),
        (looks("error"), {"looks": 2, "of_looks": 3}, False),
        (looks(None, None, None, None), {"age_days": 28}, True),
        (looks(None, None, None), {"age_days": 28}, False),
    ],
)
def test_each_declared_trigger_is_a_reason_by_itself(seen, said, trains):
    assert asked(seen, **said).train is trains


def test_a_reason_waits_until_it_is_cool_and_within_the_month():
    assert not asked(looks("error"), last=3, cool_down_days=7).train
    assert "and 7 are waited" in asked(looks("error"), last=3, cool_down_days=7).sentence
    monthly = [day(8), day(15)]
    held = asked(looks(None, None, None, "error"), at=day(28), trained=monthly, a_month=3, cool_down_days=0)
    assert not held.train
    assert "3 trainings in thirty days" in held.sentence
    assert asked(looks(None, None, None, "error"), at=day(46), trained=monthly, a_month=2).train


def test_each_training_in_a_row_that_was_held_makes_the_next_wait_longer():
    def waits(held, **said):
        trigger = declared(Retraining(age_days=7, cool_down_days=7, **said))
        found = (number for number in range(1, 4000) if trigger(day(number), [], [day(0)], held).train)
        return next(found, None)

    assert [waits(held, back_off=2) for held in range(6)] == [7, 14, 28, 56, 92, 92]
    assert [waits(held) for held in (0, 1, 500)] == [7, 92, 92]
    assert [waits(held, back_off=1) for held in (0, 1, 500)] == [7, 7, 7]
    assert waits(9, back_off=1, a_month=1000) == 7
    said = declared(Retraining(age_days=7, back_off=2))(day(10), [], [day(0)], 2).sentence
    assert "28 are waited after 2 in a row that were not promoted" in said


def test_a_training_of_yesterday_is_one_day_old():
    held = declared(Retraining(age_days=1, cool_down_days=7))(day(1), [], [day(0)], 0)
    assert (
        held.sentence
        == "the last training is 1 day old, but the last training is 1 day old, and 7 are waited"
    )


def test_of_several_reasons_all_are_told():
    said = asked(looks("error", grown=0.1), age_days=7).sentence
    assert "drift (error)" in said
    assert "the loss surely grew" in said
    assert "7 days old" in said


@pytest.mark.parametrize(
    "said", [{"looks": 3, "of_looks": 2}, {"a_month": 0}, {"age_days": 0}, {"decay": -0.1}, {"drift": "much"}]
)
def test_what_can_never_be_a_reason_is_refused(said):
    with pytest.raises(ValidationError):
        Retraining(**said)


def test_new_labels_are_a_reason_once_they_are_enough():
    seen = [Seen(day(7), new_labels=99)]
    assert not asked(seen, new_labels=100).train
    assert not asked([*seen, Seen(day(14), new_labels=100)]).train
    said = asked([*seen, Seen(day(14), new_labels=100)], new_labels=100)
    assert said.train
    assert said.sentence == "100 labels became known since the champion was made"


def test_other_policies_know_a_clock_drift_or_nothing():
    assert not never(day(900), looks("error"), [day(0)]).train
    assert every(30)(day(30), [], [day(0)]).train
    assert not every(30)(day(29), [], [day(0)]).train
    assert on_drift(day(7), looks("warn"), [day(0)]).train
    assert not on_drift(day(7), looks(None), [day(0)]).train


def test_a_loss_that_grew_is_told_as_surely_as_it_is():
    random = np.random.default_rng(0)
    before, after = random.normal(0.4, 0.01, 14), random.normal(0.5, 0.02, 14)
    mean, bound = growth_bound(list(before), list(after), 0.95)
    assert mean == pytest.approx(after.mean() - before.mean())
    assert 0.05 < bound < mean
    held = sum(
        growth_bound(list(random.normal(0, 1, 14)), list(random.normal(0, 1, 14)), 0.95)[1] > 0
        for _ in range(1000)
    )
    assert 25 <= held <= 80


DATES = [day(7 * number) for number in range(9)]
UNTIL = day(63)


class MadeUp:
    """Models decay: their loss is how old they are, and those of the third date are lemons."""

    def __init__(self, *, decay=0.001, lemons=()):
        self.trained, self.decay, self.lemons = [], decay, lemons

    def train(self, as_of):
        self.trained.append(as_of)
        return 2.0

    def losses(self, model, first, until):
        days = (date.fromisoformat(until) - date.fromisoformat(first)).days
        return {
            at: self._loss(model, at)
            for at in ((date.fromisoformat(first) + timedelta(days=n)).isoformat() for n in range(days))
        }

    def _loss(self, model, at):
        age = (date.fromisoformat(at) - date.fromisoformat(model)).days
        return 0.4 + self.decay * age + (0.2 if model in self.lemons else 0.0)

    def seen(self, champion, as_of, drift, drift_of):
        age = (date.fromisoformat(as_of) - date.fromisoformat(champion)).days
        return Seen(as_of, "error" if age >= 14 else None)

    def evidence(self, challenger, champion):
        days = [(date.fromisoformat(challenger) - timedelta(days=n)).isoformat() for n in range(14, 0, -1)]
        better = [self._loss(champion, at) - self._loss(challenger, at) for at in days]
        noise = np.random.default_rng(0).normal(0, 1e-4, 14)
        daily = {"log_loss": [float(value) for value in better + noise]}
        return Evidence(
            model="m",
            as_of=challenger,
            model_digest=challenger,
            rows=1000,
            positives=100,
            first_day=days[0],
            last_day=days[-1],
            metrics={"log_loss": 0.4},
            baseline={"log_loss": 0.6},
            champion=Comparison(1 + DATES.index(champion), {}, daily, days=days),
        )


def replayed(policy, world=None, *, gated=False, drift=None):
    return replay(world or MadeUp(), Policy("p", policy, gated, drift), DATES, UNTIL, Gates(), 500.0)


def test_never_trains_once_and_always_at_every_date():
    none, each = replayed(never), replayed(every(1))
    assert (none.trainings, none.promotions, none.cpu_seconds) == (1, 0, 2.0)
    assert (each.trainings, each.promotions, each.cpu_seconds) == (9, 8, 18.0)
    assert len(none.daily) == len(each.daily) == 63
    assert each.loss == pytest.approx(0.4 + 0.003)
    assert none.loss == pytest.approx(0.4 + 0.031)


def test_what_is_declared_looks_at_the_champion_and_asks_the_gate():
    found = replayed(declared(Retraining(decay=None)), gated=True, drift="calibrated")
    assert [step.as_of for step in found.steps if step.trained] == DATES[::2]
    assert {step.verdict for step in found.steps if step.trained} == {"", "promote"}
    assert found.steps[1].reason == "nothing gives a reason"


def test_a_lemon_is_held_by_the_gate_and_taken_without():
    lemons = (DATES[2],)
    held = replayed(declared(Retraining(decay=None)), MadeUp(lemons=lemons), gated=True, drift="calibrated")
    taken = replayed(on_drift, MadeUp(lemons=lemons), drift="article")
    assert [step.verdict for step in held.steps if step.as_of in lemons] == ["hold"]
    assert held.steps[2].reigns == DATES[0]
    assert taken.pointless == 1
    assert held.pointless == 0
    assert held.loss < taken.loss


def test_a_policy_is_told_how_many_trainings_came_after_its_champion():
    told = []

    def asks(as_of, seen, trained, held=0):
        told.append(held)
        return every(7)(as_of, seen, trained)

    replayed(asks, MadeUp(decay=0.0), gated=True)
    assert told == list(range(8))
    told.clear()
    replayed(asks)
    assert told == [0] * 8


def test_a_promotion_that_lost_the_month_after_is_counted_though_it_reigned_for_a_week_only():
    world = MadeUp(lemons=(DATES[2],))
    found = replayed(every(7), world)
    assert (found.pointless, found.losing) == (1, 1)
    # Of the last promotions less than a month is known.
    assert replayed(every(7), MadeUp(decay=-0.001)).losing == found.promotions


def test_a_gain_is_paired_by_day_and_has_an_interval():
    noise = np.random.default_rng(3).normal(0, 0.01, 200)
    ours = {day(n): 0.4 + value for n, value in enumerate(noise)}
    theirs = {at: value + 0.01 + (0.002 if n % 2 else -0.002) for n, (at, value) in enumerate(ours.items())}
    gain = Gain.of(ours, theirs)
    assert gain.mean == pytest.approx(0.01)
    assert 0.009 < gain.low < gain.mean < gain.high < 0.011
    assert Gain.of(theirs, ours).low == pytest.approx(-gain.high)
    assert Gain.of({day(0): 1.0}, {day(0): 2.0}).high == np.inf


def test_the_best_in_hindsight_is_no_worse_than_any_policy():
    world = MadeUp(lemons=(DATES[3],))
    replays = [replayed(never, world), replayed(every(1), world), replayed(every(14), world)]
    best = hindsight(world, replays, UNTIL)
    assert set(best) == set(replays[0].daily)
    assert all(sum(best.values()) <= sum(one.daily.values()) + 1e-12 for one in replays)
    assert best[DATES[3]] == pytest.approx(0.407)


def test_stretches_of_reigns_are_whole():
    steps = [Step(day(0), "a", True, ""), Step(day(7), "a", False, ""), Step(day(14), "b", True, "")]
    assert reigns(steps, day(21)) == [(day(0), day(14), "a"), (day(14), day(21), "b")]
