"""Every sentence of a card has its evidence, and what is not known is a gap."""

from dataclasses import replace

import pytest

from mlops_assets.governance.card import Known, Statement, card, gaps
from mlops_assets.governance.certificate import Certificate
from mlops_assets.governance.contract import Contract, Input
from mlops_assets.governance.evidence import Behaviour, Evidence, Group, Slice
from mlops_assets.governance.reasons import Reason

CONTRACT = Contract(
    model="late",
    owner="team:x",
    edition=2,
    as_of="2024-02-01",
    model_digest="d",
    keys={"plane": "string"},
    inputs={"a": Input("number", "request"), "b": Input("number", "features", missing=0.25)},
    output={"probability": "double from 0 to 1"},
    service="s",
    features="f",
    views={},
    question="q",
    label={"table": "flights", "positive": "delay > 15"},
    objectives={"p95_ms": 500.0},
    resources={},
    metrics={},
    training={"raw/flights@2024-01-02": "x", "raw/flights@2024-01-01": "y", "raw/planes@all": "z"},
    code={},
    environment={},
)
EVIDENCE = Evidence(
    model="late",
    as_of="2024-02-01",
    model_digest="d",
    rows=1000,
    positives=100,
    first_day="2024-01-20",
    last_day="2024-01-31",
    metrics={"log_loss": 0.4},
    baseline={"log_loss": 0.5},
)
NOTHING = Known(
    version=3,
    released_at="2024-02-01T10:00:00+00:00",
    description="",
    words={},
    contract=CONTRACT,
    contracted="contract c",
    evidence=EVIDENCE,
    evaluated="report r",
    verdict="promote",
    reasons=[Reason("floor", "promote", "good enough")],
    decided="decision d",
    estimator="sklearn.X",
    parameters="{}",
    made="artifact a",
    reigns=[],
    certificates=[],
    drift=None,
)
CERTIFICATE = Certificate("late", 3, "a", "d", "d", 10, 0.0, (), (), "2024-03-01")
WHOLE = replace(
    NOTHING,
    description="Late?",
    words={"intended_use": "u", "out_of_scope": "o", "considerations": "c", "limitations": "l"},
    evidence=replace(
        EVIDENCE,
        intervals={"log_loss": [0.39, 0.41]},
        slices=[Slice("carrier", "AA", 500, 50, metrics={"log_loss": 0.6})],
        groups=[Group("sex", [], [], 0.9, [0.85, 0.95], 0.1, [0.05, 0.2])],
        behaviour=[Behaviour("increasing", "a", 500, 0.0, 0.0)],
        milliseconds={"p50": 1.0, "p95": 2.0},
    ),
    reigns=["It reigned from then."],
    certificates=[CERTIFICATE],
    drift=Statement("It is calm.", "drift d"),
)


def said(known):
    return {one.text: one.evidence for part in card(known) for one in part.statements}


def test_a_version_of_which_all_is_known_has_no_gap():
    assert gaps(card(WHOLE)) == []
    found = said(WHOLE)
    assert found["log_loss: 0.4000 (95%: 0.3900 to 0.4100), the baseline's 0.5000."] == "report r"
    assert found["raw/flights: 2 partitions, 2024-01-01 to 2024-01-02."] == "training of contract c"
    assert found["carrier AA: log loss 0.6000 on 500 rows."] == "report r"
    assert found["Trained again 1 times, the last time at 2024-03-01: identical."] == "its certificates"
    assert found["1 inputs have missing values, b most of all (25.0%)."] == "inputs of contract c"


@pytest.mark.parametrize(
    "gap",
    [
        "What it predicts is not described",
        "what it is to be used for",
        "what it must not be used for",
        "whom it may harm",
        "what is known not to work",
        "How sure these figures are",
        "No slices were looked at",
        "No groups were looked at",
        "Nothing was declared that must not change an answer",
        "It never reigned",
        "It was not trained again",
        "The world was not compared",
    ],
)
def test_what_is_not_known_is_a_gap(gap):
    assert len([one for one in gaps(card(NOTHING)) if gap in one.text]) == 1


def test_slices_and_groups_of_which_nothing_can_be_said_are_gaps():
    found = replace(
        WHOLE,
        evidence=replace(
            WHOLE.evidence,
            slices=[Slice("carrier", "ZZ", 3, 0, too_few=True)],
            groups=[Group("sex", [], ["f", "m"], None, [], None, [])],
        ),
    )
    assert [one.text for one in gaps(card(found))] == [
        "Nothing can be said of carrier ZZ: too few rows.",
        "The selection ratio by sex cannot be said.",
        "The opportunity gap by sex cannot be said.",
        "Nothing can be said of sex f, m: too few rows.",
    ]


def test_a_figure_of_groups_without_an_interval_is_a_gap():
    found = replace(
        WHOLE, evidence=replace(WHOLE.evidence, groups=[Group("sex", [], [], 0.5, [], 0.1, [0, 1])])
    )
    assert [one.text for one in gaps(card(found))] == [
        "How sure the selection ratio by sex is cannot be said: there are too few days."
    ]


def test_a_version_that_could_not_be_made_again_says_so():
    other = replace(CERTIFICATE, found_digest="e", largest_difference=0.01)
    assert any("another by up to 0.01" in text for text in said(replace(WHOLE, certificates=[other])))
