"""What waits is seen in Dagster with its reason, and is applied by a run when people agreed; no worker waits."""

import dagster as dg
import pytest

from mlops_assets.declaration.access import Policy
from mlops_assets.governance.access import Who
from mlops_assets.graph.changes import changes_asset, changes_sensor
from mlops_assets.steps import changes
from mlops_assets.steps.standing import asked_for
from mlops_assets.stores.ledger import clock
from mlops_assets.stores.releases import asked_first
from mlops_assets_tests.graph.test_settling import MemoryTracking
from mlops_assets_tests.sandbox import SHOP, load_project, make_project
from mlops_assets_tests.stores import ledger_world

AGREE = Policy(
    roles={"all": [{"resource": "*", "actions": ["*"]}]},
    members={name: ["all"] for name in ("ada", "bo", "cy")},
    tiers=[{"kind": "*", "delay_minutes": 0}],
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))
    return project.model("returned").model_copy(update={"name": "model"})


@pytest.fixture
def stores(tmp_path):
    return ledger_world.opened(tmp_path / "home", f"sqlite:///{tmp_path / 'platform.db'}")


def tick(model, stores, instance, cursor=None):
    definitions = dg.Definitions(
        assets=[changes_asset(model)],
        sensors=[changes_sensor(model)],
        resources={"stores": stores, "tracking": MemoryTracking()},
    )
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        repository_def=definitions.get_repository_def(),
        resources={"stores": stores},
    ) as context:
        return definitions.get_repository_def().get_sensor_def("model_changes").evaluate_tick(context)


def waiting_release(stores, number):
    tier = asked_for(stores, "promote", "model:model")
    ledger_world.release(stores, number, instead=asked_first(tier))


def test_a_release_is_seen_waiting_and_applied_when_two_agreed(model, stores):
    tracking = MemoryTracking()
    with dg.DagsterInstance.ephemeral() as instance:
        quiet = tick(model, stores, instance)
        assert (quiet.run_requests, quiet.asset_events) == ([], [])
        assert quiet.skip_message == "no change of model waits"

        stores.policies.adopt(AGREE, after=0, by="ada", reason="we are many", at=clock())
        waiting_release(stores, 1)
        waits = tick(model, stores, instance)
        assert "request 1: waiting for two approvals; approve with" in waits.skip_message
        (seen,) = waits.asset_events
        assert "waiting for two approvals" in seen.metadata["requests"].value
        # Told once, not every half minute.
        assert tick(model, stores, instance, waits.cursor).asset_events == []

        made = dg.materialize(
            [changes_asset(model)], instance=instance, resources={"stores": stores, "tracking": tracking}
        )
        (told,) = made.asset_materializations_for_node("model__changes")
        assert (told.metadata["applied"].value, told.metadata["waiting"].value) == (0, 1)
        assert stores.reigns.current("model") is None

        digest = stores.changes.of(1).request.digest
        for name in ("bo", "cy"):
            changes.vote(stores, 1, "approve", who=Who(name), seen=digest, reason="read it")
        open_now = tick(model, stores, instance, waits.cursor)
        (request,) = open_now.run_requests
        assert request.run_key.startswith("model/request/1/")
        assert len(open_now.asset_events) == 1

        made = dg.materialize(
            [changes_asset(model)], instance=instance, resources={"stores": stores, "tracking": tracking}
        )
        (told,) = made.asset_materializations_for_node("model__changes")
        assert (told.metadata["applied"].value, told.metadata["waiting"].value) == (1, 0)
    reign = stores.reigns.current("model")
    assert (reign.version, reign.by) == (1, "gate")
    assert stores.changes.of(1).application.by == "sensor"
    assert tracking.shown == [(1, True)]
