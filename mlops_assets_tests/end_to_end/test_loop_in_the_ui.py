"""A drifted day lands, and nobody touches anything: reason, training, verdict and release appear by themselves.

Against a real daemon and webserver, which are killed on the way.
"""

import re
import shutil
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from mlops_assets_tests.end_to_end.deployment import Deployed, clone_of_the_repository, dagster_dev, until
from mlops_assets_tests.end_to_end.test_ui import SIGHT_MS, Visitor, chromium
from mlops_assets_tests.sandbox import SHOP, land_orders

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(2400)]

FIRST, AS_OF = date(2024, 3, 1), date(2024, 3, 25)
DRIFTED = 8
# Runs that are at it at once, as dagster.yaml has it, and may be killed.
AT_ONCE = 2
SENSORS = ("land_shop", "keep_data_up_to_date", "returned_watching", "returned_retraining")
START = """mutation ($at: SensorSelector!) { startSensor(sensorSelector: $at) { __typename } }"""
REPOSITORY = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
SKIPS = """query ($at: SensorSelector!) { sensorOrError(sensorSelector: $at) { ... on Sensor {
    sensorState { ticks(limit: 50) { status skipReason error { message } } } } } }"""

# Short windows, so that a week of another world is enough to learn it and to be judged on it.
WINDOW = "window: {train_days: 20, evaluate_days: 8}"
QUICK = """window: {train_days: 8, evaluate_days: 4}
  drift: {policy: article, window_days: 1}
  retraining: {drift: warn, decay: null, cool_down_days: 7, a_month: 4}"""
GATES = "gates: {floors: {roc_auc: 0.6}, at_least_rows: 100}"
QUICK_GATES = "gates: {champion: {at_least_days: 3}, at_least_rows: 100}"


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The shop with short windows, and a champion that learned a quiet world."""
    content = tmp_path_factory.mktemp("quick") / "shop"
    shutil.copytree(SHOP, content)
    declared = content / "defs" / "returned" / "defs.yaml"
    text = declared.read_text()
    assert WINDOW in text
    assert GATES in text
    declared.write_text(text.replace(WINDOW, QUICK).replace(GATES, QUICK_GATES))
    clone = clone_of_the_repository(tmp_path_factory.mktemp("clone"), content=content)
    deployed = Deployed(clone, tmp_path_factory.mktemp("quick_home") / "home")
    land_orders(deployed.home, FIRST, (AS_OF - FIRST).days)
    code, printed = deployed.run("mlops", "run", "returned", "--as-of", AS_OF.isoformat())
    assert code == 0, printed
    return deployed


def land_another_world(deployed, days):
    """Days on which who pays much keeps it and who pays little sends it back, by telephone only."""
    land_orders(deployed.home, AS_OF, days, seed=1)
    for offset in range(days):
        path = deployed.home / "landing" / "orders" / f"{AS_OF + timedelta(days=offset)}.csv"
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *(turned(line) for line in lines)]) + "\n")


def turned(line):
    order, customer, amount, _, _, *rest = line.split(",")
    return ",".join(
        [order, customer, str(float(amount) * 4), "phone", str(float(amount) < 70).lower(), *rest]
    )


@contextmanager
def watched(deployed):
    with dagster_dev(deployed) as server:
        (node,) = server.ask(REPOSITORY)["repositoriesOrError"]["nodes"]
        place = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}
        for sensor in SENSORS:
            server.ask(START, at={**place, "sensorName": sensor})
        yield server, place


def decisions(deployed):
    return deployed.stores.retrainings.history("returned")


def answered(deployed):
    return {one.as_of for one in decisions(deployed)}


def looked(deployed):
    reports = ("returned/drift_report", "returned/performance_report")
    made = [{one.partition for one in deployed.stores.records.contents(table)} for table in reports]
    return set.intersection(*made)


def verdicts(deployed):
    return {one["as_of"]: one["verdict"] for one in deployed.stores.releases.history("returned")}


def runs_of_the_loop(deployed):
    with deployed.instance() as instance:
        return [run for run in instance.get_runs() if "retrain/reason" in run.tags]


def test_a_drifted_week_becomes_a_release_by_itself(quick):
    as_ofs = [(AS_OF + timedelta(days=n + 1)).isoformat() for n in range(DRIFTED)]
    land_another_world(quick, DRIFTED)
    with watched(quick):
        until(lambda: decisions(quick), seconds=600, what="a first answer")
    # Both were killed, at whatever they were; what comes now must begin nothing twice and miss nothing.
    with watched(quick) as (server, place), chromium() as browser:
        until(
            lambda: "promote" in [verdicts(quick).get(as_of) for as_of in as_ofs],
            seconds=700,
            what="a release that the loop made",
            every=2,
        )
        until(lambda: {as_ofs[-1]} < looked(quick) == answered(quick), seconds=600, what="each look's answer")
        until(
            lambda: all(run.is_finished for run in runs_of_the_loop(quick)), seconds=600, what="rest", every=1
        )
        errors = [
            tick["error"]["message"]
            for sensor in SENSORS
            for tick in server.ask(SKIPS, at={**place, "sensorName": sensor})["sensorOrError"]["sensorState"][
                "ticks"
            ]
            if tick["error"]
        ]
        assert errors == []
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        shows_the_loop(Visitor(page, server))

    (trains,) = [one.as_of for one in decisions(quick) if one.trains]
    assert trains >= as_ofs[6], "a week after the last training"
    assert len(decisions(quick)) == len(answered(quick)), "each look was answered once"
    # A look whose run was killed is made again, unless a later date was judged by then.
    assert {one for one in as_ofs if one > trains} <= answered(quick)
    assert len(set(as_ofs) - answered(quick)) <= AT_ONCE
    by_date = [run.tags["dagster/partition"] for run in runs_of_the_loop(quick)]
    assert by_date == [trains], "the decision was acted upon once"
    assert all("drift" in run.tags["retrain/reason"] for run in runs_of_the_loop(quick))
    assert quick.stores.releases.champion("returned").as_of == trains


def shows_the_loop(visitor):
    visitor.opens("/assets/returned/retraining_log")
    visitor.sees("timeline")
    shown = visitor.page.get_by_text("[Show Markdown]")
    shown.first.click()
    visitor.page.get_by_alt_text("timeline").wait_for(timeout=SIGHT_MS)
    visitor.keeps_a_picture("20_retraining_timeline")
    visitor.page.keyboard.press("Escape")
    shown.nth(1).click()
    visitor.sees(re.compile("drift .warn. in the newest look"))
    visitor.keeps_a_picture("20_retraining_log")
    visitor.page.keyboard.press("Escape")
    visitor.opens("/automation")
    visitor.sees("returned_retraining")
    visitor.keeps_a_picture("21_sensors")
    visitor.opens("/runs")
    visitor.sees("returned_release")
    visitor.keeps_a_picture("22_runs_of_the_loop")
    visitor.opens("/assets/returned/performance_report")
    visitor.sees("daily_loss_and_arrival")
    visitor.keeps_a_picture("23_performance_report")
