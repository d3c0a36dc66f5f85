"""MLflow runs end as their Dagster run did, and releases are shown, whatever was killed in between."""

from contextlib import contextmanager

import dagster as dg
import pytest

from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.graph.settling import settle, settling_sensor
from mlops_assets.stores.releases import Candidate
from mlops_assets.stores.stores import Places, Stores


class MemoryTracking:
    """Tracking that remembers what it was asked."""

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}
        self.shown: list[tuple[int, bool]] = []

    @contextmanager
    def run(self, context, *, experiment, name, tags):
        raise AssertionError("settling opens no runs")
        yield

    def add_metrics(self, run_id, metrics):
        raise AssertionError("settling measures nothing")

    def mirror(self, release, *, champion):
        self.shown.append((release.version, champion))
        return f"m{release.version}", f"files of m{release.version}"

    def close(self, run_id, status):
        self.closed[run_id] = status


@pytest.fixture
def stores(tmp_path):
    return Stores.open(Places.below(tmp_path))


@pytest.fixture
def tracking():
    return MemoryTracking()


def dagster_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    from dagster._core.test_utils import create_run_for_test

    return create_run_for_test(instance, job_name="job", status=status).run_id


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (dg.DagsterRunStatus.SUCCESS, "FINISHED"),
        (dg.DagsterRunStatus.FAILURE, "FAILED"),
        (dg.DagsterRunStatus.CANCELED, "KILLED"),
    ],
)
def test_an_mlflow_run_ends_as_its_dagster_run_did(stores, tracking, ended, status):
    with dg.DagsterInstance.ephemeral() as instance:
        stores.tracked_runs.opened("tracked", dagster_run(instance, ended))
        settle(instance, stores, tracking)
    assert tracking.closed == {"tracked": status}


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
)
def test_an_mlflow_run_stays_open_while_its_dagster_run_goes_on(stores, tracking, status):
    with dg.DagsterInstance.ephemeral() as instance:
        stores.tracked_runs.opened("tracked", dagster_run(instance, status))
        assert settle(instance, stores, tracking) == []
    assert tracking.closed == {}


def test_an_mlflow_run_whose_dagster_run_is_gone_counts_as_killed(stores, tracking):
    with dg.DagsterInstance.ephemeral() as instance:
        stores.tracked_runs.opened("tracked", "no such run")
        settle(instance, stores, tracking)
    assert tracking.closed == {"tracked": "KILLED"}


def release(stores: Stores, as_of: str) -> None:
    candidate = Candidate(
        "model",
        as_of,
        f"digest {as_of}",
        "files",
        f"evidence {as_of}",
        "mlflow run",
        "features",
        {},
        "contract",
    )
    evidence = Evidence("model", as_of, f"digest {as_of}", 1, 1, as_of, as_of, {}, {})
    against = stores.releases.against("model")
    stores.releases.record(
        candidate, evidence, Decision("promote", ()), against=against, by="gates", at="now", run_id="run"
    )


def test_releases_that_were_recorded_and_never_shown_are_shown_in_order_the_newest_as_champion(
    stores, tracking
):
    release(stores, "2024-01-01")
    release(stores, "2024-02-01")
    with dg.DagsterInstance.ephemeral() as instance:
        settle(instance, stores, tracking)
        assert settle(instance, stores, tracking) == []
    assert tracking.shown == [(1, False), (2, True)]
    assert [r.mlflow_version for r in stores.releases.versions("model")] == ["m1", "m2"]


def test_a_version_that_reigns_again_is_shown_as_champion_again(stores, tracking):
    release(stores, "2024-01-01")
    release(stores, "2024-02-01")
    with dg.DagsterInstance.ephemeral() as instance:
        settle(instance, stores, tracking)
        stores.reigns.begin("model", 1, after=2, by="Ada", reason="it errs", at="now", run_id="")
        settle(instance, stores, tracking)
        assert settle(instance, stores, tracking) == []
    assert tracking.shown[2:] == [(1, True)]


def test_the_sensor_says_in_words_what_it_did(stores, tracking):
    with dg.DagsterInstance.ephemeral() as instance:
        stores.tracked_runs.opened("tracked", dagster_run(instance, dg.DagsterRunStatus.FAILURE))
        context = dg.build_sensor_context(
            instance=instance, resources={"stores": stores, "tracking": tracking}
        )
        sensor = settling_sensor()
        assert "FAILED" in sensor(context).skip_message
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
