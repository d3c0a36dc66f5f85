"""The asset that counts how ready for production a model is, in Dagster."""

from datetime import UTC, datetime

from mlops_assets.graph import keys
from mlops_assets.resources.environment import HOME
from mlops_assets_tests.sandbox import sandbox
from mlops_assets_tests.steps.audit_world import shop
from mlops_assets_tests.steps.score_world import full

SCORE = keys.of_model("returned", "ml_test_score")


def test_it_counts_nothing_before_there_is_a_version_and_then_what_is_there(tmp_path):
    with sandbox(shop(), tmp_path / "home") as box:
        assert box.run(SCORE).success
        assert box.latest(SCORE).metadata["score"].value == 0
        now = datetime.now(UTC).isoformat(timespec="seconds")
        full(box.home, f"sqlite:///{box.home / 'platform.db'}", at=now)
        assert box.run(SCORE).success
        told = box.latest(SCORE).metadata
        sums = [told[section].value for section in ("data", "model", "infrastructure", "monitoring")]
        assert told["score"].value == min(sums) > 0
        lines = told["tests"].value.splitlines()
        assert len(lines) == 30
        assert any("[1](/assets/returned/parity?view=checks&checkDetail=parity)" in line for line in lines)
        assert any("mlops score returned --attest privacy" in line for line in lines)


def test_it_is_counted_with_every_release_though_it_has_no_dates(tmp_path, monkeypatch):
    job = shop().definitions.resolve_job_def("returned_release")
    assert SCORE in job.asset_layer.selected_asset_keys
    with sandbox(shop(), tmp_path / "home") as box:
        monkeypatch.setenv(HOME, str(box.home))
        asked = {"asset_selection": [SCORE], "partition_key": "2024-03-29"}
        assert job.execute_in_process(instance=box.instance, **asked).success
        assert box.latest(SCORE).partition is None
