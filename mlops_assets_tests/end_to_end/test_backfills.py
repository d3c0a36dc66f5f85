"""A range of days that is killed goes on where it was, and ranges that overlap do not disturb each other."""

import io
import os
import signal
import subprocess
import sys
from datetime import date

import pytest
from rich.console import Console

from mlops_assets.cli.commands import bring_data_up_to
from mlops_assets.cli.deployment import Deployment
from mlops_assets.graph import keys
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets_tests.sandbox import REAL, SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

FIRST, LAST, AS_OF = "2024-03-01", "2024-03-28", date(2024, 3, 29)
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
DAILY = [*ORDERS, keys.features("customer_orders")]
TABLES = [keys.table_name(key) for key in DAILY]

RANGE = """
import os, signal, sys
from pathlib import Path
from mlops_assets.stores.lake import Lake
from mlops_assets_tests.sandbox import load_project, sandbox
from mlops_assets_tests.end_to_end.test_backfills import DAILY

package, home, first, last, table, moment = sys.argv[1:]
commit = Lake._commit
def killed(self, written, *arguments):
    if (written, moment) == (table, "before"):
        os.kill(os.getpid(), signal.SIGKILL)
    version = commit(self, written, *arguments)
    if (written, moment) == (table, "after"):
        os.kill(os.getpid(), signal.SIGKILL)
    return version
Lake._commit = killed
with sandbox(load_project(Path(package)), Path(home)) as box:
    assert box.run(*DAILY, first=first, last=last).success
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"), like=SHOP)


@pytest.fixture(scope="module")
def project(package):
    return load_project(package)


def landed(home):
    land_orders(home, date.fromisoformat(FIRST), 28)
    return home


@pytest.fixture(scope="module")
def undisturbed(project, tmp_path_factory):
    """What each table holds after one range that nothing disturbed."""
    with sandbox(project, landed(tmp_path_factory.mktemp("undisturbed"))) as box:
        assert box.run(*DAILY, first=FIRST, last=LAST).success
        return {table: held(box, table) for table in TABLES}


def held(box, table):
    return {one.partition: one.fingerprint for one in box.stores.records.contents(table)}


def versions(box, table):
    return {one.partition: one.version for one in box.stores.records.contents(table)}


def started(package, home, first, last, table="", moment=""):
    arguments = [str(package), str(home), first, last, table, moment]
    return subprocess.Popen(
        [sys.executable, "-c", RANGE, *arguments],
        cwd=REAL,
        env=os.environ | {"PYTHONPATH": f"{REAL}:{package.parent}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("table", "moment", "kept"),
    [
        ("validated/orders", "before", ["raw/orders"]),
        ("features/customer_orders", "before", ["raw/orders", "validated/orders", "quarantine/orders"]),
        ("features/customer_orders", "after", TABLES),
    ],
)
def test_a_killed_range_goes_on_with_what_is_missing_and_with_nothing_else(
    package, project, undisturbed, tmp_path, monkeypatch, table, moment, kept
):
    home = landed(tmp_path / "home")
    killed = started(package, home, FIRST, LAST, table, moment)
    _, said = killed.communicate(timeout=600)
    assert killed.returncode == -signal.SIGKILL, said[-2000:]
    monkeypatch.setenv(HOME, str(home))
    monkeypatch.setenv(MLFLOW, f"sqlite:///{home / 'mlflow.db'}")
    with sandbox(project, home) as box:
        assert box.run(*CUSTOMERS, keys.features("customer_profile")).success
        before = {one: versions(box, one) for one in kept if one != table}
        assert all(len(days) == 28 for days in before.values())
        opened = Deployment(box.project, box.instance, box.stores, box.tracking)
        quiet = Console(file=io.StringIO())
        bring_data_up_to(opened, project.model("returned"), [AS_OF], again=False, console=quiet)
        assert {one: held(box, one) for one in TABLES} == undisturbed
        assert {one: versions(box, one) for one in before} == before
        # Nobody sees a row twice.
        assert len(box.rows("raw/orders")) == 28 * 40


def test_ranges_that_overlap_run_at_once_and_end_as_one_range_does(package, project, undisturbed, tmp_path):
    home = landed(tmp_path / "home")
    with sandbox(project, home):
        # Two processes that make one new SQLite database of Dagster's stumble over each other.
        pass
    ranges = [(FIRST, "2024-03-20"), ("2024-03-10", LAST)]
    both = [started(package, home, *days) for days in ranges]
    for one in both:
        _, said = one.communicate(timeout=600)
        assert one.returncode == 0, said[-2000:]
    with sandbox(project, home) as box:
        raw = {table: held(box, table) for table in TABLES[:3]}
        assert raw == {table: undisturbed[table] for table in TABLES[:3]}
        made = box.instance.get_materialized_partitions(DAILY[-1])
        assert len(made) == 28
        # A day whose history the other range had not written yet is outdated, and is made again by that.
        outdated = box.stores.records.outdated(TABLES[-1])
        days = sorted(outdated)
        if days:
            assert box.run(DAILY[-1], first=days[0], last=days[-1]).success
        assert held(box, TABLES[-1]) == undisturbed[TABLES[-1]]
