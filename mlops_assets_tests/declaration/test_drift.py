"""How a model says that it is watched."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.drift import Drift
from mlops_assets.monitoring.policies import declared_policy


def test_the_default_watches_weeks_with_the_calibrated_policy_beside_the_training_data():
    drift = Drift()
    assert (drift.policy, drift.window_days, drift.season, drift.days) == ("calibrated", 7, None, 7)


def test_a_season_reads_as_far_back_as_its_windows_go():
    assert Drift.model_validate({"window_days": 2, "season": {"every_days": 7, "periods": 3}}).days == 23


@pytest.mark.parametrize(
    ("said", "place", "message"),
    [
        ({"season": {"every_days": 3}}, ("season", "every_days"), "windows of 7 days, 3 days apart, overlap"),
        ({"policy": "article", "limits": {"warn_at": 0.1}}, ("limits",), "only the policy 'calibrated'"),
        ({"policy": "calibratd"}, ("policy",), "pattern"),
        ({"limits": {"warn_at": 1.5}}, ("limits", "warn_at"), "less than 1"),
        ({"window_days": 0}, ("window_days",), "greater than or equal to 1"),
        ({"windows": 3}, ("windows",), "window_days"),
    ],
)
def test_a_mistake_is_told_at_its_place(said, place, message):
    with pytest.raises(ValidationError) as caught:
        Drift.model_validate(said)
    (found,) = caught.value.errors()
    assert found["loc"] == place
    assert message in found["msg"]


def test_declared_limits_reach_the_policy():
    said = Drift.model_validate({"limits": {"warn_at": 0.2, "rows_at_least": 100, "columns": {"x": 0.3}}})
    limits = declared_policy(said).keywords["limits"]
    assert (limits.warn_at, limits.rows_at_least, limits.column_warn_at) == (0.2, 100, {"x": 0.3})
    assert limits.error_at == declared_policy(Drift()).keywords["limits"].error_at
