"""A day that is written again with other rows is told of every release that was trained on it, and of no other."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import date

import dagster as dg
import pandas as pd
import pytest
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.restated import show_restated
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.graph.restatement import restatement_sensor
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.restatement import GONE, restated_below, rows_restated
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import REAL, SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

CHAMPION, LAST = "2024-03-29", "2024-03-30"
DAY, LABELLED, OUTSIDE = "2024-03-12", "2024-03-27", "2024-03-29"
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
RELEASE = keys.of_model("returned", "release")
WATCH = [keys.of_model("returned", report) for report in ("drift_report", "performance_report")]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"), like=SHOP)


@pytest.fixture(scope="module")
def made(package, tmp_path_factory):
    project = load_project(package)
    home = tmp_path_factory.mktemp("home")
    with sandbox(project, home) as box:
        land_orders(home, date(2024, 3, 1), 30)
        box.run(*CUSTOMERS, keys.features("customer_profile"))
        box.run(*ORDERS, keys.features("customer_orders"), first="2024-03-01", last=LAST)
        box.run(*[keys.of_model("returned", stage) for stage in STAGES], first=CHAMPION)
        box.run(*WATCH, first=LAST)
        assert box.stores.releases.champion("returned") is not None
        yield box


@pytest.fixture
def box(made, tmp_path):
    with sandbox(made.project, Deployed(REAL, made.home).copied_to(tmp_path / "home").home) as other:
        yield other


def path(box, day):
    return box.home / "landing" / "orders" / f"{day}.csv"


def rewrite(box, day, change):
    rows = change(pd.read_csv(path(box, day), dtype=str))
    path(box, day).write_text(rows.to_csv(index=False))
    assert box.run(*ORDERS, first=day).success


def dearer(rows):
    rows.loc[:2, "amount"] = "999.0"
    return rows


def below(box):
    release = box.stores.releases.champion("returned")
    return [(now.table, now.partition) for _, now in restated_below(box.stores, release)]


def told(box, name=None, **asked):
    console = Console(width=200, record=True)
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    return show_restated(opened, name, console=console, as_json=False, **asked), console.export_text()


def test_nothing_is_restated_where_nothing_was_written_again(made):
    assert below(made) == []
    found, said = told(made)
    assert not found
    assert "holds the rows that it held then" in said


def test_a_restated_day_is_told_of_the_release_that_was_trained_on_it(box):
    release = box.stores.releases.champion("returned")
    rewrite(box, DAY, dearer)
    assert below(box) == [("validated/orders", DAY)]
    ((before, now),) = restated_below(box.stores, release)
    assert before.version < now.version
    differ = rows_restated(box.stores, box.project.catalog, release, before, now)
    assert (differ.rows, differ.known) == (3, 3)
    found, said = told(box, "returned")
    assert found
    assert [one.split() for one in said.splitlines() if DAY in one] == [
        ["1,", "reigns", CHAMPION, "validated/orders", DAY, "40", "40", "3", "3"]
    ]


def test_a_day_that_was_not_learned_from_touches_nothing(box):
    rewrite(box, OUTSIDE, dearer)
    assert below(box) == []
    assert not told(box)[0]


def test_the_same_rows_written_again_are_no_restatement_nor_are_the_old_ones_put_back(box):
    original = path(box, DAY).read_text()
    assert box.run(*ORDERS, first=DAY).success
    # As another file of the same rows.
    rewrite(box, DAY, lambda rows: rows.iloc[::-1])
    assert below(box) == []
    rewrite(box, DAY, dearer)
    rewrite(box, DAY, lambda rows: rows.assign(channel="app"))
    assert below(box) == [("validated/orders", DAY)]
    path(box, DAY).write_text(original)
    assert box.run(*ORDERS, first=DAY).success
    assert below(box) == []


def test_labels_that_arrived_since_differ_and_were_not_known(box):
    """The last days were landed again with what came true after the release was made."""

    def arrived(rows):
        rows.loc[:4, ["returned", "settled_at"]] = ["true", "2024-04-02T10:00:00+02:00"]
        return rows

    unsettled = pd.read_csv(path(box, LABELLED), dtype=str)["settled_at"] >= "2024-03-29"
    rewrite(box, LABELLED, arrived)
    ((before, now),) = restated_below(box.stores, box.stores.releases.champion("returned"))
    release = box.stores.releases.champion("returned")
    differ = rows_restated(box.stores, box.project.catalog, release, before, now)
    assert differ.rows == 5
    assert differ.known == 5 - int(unsettled[:5].sum())


def test_a_table_without_days_goes_on_and_is_not_restated(box):
    customers = box.home / "landing" / "customers.csv"
    customers.write_text(customers.read_text() + "61,DE\n")
    assert box.run(*CUSTOMERS).success
    assert below(box) == []


def test_reports_whose_window_holds_the_day_are_outdated_and_made_again(box):
    tables = ["returned/drift_report", "returned/performance_report"]
    assert [box.stores.records.outdated(table) for table in tables] == [set(), set()]
    # Before the window of drift, inside that of performance.
    rewrite(box, DAY, dearer)
    assert [box.stores.records.outdated(table) for table in tables] == [set(), {LAST}]
    rewrite(box, LABELLED, dearer)
    assert [box.stores.records.outdated(table) for table in tables] == [{LAST}, {LAST}]
    assert box.run(*WATCH, first=LAST).success
    assert [box.stores.records.outdated(table) for table in tables] == [set(), set()]


def test_a_day_that_is_refused_now_is_told_without_a_count(box):
    rows = pd.read_csv(path(box, DAY), dtype=str).assign(amount="lost")
    path(box, DAY).write_text(rows.to_csv(index=False))
    assert not box.run(*ORDERS, first=DAY, raise_on_error=False).success
    found, said = told(box, "returned")
    assert found
    (line,) = [one.split() for one in said.splitlines() if DAY in one]
    assert line[-2:] == ["?", "?"]


def test_a_table_that_was_moved_away_and_made_anew_is_restated_where_its_rows_differ(box):
    shutil.move(box.home / "lake" / "validated" / "orders", box.home / "moved")
    path(box, DAY).write_text(dearer(pd.read_csv(path(box, DAY), dtype=str)).to_csv(index=False))
    assert box.run(*ORDERS, first="2024-03-01", last=LAST).success
    ((before, now),) = restated_below(box.stores, box.stores.releases.champion("returned"))
    assert (before.version, now.partition) == (GONE, DAY)
    assert told(box)[0]


KILLED = """
import os, signal, sys
from mlops_assets.stores.records import Records
adopt = Records.adopt
def killed(self, version, commit):
    if commit.table == "validated/orders":
        os.kill(os.getpid(), signal.SIGKILL)
    adopt(self, version, commit)
