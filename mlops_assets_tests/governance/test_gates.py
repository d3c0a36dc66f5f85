"""What it takes to be released."""

import math
from dataclasses import replace

import pytest

from mlops_assets.declaration.model import BaselineGate, ChampionGate, Gates
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.gates import Reigning, decide
from mlops_assets.governance.looks import Look
from mlops_assets.governance.paired import improvement_bound

GOOD = Evidence(
    model="delay",
    as_of="2013-05-01",
    model_digest="ab",
    rows=1000,
    positives=200,
    first_day="2013-04-01",
    last_day="2013-04-30",
    metrics={"log_loss": 0.40, "roc_auc": 0.75, "brier": 0.1, "calibration_error": 0.02, "accuracy": 0.8},
    baseline={"log_loss": 0.50, "roc_auc": 0.5, "brier": 0.2, "accuracy": 0.8},
)
ONE_CLASS = replace(GOOD, metrics={"log_loss": 0.4}, baseline={"log_loss": 0.5})


def against(*daily, version=4):
    days = [f"2013-04-{day:02d}" for day in range(1, len(daily) + 1)]
    return replace(GOOD, champion=Comparison(version, {}, {"log_loss": list(daily)}, days=days))


def objections(decision):
    return [reason.gate for reason in decision.reasons if reason.answer != "promote"]


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({"floors": {"roc_auc": 0.75}}, "promote"),
        ({"floors": {"roc_auc": 0.7501}}, "hold"),
        ({"floors": {"accuracy": 0.81}}, "hold"),
        ({"ceilings": {"log_loss": 0.40}}, "promote"),
        ({"ceilings": {"log_loss": 0.3999}}, "hold"),
        ({"ceilings": {"brier": 0.05}}, "hold"),
        ({"ceilings": {"calibration_error": 0.02}, "floors": {"accuracy": 0.8}}, "promote"),
    ],
)
def test_floors_and_ceilings_are_inclusive(limits, verdict):
    assert decide(GOOD, Gates(**limits)).verdict == verdict


@pytest.mark.parametrize(
    ("rows", "verdict"), [(199, "not enough data"), (200, "promote"), (0, "not enough data")]
)
def test_too_few_rows_are_not_enough_data(rows, verdict):
    assert decide(replace(GOOD, rows=rows), Gates()).verdict == verdict


@pytest.mark.parametrize(
    ("metric", "margin", "verdict"),
    [
        ("log_loss", 0.0, "promote"),
        ("log_loss", 0.09, "promote"),
        ("log_loss", 0.11, "hold"),
        ("roc_auc", 0.24, "promote"),
        ("roc_auc", 0.25, "hold"),
        ("accuracy", 0.0, "hold"),
    ],
)
def test_the_baseline_must_be_beaten_by_more_than_the_margin(metric, margin, verdict):
    decision = decide(GOOD, Gates(baseline=BaselineGate(metric=metric, margin=margin)))
    assert decision.verdict == verdict


