"""Policies by name, and a function of one's own."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.errors import BadRequest
from mlops_assets.monitoring.findings import Finding, report
from mlops_assets.monitoring.policies import POLICIES, policy
from mlops_assets.monitoring.profile import Profile
from mlops_assets_tests.monitoring.counted import number_profiles


def always_warns(reference, batch, history):
    finding = Finding(
        "x", "distribution", "drift", "warn", "nothing", 1.0, f"x: {len(history)} windows before"
    )
    return report("always_warns", batch.rows, [finding])


@pytest.mark.parametrize("name", POLICIES)
def test_every_named_policy_answers_with_its_name(name):
    made = policy(name)(*number_profiles(np.arange(600.0), np.arange(600.0)), [])
    assert (made.policy, made.verdict) == (name, "stable")


def test_a_function_of_ones_own_is_found_by_its_path():
    own = policy(f"{__name__}.always_warns")
    made = own(*number_profiles(np.ones(3), np.ones(3)), [])
    assert made.told() == ["x: 0 windows before"]


GOOD = always_warns(None, Profile(3, {}), [])
(WARNS,) = GOOD.findings
ANSWERS = {
    "nothing": (None, "returned None, expected a DriftReport"),
    "a dictionary": (GOOD.to_dict(), "returned {'policy': 'always_warns'.*expected a DriftReport"),
    "another verdict": (replace(GOOD, verdict="stable"), "returned the verdict 'stable', expected 'drift'"),
    "a milder severity": (replace(GOOD, severity=None), "returned the severity None, expected 'warn'"),
    "other rows": (replace(GOOD, rows=4), "returned the rows 4, expected 3"),
    "a list": (replace(GOOD, findings=[WARNS]), "expected a tuple"),
    "a nameless one": (replace(GOOD, policy=None), "returned the name None, expected text"),
}
FINDINGS = {
    "text": ("x drifted", "finding 0, is 'x drifted', expected a Finding"),
    "column": (replace(WARNS, column=7), "has the column 7, expected text"),
    "sentence": (replace(WARNS, sentence=None), "has the sentence None, expected text"),
    "verdict": (replace(WARNS, verdict="bad"), "has the verdict 'bad', expected one of stable, drift"),
    "severity": (replace(WARNS, severity="fatal"), "has the severity 'fatal', expected 'warn' or 'error'"),
    "calm severity": (
        replace(WARNS, verdict="stable"),
        "'warn', expected None where the verdict is 'stable'",
    ),
    "effect": (replace(WARNS, effect=np.nan), "has the effect nan, expected a finite number"),
    "value": (replace(WARNS, values={"p": np.inf}), "has as 'p' inf, expected a finite number"),
    "text value": (replace(WARNS, values={"p": "low"}), "has as 'p' 'low', expected a finite number"),
    "values": (replace(WARNS, values=[1.0]), "expected a mapping of names to numbers"),
}
FINDINGS_AS_ANSWERS = {name: (replace(GOOD, findings=(one,)), said) for name, (one, said) in FINDINGS.items()}


@pytest.mark.parametrize(
    ("answer", "said"),
    [*ANSWERS.values(), *FINDINGS_AS_ANSWERS.values()],
    ids=[*ANSWERS, *(f"finding: {name}" for name in FINDINGS)],
)
def test_an_answer_that_is_no_report_is_refused(answer, said, monkeypatch):
    monkeypatch.setattr(f"{__name__}.always_warns", lambda *_: answer)
    own = policy(f"{__name__}.always_warns")
    with pytest.raises(BadRequest, match=f"the drift policy '{__name__}.always_warns'.*{said}"):
        own(*number_profiles(np.ones(3), np.ones(3)), [])


def test_a_function_that_fails_is_named_with_its_error(monkeypatch):
    monkeypatch.setattr(f"{__name__}.always_warns", lambda *_: {}["amount"])
    own = policy(f"{__name__}.always_warns")
    with pytest.raises(
        BadRequest, match="always_warns' failed with KeyError: 'amount'; expected a DriftReport"
    ):
        own(*number_profiles(np.ones(3), np.ones(3)), [])


def test_numbers_of_numpy_become_plain_ones(monkeypatch):
    numbers = replace(WARNS, effect=np.float32(0.5), values={"rows": np.int64(7)})
    monkeypatch.setattr(f"{__name__}.always_warns", lambda *_: replace(GOOD, findings=(numbers,)))
    made = policy(f"{__name__}.always_warns")(*number_profiles(np.ones(3), np.ones(3)), [])
    assert json.loads(json.dumps(made.to_dict()))["findings"][0]["values"] == {"rows": 7.0}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "calibratd",
            "there is no drift policy 'calibratd'; there are calibrated, article, or a dotted path",
        ),
        ("no_such_module.judge", "no function at 'no_such_module.judge'"),
        ("math.pi", "'math.pi' is not a function"),
    ],
)
def test_what_is_not_there_is_said(name, sentence):
    with pytest.raises(BadRequest, match=sentence):
        policy(name)
