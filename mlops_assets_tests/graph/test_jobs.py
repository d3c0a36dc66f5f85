"""The jobs that a model brings along."""

import pytest
import yaml

from mlops_assets.graph import keys
from mlops_assets.graph.jobs import WATCHES
from mlops_assets.graph.plan import STAGES
from mlops_assets_tests.sandbox import REAL, SHOP, load_project, make_project

ELSEWHERE = """
type: mlops_assets.components.GovernedSource
attributes:
  name: branches
  owner: team:shop
  timezone: Europe/Berlin
  start: 2024-01-01
  tables:
    - name: visits
      reads: {landing: "visits/{day}.csv"}
      select: SELECT *, moment AS event_time, moment AS available_at FROM source
      key: [customer_id]
      columns: {customer_id: {type: integer}}
"""
VIEW = """
name: customer_visits
owner: team:shop
entities: [customer]
reads: {visits: 7d}
sql: SELECT customer_id, event_time, available_at, 1 AS visits FROM visits
ttl: 7d
features: {visits: {type: integer}}
"""


STEPS = {"returned_train", "returned_evaluate", "returned_register"}


def jobs(project) -> set[str]:
    return {job.name for job in project.definitions.resolve_all_job_defs() if not job.name.startswith("__")}


def test_a_model_has_a_job_for_each_thing_that_is_done_with_it(tmp_path):
    assert jobs(load_project(make_project(tmp_path, like=SHOP))) == {
        *STEPS,
        "returned_backtest",
        "returned_data",
        "returned_online",
        "returned_release",
        "returned_watch",
    }


def test_the_job_that_brings_features_online_compares_them(tmp_path):
    job = load_project(make_project(tmp_path, like=SHOP)).definitions.resolve_job_def("returned_online")
    views = [keys.online(view) for view in ("customer_orders", "customer_profile")]
    assert job.asset_layer.selected_asset_keys == {*views, keys.of_model("returned", "parity")}


def test_the_job_that_watches_makes_every_report(tmp_path):
    job = load_project(make_project(tmp_path, like=SHOP)).definitions.resolve_job_def("returned_watch")
    reports = {keys.of_model("returned", report) for report in WATCHES}
    assert job.asset_layer.selected_asset_keys == reports


def test_the_stages_of_a_model_share_a_pool_that_one_run_at_a_time_holds(tmp_path):
    project = load_project(make_project(tmp_path, like=SHOP))
    for stage in (*STAGES, *WATCHES):
        assert project.definitions.resolve_assets_def(keys.of_model("returned", stage)).node_def.pools == {
            "returned"
        }
    pools = yaml.safe_load((REAL / "dagster.yaml").read_text())["concurrency"]["pools"]
    assert pools == {"default_limit": 1, "granularity": "run"}


@pytest.mark.parametrize("service", ['["customer_orders", "customer_visits"]'])
def test_data_of_two_calendars_has_no_single_job(tmp_path, service):
    more = {
        "PACKAGE/defs/sources/branches/defs.yaml": ELSEWHERE,
        "feature_repo/views/customer_visits.yaml": VIEW,
    }
    package = make_project(tmp_path, like=SHOP, more=more)
    services = package.parent / "feature_repo" / "services.yaml"
    services.write_text(f'- {{name: at_checkout, owner: "team:shop", features: {service}}}')
    assert jobs(load_project(package)) == {
        *STEPS,
        "returned_backtest",
        "returned_online",
        "returned_release",
        "returned_watch",
    }
