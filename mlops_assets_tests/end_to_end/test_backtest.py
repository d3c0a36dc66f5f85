"""Policies replayed on the made-up shop: the same trainings for all, and the evidence that a release would have."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from rich.console import Console

from mlops_assets.cli.backtest import show_backtest
from mlops_assets.cli.deployment import Deployment
from mlops_assets.errors import BadRequest, ImpossibleDate, NotMaterialized
from mlops_assets.graph import keys
from mlops_assets.graph.backtest import ASKED_BY
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.evaluation import recorded_evidence
from mlops_assets.steps.past import Past
from mlops_assets_tests.sandbox import REAL, SHOP, Sandbox, land_orders, load_project, make_project, sandbox

FIRST, LAST = date(2024, 3, 29), date(2024, 4, 12)


@dataclass(frozen=True)
class Box(Sandbox):
    """package: the folder of the project's package."""

    package: Path


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    more = {
        "PACKAGE/defs/returned/defs.yaml": (SHOP / "defs" / "returned" / "defs.yaml").read_text()
        + "  drift: {window_days: 7}\n  retraining: {age_days: 14, cool_down_days: 0}\n",
        "PACKAGE/definitions.py": (REAL / "mlops_assets" / "definitions.py").read_text(),
    }
    package = make_project(tmp_path_factory.mktemp("project"), like=SHOP, more=more)
    project = load_project(package)
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, sandbox(project, home) as box:
        patch.setenv(HOME, str(home))
        patch.setenv(MLFLOW, f"sqlite:///{home / 'mlflow.db'}")
        land_orders(home, date(2024, 3, 1), 50)
        yield Box(**vars(box), package=package)


def backtest(box, *policies, every=7, first=FIRST, last=LAST):
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    console = Console(width=200, record=True)
    found = show_backtest(opened, "returned", first, last, every_days=every, asked=policies, console=console)
    return {one.policy: one for one in found.replays}, console.export_text()


def test_every_policy_is_replayed_on_the_same_days_with_the_same_trainings(box):
    found, told = backtest(box)
    assert list(found) == ["never", "always", "schedule", "article", "declared"]
    assert (found["never"].trainings, found["always"].trainings) == (1, 3)
    assert found["declared"].trainings == 2
    (on_last,) = [step for step in found["declared"].steps if step.as_of == LAST.isoformat()]
    assert "14 days old" in on_last.reason
    days = {tuple(sorted(one.daily)) for one in found.values()}
    assert len(days) == 1
    assert len(next(iter(days))) == 21
    # What a training costs is recorded with it, whoever asked first.
    assert found["always"].cpu_seconds > found["never"].cpu_seconds > 0
    assert "best in hindsight" in told
    page = next((box.home / "reports" / "returned" / "backtest").rglob("backtest.html")).read_text()
    assert "14 days old" in page
    assert box.stores.releases.versions("returned") == []


def test_a_second_backtest_trains_nothing_and_says_the_same(box):
    first, _ = backtest(box, "always", "declared")
    before = box.stores.records.contents("returned/model")
    second, _ = backtest(box, "always", "declared")
    assert second == first
    assert box.stores.records.contents("returned/model") == before


def replay_in_dagster(box, *policies, first=FIRST, last=LAST):
    config = {"first": first.isoformat(), "last": last.isoformat(), "policies": list(policies)}
    # A run that Dagster launches knows its code location; one of execute_in_process does not.
    location = ReconstructableRepository.for_module(f"{box.package.name}.definitions", "defs")
    job = location.get_reconstructable_job("returned_backtest")
    return dg.execute_job(
        job,
        box.instance,
        run_config={"ops": {"returned_replay": {"config": config}}},
        raise_on_error=True,
    )


def test_a_dagster_job_replays_the_same_and_shows_it(box):
    told, _ = backtest(box, "never", "always")
    result = replay_in_dagster(box, "never", "always")
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert f"{told['always'].loss:.4f}" in metadata["policies"].value
    assert "data:image/png;base64" in metadata["loss"].value
    assert Path(metadata["report"].value).is_file()


def test_a_dagster_job_trains_what_is_missing_in_runs_of_its_own_that_name_it(box):
    first = FIRST + timedelta(days=3)
    before = {one.partition for one in box.stores.records.contents("returned/model")}
    result = replay_in_dagster(box, "never", first=first)
    after = {one.partition for one in box.stores.records.contents("returned/model")}
    assert after - before == {first.isoformat()}
    (trained,) = box.instance.get_runs(dg.RunsFilter(tags={ASKED_BY: result.run_id}))
    assert trained.status is dg.DagsterRunStatus.SUCCESS
    assert box.stores.releases.versions("returned") == []


def test_a_dagster_job_without_its_data_says_which_is_missing(box):
    with pytest.raises(NotMaterialized, match=r"found days missing or out of date in .*validated/orders"):
        replay_in_dagster(box, "never", first=FIRST + timedelta(days=1), last=date(2024, 4, 16))


def test_the_evidence_is_that_of_the_report(box):
    backtest(box, "never", "always")
    stage = [keys.of_model("returned", one) for one in ("evaluation_report",)]
    box.run(*stage, first=FIRST.isoformat())
    reported = recorded_evidence(
        box.stores, box.stores.lake.pin("returned/evaluation_report", [FIRST.isoformat()])
    )
    model = box.project.model("returned")
    past = Past(box.stores, box.project.catalog, model, [FIRST.isoformat()], LAST.isoformat(), lambda _: None)
    found = past.evidence(FIRST.isoformat(), None)
    assert replace(found, milliseconds={}) == replace(reported, milliseconds={})


def test_what_cannot_be_replayed_is_told(box):
    with pytest.raises(BadRequest, match=r"no policy 'alwys'\. Did you mean 'always'"):
        backtest(box, "alwys")
    with pytest.raises(BadRequest, match="no two dates 30 days apart"):
        backtest(box, every=30)
    with pytest.raises(ImpossibleDate):
        backtest(box, first=date(2024, 3, 1))
