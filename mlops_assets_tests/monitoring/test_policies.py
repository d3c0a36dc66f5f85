"""Policies by name, and a function of one's own."""

import numpy as np
import pytest

from mlops_assets.errors import BadRequest
from mlops_assets.monitoring.findings import Finding, report
from mlops_assets.monitoring.policies import POLICIES, policy
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
