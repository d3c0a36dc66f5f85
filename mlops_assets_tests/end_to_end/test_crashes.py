"""kill -9 in the middle of a write or of a training: what was good stays good, and a rerun completes."""

import time
from datetime import date, timedelta

import pytest

from mlops_assets_tests.end_to_end.deployment import as_read
from mlops_assets_tests.end_to_end.story import DAILY, NEXT_AS_OF, RAW, STORY, materialize

pytestmark = pytest.mark.slow

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 28)
DAYS = [(FIRST + timedelta(days=n)).isoformat() for n in range((LAST - FIRST).days + 1)]
WRITE = materialize([RAW], "--partition-range", f"{FIRST}...{LAST}")
TRAIN = ["mlops", "run", "returned", "--as-of", NEXT_AS_OF]


def restate(home):
    """Every landed day changes, and becomes large enough for its writing to take a while."""
    for day in DAYS:
        path = home / "landing" / "orders" / f"{day}.csv"
        header, *rows = path.read_text().splitlines()
        many = [row.replace(",", f"{copy:04d},", 1) for copy in range(250) for row in rows]
        path.write_text("\n".join([header, *many]) + "\n")


def kill_when(started, happened):
    """Kill as soon as it has happened, looking every millisecond."""
    while not happened():
        assert started.runs, f"it ended before it could be killed:\n{started.printed[-3000:]}"
        time.sleep(0.001)
    started.kill()


def data_files(home):
    return {path.name for path in (home / "lake" / RAW).glob("partition=*/*")}


def commits(home):
    return {path.name for path in (home / "lake" / RAW / "_delta_log").glob("*.json")}


def run(deployed, command):
    code, printed = deployed.run(*command)
    assert code == 0, printed


def test_a_partition_whose_rewriting_was_killed_reads_as_before_and_a_rerun_replaces_it(
    released, deployed, tmp_path
):
    undisturbed = released.copied_to(tmp_path / "undisturbed")
    restate(undisturbed.home)
    run(undisturbed, WRITE)

    before, restated = as_read(deployed.stores, RAW), as_read(undisturbed.stores, RAW)
    assert all(before[day] != restated[day] for day in DAYS)
    files, log = data_files(deployed.home), commits(deployed.home)
    restate(deployed.home)
    kill_when(deployed.start(*WRITE), lambda: data_files(deployed.home) - files)

    assert commits(deployed.home) == log, "it was killed too late to show anything"
    assert as_read(deployed.stores, RAW) == before
    run(deployed, WRITE)
    assert as_read(deployed.stores, RAW) == restated


@pytest.fixture(scope="module")
def undisturbed(released, tmp_path_factory):
    """A home in which the second as-of date was reached without an accident."""
    home = released.copied_to(tmp_path_factory.mktemp("undisturbed") / "home")
    run(home, TRAIN)
    return home


def mlflow_run_is_open(deployed):
    return lambda: "RUNNING" in deployed.mlflow_runs().values()


def artifact_is_there(deployed):
    folder = deployed.home / "artifacts"
    known = set(folder.iterdir())
    return lambda: set(folder.iterdir()) - known


@pytest.mark.parametrize("moment", [mlflow_run_is_open, artifact_is_there])
def test_a_killed_training_leaves_the_champion_and_a_rerun_completes(deployed, undisturbed, moment):
    champion = deployed.stores.releases.champion("returned")
    known = deployed.mlflow_runs()
    data = {table: as_read(deployed.stores, table) for table in DAILY}

    kill_when(deployed.start(*TRAIN), moment(deployed))

    assert deployed.stores.releases.champion("returned") == champion
    assert deployed.stores.artifacts.load(champion.artifact_digest)
    assert {table: as_read(deployed.stores, table) for table in DAILY} == data
    (killed,) = deployed.mlflow_runs().keys() - known.keys()
    assert deployed.mlflow_runs()[killed] == "RUNNING"

    run(deployed, TRAIN)
    statuses = deployed.mlflow_runs()
    assert statuses.pop(killed) == "FAILED"
    assert set(statuses.values()) == {"FINISHED"}
    for table in (*DAILY, *STORY):
        assert fingerprints(deployed, table) == fingerprints(undisturbed, table)
    assert digests(deployed) == digests(undisturbed)


def fingerprints(deployed, table):
    return {content.partition: content.fingerprint for content in deployed.stores.records.contents(table)}


def digests(deployed):
    return [
        (version.as_of, version.model_digest) for version in deployed.stores.releases.versions("returned")
    ]