Records.adopt = killed
from pathlib import Path
from mlops_assets_tests.sandbox import load_project, sandbox
from mlops_assets_tests.end_to_end.test_restatement import ORDERS
with sandbox(load_project(Path(sys.argv[1])), Path(sys.argv[2])) as box:
    box.run(*ORDERS[1:], first=sys.argv[3])
"""


def test_a_write_that_was_killed_before_it_was_recorded_is_told_once_the_table_was_read(box, package):
    path(box, DAY).write_text(dearer(pd.read_csv(path(box, DAY), dtype=str)).to_csv(index=False))
    assert box.run(keys.raw("orders"), first=DAY).success
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(package), str(box.home), DAY],
        cwd=REAL,
        env=os.environ | {"PYTHONPATH": f"{REAL}:{package.parent}"},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert below(box) == []
    box.stores.lake.pin("validated/orders", [DAY])
    assert below(box) == [("validated/orders", DAY)]
    # And the run that is started again adds nothing to that.
    assert box.run(*ORDERS, first=DAY).success
    assert below(box) == [("validated/orders", DAY)]


def look(box, cursor):
    resources = {"stores": box.stores, "tracking": box.tracking}
    with dg.build_sensor_context(
        box.instance, cursor, definitions=box.project.definitions, resources=resources
    ) as context:
        return restatement_sensor()(context)


def test_the_sensor_warns_once_of_what_is_new_and_is_calm_when_the_rows_are_back(box):
    quiet = look(box, None)
    (calm,) = quiet.asset_events
    assert (calm.passed, calm.check_name, calm.asset_key) == (True, "restated", RELEASE)
    original = path(box, DAY).read_text()
    rewrite(box, DAY, dearer)
    loud = look(box, quiet.cursor)
    (warned,) = loud.asset_events
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (
        f"version 1 was trained on 1 day of validated/orders that holds other rows by now: {DAY}"
        in warned.description
    )
    assert look(box, loud.cursor).asset_events == []
    path(box, DAY).write_text(original)
    assert box.run(*ORDERS, first=DAY).success
    (back,) = look(box, loud.cursor).asset_events
    assert back.passed


def test_the_check_can_be_asked_and_json_says_the_same(box, monkeypatch):
    rewrite(box, DAY, dearer)
    monkeypatch.setenv(HOME, str(box.home))
    monkeypatch.setenv(MLFLOW, f"sqlite:///{box.home / 'mlflow.db'}")
    console = Console(width=200, record=True)
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    assert show_restated(opened, None, as_json=True, console=console)
    (one,) = json.loads(console.export_text())
    assert (one["version"], one["reigns"], one["day"], one["differ"]) == (1, True, DAY, 3)
    checks = box.project.definitions.resolve_asset_graph().get_check_keys_for_assets({RELEASE})
    assert dg.AssetCheckKey(RELEASE, "restated") in checks