@pytest.mark.parametrize(
    ("gates", "gate"),
    [
        (Gates(floors={"roc_auc": 0.5}), "floor:roc_auc"),
        (Gates(ceilings={"brier": 0.5}), "ceiling:brier"),
        (Gates(baseline=BaselineGate(metric="roc_auc")), "baseline"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_not_enough_data(gates, gate):
    decision = decide(ONE_CLASS, gates)
    assert decision.verdict == "not enough data"
    assert objections(decision) == [gate]


def test_a_metric_that_is_not_a_number_never_passes():
    evidence = replace(GOOD, metrics={"log_loss": math.nan, "roc_auc": math.nan})
    gates = Gates(floors={"roc_auc": 0.1}, ceilings={"log_loss": 9})
    assert objections(decide(evidence, gates)) == ["floor:roc_auc", "ceiling:log_loss", "baseline"]


def test_without_a_champion_the_other_gates_decide():
    assert decide(GOOD, Gates()).verdict == "promote"


def test_a_challenger_that_ties_the_champion_is_held():
    assert decide(against(*[0.0] * 10), Gates()).verdict == "hold"


def test_a_challenger_that_is_better_on_the_mean_but_not_surely_is_held():
    daily = [0.10, -0.08, 0.09, -0.07, 0.08, -0.06, 0.05]
    assert sum(daily) > 0
    decision = decide(against(*daily), Gates())
    assert decision.verdict == "hold"
    assert objections(decision) == ["champion"]


@pytest.mark.parametrize("nudge", [-1e-9, 1e-9])
def test_the_margin_is_compared_with_the_lower_bound(nudge):
    daily = [0.02, 0.05, 0.03, 0.04, 0.06, 0.01, 0.03]
    _, bound = improvement_bound(daily, 0.95)
    gates = Gates(champion=ChampionGate(margin=bound + nudge, confidence=0.95))
    assert decide(against(*daily), gates).verdict == ("promote" if nudge < 0 else "hold")


@pytest.mark.parametrize(
    ("days", "verdict"), [(6, "not enough data"), (7, "promote"), (0, "not enough data")]
)
def test_too_few_common_days_are_not_enough_data(days, verdict):
    assert decide(against(*[0.1] * days), Gates()).verdict == verdict


def test_a_champion_compared_on_another_loss_is_not_enough_data():
    gates = Gates(champion=ChampionGate(metric="brier"))
    assert decide(against(*[0.1] * 10), gates).verdict == "not enough data"


def test_a_day_without_a_number_holds():
    assert decide(against(*[0.1] * 9, math.nan), Gates()).verdict == "hold"


@pytest.mark.parametrize(
    ("reigning", "verdict"),
    [
        (None, "promote"),
        (Reigning(4, "2013-04-01"), "promote"),
        (Reigning(4, "2013-05-01"), "promote"),
        (Reigning(4, "2013-05-02"), "hold"),
        (Reigning(5, "2013-04-01"), "hold"),
        (Reigning(5, "2013-06-01"), "hold"),
    ],
)
def test_a_model_takes_over_only_from_the_older_champion_it_was_compared_with(reigning, verdict):
    decision = decide(against(*[0.1] * 10, version=4), Gates(), reigning=reigning)
    assert decision.verdict == verdict
    assert objections(decision) == ([] if verdict == "promote" else ["succession"])


def test_a_model_that_was_compared_with_none_does_not_replace_a_champion_that_came_meanwhile():
    assert objections(decide(GOOD, Gates(), reigning=Reigning(1, "2013-04-01"))) == ["succession"]


def test_an_objection_outweighs_missing_data():
    decision = decide(replace(GOOD, rows=1), Gates(floors={"roc_auc": 0.9}))
    assert decision.verdict == "hold"
    assert objections(decision) == ["rows", "floor:roc_auc"]


def test_a_refusal_tells_its_objections_and_a_release_all_of_its_reasons():
    held = decide(GOOD, Gates(floors={"roc_auc": 0.9}))
    assert held.told() == ["roc_auc 0.7500, at least 0.9 is asked"]
    promoted = decide(GOOD, Gates(floors={"roc_auc": 0.7}))
    assert len(promoted.told()) == len(promoted.reasons) == 4


@pytest.mark.parametrize(("allowed", "verdict"), [(False, "not enough data"), (True, "promote")])
def test_a_champion_that_answers_another_question_is_replaced_only_if_declared(allowed, verdict):
    other = replace(GOOD, champion=Comparison(4, {}, {}, incomparable="its label was another"))
    decision = decide(other, Gates(champion=ChampionGate(replace_incomparable=allowed)))
    assert decision.verdict == verdict
    (said,) = [reason.sentence for reason in decision.reasons if reason.gate == "champion"]
    assert "version 4 cannot be compared: its label was another" in said


def test_evidence_that_was_looked_at_before_is_asked_for_the_same_confidence_and_spends_nothing():
    evidence = against(*[0.02, 0.05, 0.03, 0.04, 0.06, 0.01, 0.03])
    looks = (Look("2013-04-30", 0.02),)
    first = decide(evidence, Gates(), reigning=Reigning(4, "2013-04-01", looks))
    assert first.spent > 0
    looks = (*looks, Look("2013-05-01", first.spent))
    again = decide(evidence, Gates(), reigning=Reigning(4, "2013-04-01", looks, taken=first.spent))
    assert (again.verdict, again.reasons, again.spent) == (first.verdict, first.reasons, 0)
    third = decide(evidence, Gates(), reigning=Reigning(4, "2013-04-01", looks))
    assert third.spent < first.spent


def within_days(told, plain):
    days = [f"2013-04-{day:02d}" for day in range(1, 15)]
    daily = {"log_loss_within_days": [told] * 14, "log_loss": [plain] * 14}
    found = replace(GOOD, champion=Comparison(4, {}, daily, days=days))
    gates = Gates(champion=ChampionGate(metric="log_loss_within_days"))
    return decide(found, gates, reigning=Reigning(4, "2013-03-01"))


def test_who_tells_rows_apart_better_within_days_wins_only_if_plain_loss_is_no_higher():
    assert within_days(0.01, 0.001).verdict == "promote"
    lost = within_days(0.01, -0.001)
    assert lost.verdict == "hold"
    assert "log_loss itself 0.0010 worse on them" in " ".join(lost.told())
    assert within_days(-0.01, 0.05).verdict == "hold"


@pytest.mark.parametrize(
    ("daily", "verdict"),
    [
        ([0.10, -0.08, 0.09, -0.07, 0.08, -0.06, 0.05], "promote"),
        ([-0.10, 0.08, -0.09, 0.07, -0.08, 0.06, -0.05], "hold"),
        ([0.0] * 10, "hold"),
        ([0.1] * 6, "not enough data"),
    ],
)
def test_who_prefers_the_challenger_takes_it_unless_it_did_no_better(daily, verdict):
    gates = Gates(champion=ChampionGate(prefer="challenger"))
    decision = decide(against(*daily), gates)
    assert decision.verdict == verdict
    if verdict != "not enough data":
        assert "the challenger is preferred" in "; ".join(decision.told())


def test_a_preferred_challenger_must_pass_every_other_gate():
    gates = Gates(champion=ChampionGate(prefer="challenger"), floors={"roc_auc": 0.9})
    assert objections(decide(against(*[0.1] * 10), gates)) == ["floor:roc_auc"]


def test_a_preferred_challenger_must_beat_the_margin_on_the_mean():
    margin = ChampionGate(prefer="challenger", margin=0.05)
    assert decide(against(*[0.04] * 10), Gates(champion=margin)).verdict == "hold"
    assert decide(against(*[0.06] * 10), Gates(champion=margin)).verdict == "promote"
