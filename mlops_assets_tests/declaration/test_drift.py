"""How a model says that it is watched."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.drift import Drift
from mlops_assets.monitoring.calibrated import Limits
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
        ({"policy": "article", "limits": {"warn_at": 0.05}}, ("limits",), "only the policy 'calibrated'"),
        ({"policy": "calibratd"}, ("policy",), "pattern"),
        ({"policy": "no_such_package.judge"}, ("policy",), "there is no package or module 'no_such_package'"),
        (
            {"policy": "mlops_assets.monitoring.artcle.article"},
            ("policy",),
            "there is no 'artcle' in mlops_assets.monitoring. Did you mean 'article'?",
        ),
        (
            {"policy": "mlops_assets.monitoring.article.articel"},
            ("policy",),
            "there is no 'articel' in mlops_assets.monitoring.article. Did you mean 'article'?",
        ),
        ({"limits": {"warn_at": 1.5}}, ("limits", "warn_at"), "less than 1"),
        ({"limits": {"warn_at": 0.1}}, ("limits", "warn_at"), "warn_at is 0.1 and error_at is 0.075"),
        ({"limits": {"error_at": 0.02}}, ("limits", "error_at"), "warn_at is 0.03 and error_at is 0.02"),
        (
            {"limits": {"missing_warn_at": 0.2, "missing_error_at": 0.1}},
            ("limits", "missing_warn_at"),
            "expected missing_warn_at to be at most missing_error_at",
        ),
        (
            {"limits": {"columns": {"x": 0.3}}},
            ("limits", "columns", "x"),
            "found 0.3, expected at most error_at, which is 0.075",
        ),
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


@pytest.mark.parametrize(
    "assigned", ["judge = print", "judge: object = print", "from builtins import print as judge"]
)
def test_a_policy_is_whatever_its_module_calls_so(tmp_path, monkeypatch, assigned):
    (tmp_path / "policies_of_ours").mkdir()
    (tmp_path / "policies_of_ours" / "weekly.py").write_text(assigned)
    monkeypatch.syspath_prepend(tmp_path)
    assert Drift(policy="policies_of_ours.weekly.judge").policy == "policies_of_ours.weekly.judge"


def test_declared_limits_reach_the_policy():
    said = Drift.model_validate(
        {"limits": {"warn_at": 0.2, "rows_at_least": 100, "error_at": 0.4, "columns": {"x": 0.3}}}
    )
    limits = declared_policy(said).keywords["limits"]
    assert (limits.warn_at, limits.rows_at_least, limits.column_warn_at) == (0.2, 100, {"x": 0.3})
    assert limits.missing_error_at == Limits().missing_error_at
    assert declared_policy(Drift()).keywords["limits"] == Limits()
