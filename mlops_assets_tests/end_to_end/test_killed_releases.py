"""kill -9 between training, logging, registering and releasing: after the next tick all who remember agree.

The run is a process of its own that kills itself at the boundary, so that it dies there each time.
"""

import importlib
import os
import signal
from collections.abc import Callable
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import bury_dead_runs, execute
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES, model_run
from mlops_assets.graph.registry import registry_sensor
from mlops_assets.graph.settling import settle
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import (
    REAL,
    SHOP,
    Sandbox,
    land_orders,
    load_project,
    make_project,
    sandbox,
)

pytestmark = pytest.mark.slow

AS_OF = "2024-03-29"
DATA = [keys.raw, keys.validated, keys.quarantine]
STORY = [keys.of_model("returned", stage) for stage in STAGES]
RELEASE = STORY[-1]

# What is about to be called, or was just called, when the process dies.
BEFORE, AFTER = "before", "after"
TRAINING = {
    "trained, and nothing kept": (BEFORE, "mlops_assets.steps.training", "keep"),
    "kept, and not logged": (BEFORE, "mlops_assets.resources.tracking", "_Run.log_model"),
    "logged, and not recorded": (AFTER, "mlops_assets.resources.tracking", "_Run.log_model"),
    "recorded, and not evaluated": (BEFORE, "mlops_assets.steps.evaluation", "evaluate"),
    "evaluated, and not judged": (BEFORE, "mlops_assets.stores.releases", "Releases.record"),
}
RELEASING = {
    "judged, and not shown": (AFTER, "mlops_assets.stores.releases", "Releases.record"),
    "a version in MLflow, and no alias": (AFTER, "mlops_assets.stores.registry", "MlflowStore._create"),
    "an alias, and not noted": (BEFORE, "mlops_assets.stores.releases", "Releases.set_mirrored"),
    "noted, and the reign not shown": (BEFORE, "mlops_assets.stores.reigns", "Reigns.set_shown"),
    "shown, and the verdict not in the lake": (AFTER, "mlops_assets.stores.reigns", "Reigns.set_shown"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"), like=SHOP)


@pytest.fixture(scope="module")
def prepared(package, tmp_path_factory):
    """All data that a model is made from."""
    with sandbox(load_project(package), tmp_path_factory.mktemp("home")) as box:
        land_orders(box.home, date(2024, 3, 1), 28)
        box.run(*(key("customers") for key in DATA), keys.features("customer_profile"))
        daily = (*(key("orders") for key in DATA), keys.features("customer_orders"))
        box.run(*daily, first="2024-03-01", last="2024-03-28")
        yield box


def dies(when: str, module: str, path: str) -> None:
    """The next call of that function is the last thing that this process does."""
    *owners, name = path.split(".")
    place = importlib.import_module(module)
    for owner in owners:
        place = getattr(place, owner)
    called = getattr(place, name)

    def last(*arguments, **named):
        if when == AFTER:
            called(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, last)


def story(package: Path, home: Path, boundary: tuple[str, str, str]) -> None:
    """What ``mlops run`` does when all data is there."""
    os.environ[HOME] = str(home)
    os.environ.pop(MLFLOW, None)
    dies(*boundary)
    with sandbox(load_project(package), home) as box:
        opened = Deployment(box.project, box.instance, box.stores, box.tracking)
        execute(opened, model_run(box.project.model("returned"), AS_OF), Console(quiet=True))


@pytest.fixture(scope="module")
def processes():
    """Processes in which what every run imports is imported already."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "mlops_assets.steps.training", "mlops_assets.stores.registry"])
    return context


@pytest.fixture
def killed(request, processes, package, prepared, tmp_path):
    """A home in which the first release was killed at a boundary."""
    home = Deployed(REAL, prepared.home).copied_to(tmp_path / "home").home
    process = processes.Process(target=story, args=(package, home, request.param))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    with sandbox(prepared.project, home) as box:
        yield box


def tick(box: Sandbox) -> list[str]:
    """What the sensors of a deployment do within half a minute, and what they tell of the registry."""
    bury_dead_runs(box.instance)
    settle(box.instance, box.stores, box.tracking)
    return watched(box)


def watched(box: Sandbox) -> list[str]:
    """What the sensor that watches the registry finds wrong."""
    resources = {"stores": box.stores, "tracking": box.tracking}
    with dg.build_sensor_context(
        box.instance, None, definitions=box.project.definitions, resources=resources
    ) as context:
        found = registry_sensor()(context)
    return [event.description for event in found.asset_events if not event.passed]


def assert_all_agree(box: Sandbox) -> None:
    """Dagster's runs, MLflow's runs and versions, the alias, and our record."""
    versions, reign = box.stores.releases.versions("returned"), box.stores.reigns.current("returned")
    shown = box.tracking.shown("returned")
    assert set(shown.digests) == {one.mlflow_version for one in versions}
    assert {one.mlflow_version: one.mlflow_digest for one in versions} == dict(shown.digests)
    reigns = [one for one in versions if reign is not None and one.version == reign.version]
    assert shown.champion == (reigns[0].mlflow_version if reigns else None)
    assert (reign is not None) == bool(versions)
    released = [one for one in box.stores.releases.history("returned") if one["version"] is not None]
    assert {one["version"] for one in released} == {one.version for one in versions}
    assert not box.stores.releases.not_mirrored()
    assert not box.stores.reigns.not_shown()
    ended = {run.run_id: run.status for run in box.instance.get_runs()}
    assert set(ended.values()) <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    for run, status in Deployed(REAL, box.home).mlflow_runs().items():
        assert (status == "FINISHED") == (ended[run] == dg.DagsterRunStatus.SUCCESS)


def assert_a_rerun_completes(box: Sandbox) -> None:
    box.run(*STORY, first=AS_OF)
    assert tick(box) == []
    assert_all_agree(box)
    (version,) = box.stores.releases.versions("returned")
    assert (version.version, version.as_of) == (1, AS_OF)
    assert len(box.stores.reigns.history("returned")) == 1
    assert box.latest(RELEASE).metadata["version"].value == 1
    assert box.rows("returned/release")[0]["version"] == 1


def at(boundaries) -> Callable:
    return pytest.mark.parametrize("killed", boundaries.values(), ids=boundaries, indirect=True)


@at(TRAINING)
def test_what_died_before_the_verdict_released_nothing_and_a_rerun_does(killed):
    assert tick(killed) == []
    assert killed.stores.releases.versions("returned") == []
    assert_all_agree(killed)
    assert_a_rerun_completes(killed)


@at(RELEASING)
def test_what_died_after_the_verdict_is_released_and_shown_by_the_next_tick(killed):
    assert watched(killed) == [], "what is only not shown yet is no difference"
    assert tick(killed) == []
    assert [one.version for one in killed.stores.releases.versions("returned")] == [1]
    assert killed.tracking.shown("returned").champion == "1"
    assert_all_agree(killed)
    assert_a_rerun_completes(killed)
