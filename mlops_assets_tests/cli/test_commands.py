"""The ``mlops`` command as a person meets it: in a process of its own, on the real data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.stores.stores import Places, Stores

REPOSITORY = Path(__file__).parents[2]
MLOPS = Path(sys.executable).parent / "mlops"


def mlops(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    started = start(home, *arguments, **environment)
    stdout, stderr = started.communicate(timeout=600)
    return subprocess.CompletedProcess(started.args, started.returncode, stdout, stderr)


def start(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "DAGSTER_", "MLFLOW_"))}
    told = {"MLOPS_HOME": str(home), "COLUMNS": "120", "NO_COLOR": "1"}
    return subprocess.Popen(
        [MLOPS, *arguments],
        cwd=REPOSITORY,
        env=inherited | told | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fingerprints(home: Path) -> dict[str, list[str]]:
    stores = Stores.open(Places.below(home))
    tables = [path.relative_to(home / "lake").as_posix() for path in (home / "lake").glob("*/*")]
    return {table: [c.fingerprint for c in stores.records.contents(table)] for table in sorted(tables)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo")
    return home, mlops(home, "demo")


@pytest.mark.slow
def test_the_demo_ends_with_a_released_champion_and_a_challenger_judged(demo):
    home, done = demo
    assert done.returncode == 0, done.stderr
    assert re.search(r"2013-03-01\s+model.*promote → v1", done.stdout)
    assert re.search(r"2013-04-01\s+model", done.stdout)
    assert re.search(r"2013-04-01: (promote|hold|not enough data), because", done.stdout)
    assert "Champion: flight_delay version" in done.stdout
    assert "http://127.0.0.1:3000" in done.stdout
    champion = Stores.open(Places.below(home)).releases.champion("flight_delay")
    assert champion.mlflow_version == str(champion.version)


@pytest.mark.slow
def test_great_expectations_passes_a_real_day_and_the_suite_can_be_taken_away(demo, tmp_path):
    home, _ = demo
    done = mlops(
        home, "validate", "flights", "--partition", "2013-01-01", "--export", str(tmp_path / "suite.json")
    )
    assert done.returncode == 0, done.stderr
    assert "could not run" not in done.stdout
    suite = json.loads((tmp_path / "suite.json").read_text())
    assert {"expect_column_values_to_be_between", "expect_table_row_count_to_be_between"} <= {
        one["type"] for one in suite["expectations"]
    }


@pytest.mark.slow
def test_a_day_that_fails_an_expectation_is_told_by_the_exit_code(demo):
    home, _ = demo
    done = mlops(home, "validate", "weather", "--partition", "2013-02-12")
    assert done.returncode == 3, done.stderr
    assert "wind_speed: between 0.0 and 200.0" in done.stdout


@pytest.mark.slow
def test_a_partition_must_be_named_and_exist(demo):
    home, _ = demo
    for said, asked in (
        ("say which with --partition", ()),
        ("has no partition", ("--partition", "2013-12-01")),
    ):
        done = mlops(home, "validate", "flights", *asked)
        assert (done.returncode, said in done.stderr) == (1, True)


@pytest.mark.slow
def test_every_raw_row_of_the_demo_is_validated_or_set_aside(demo):
    home, _ = demo
    records = Stores.open(Places.below(home)).records
    for table in ("flights", "weather", "planes"):
        raw, good, bad = (
            sum(c.rows for c in records.contents(f"{stage}/{table}"))
            for stage in ("raw", "validated", "quarantine")
        )
        assert raw == good + bad > 0
    assert sum(c.rows for c in records.contents("raw/flights")) == 80789


@pytest.mark.slow
def test_a_second_demo_computes_the_same_and_makes_no_second_version(demo):
    home, _ = demo
    before, versions = fingerprints(home), Stores.open(Places.below(home)).releases.versions("flight_delay")
    again = mlops(home, "demo")
    assert again.returncode == 0, again.stderr
    assert "The data is up to date." in again.stdout
    for as_of in ("2013-03-01", "2013-04-01"):
        assert f"flight_delay as of {as_of} was judged already" in again.stdout
    assert fingerprints(home) == before
    assert Stores.open(Places.below(home)).releases.versions("flight_delay") == versions


@pytest.mark.slow
def test_status_shows_what_the_demo_did(demo):
    home, _ = demo
    shown = mlops(home, "status", "flight_delay")
    assert shown.returncode == 0
    assert "80,789" in shown.stdout
    assert "Champion: flight_delay version 1" in shown.stdout


def test_status_of_a_model_that_has_done_nothing_says_so(tmp_path):
    shown = mlops(tmp_path, "status", "flight_delay")
    assert shown.returncode == 0
    assert "flight_delay has no released version yet." in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "flight_dely", "--as-of", "2013-03-01"], "Did you mean 'flight_delay'?"),
        (["status", "flight_dely"], "Did you mean 'flight_delay'?"),
        (["status", "[/late]"], "asks for the model '[/late]'"),
        (["run", "flight_delay", "--as-of", "2013-02-28"], "from 2013-03-01 to 2014-01-01"),
        (["run", "flight_delay", "--as-of", "2014-01-02"], "from 2013-03-01 to 2014-01-01"),
        (["run", "flight_delay", "--as-of", "1 March"], "%Y-%m-%d"),
        (["run", "flight_delay"], "--as-of"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_traceback_and_leaves_nothing(tmp_path, arguments, said):
    done = mlops(tmp_path, *arguments)
    assert done.returncode in (1, 2)
    assert said in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lake").exists()


def test_commands_that_start_together_in_a_new_home_all_work(tmp_path):
    together = [start(tmp_path, "status", "flight_delay") for _ in range(4)]
    for started in together:
        _, complaint = started.communicate(timeout=120)
        assert started.returncode == 0, complaint
    assert mlops(tmp_path, "status", "flight_delay").returncode == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MLOPS_THREADS": "many"}, "MLOPS_THREADS is 'many'"),
        (
            {"MLOPS_DATABASE": "postgresql+psycopg2://who:secret@127.0.0.1:1/x"},
            "who:***@127.0.0.1:1/x cannot be",
        ),
        ({"MLOPS_DATABASE": "nonsense"}, "'nonsense' cannot be opened"),
        ({"MLOPS_DATABASE": "oracle://x"}, "oracle://x cannot be opened"),
        ({"MLOPS_HOME": "/proc/nowhere"}, "the home /proc/nowhere cannot be used"),
        ({"MLOPS_HOME": "TMP/with%20code"}, "expected a path without ? # [ ] or a code such as %20"),
        ({"MLOPS_HOME": "TMP/what?"}, "expected a path without"),
        ({"MLOPS_MEMORY_LIMIT": "lots"}, "MLOPS_MEMORY_LIMIT is 'lots', expected a size such as 4GB"),
        ({"DAGSTER_HOME": "/nowhere/at/all"}, "DAGSTER_HOME is '/nowhere/at/all'"),
    ],
)
def test_an_environment_that_cannot_be_meant_is_told_without_a_traceback(tmp_path, environment, said):
    placed = {name: value.replace("TMP", str(tmp_path)) for name, value in environment.items()}
    done = mlops(tmp_path, "status", "flight_delay", **placed)
    assert done.returncode == 1
    assert said in re.sub(r"\s+", " ", done.stderr)
    assert "BadEnvironment" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["--baseline", "flight_delay", "--batch", "2013-03-29"],
            0,
            "2013-03-29 beside flight_delay: stable",
        ),
        (["--baseline", "flight_delay:1", "--batch", "2013-03-29", "--json"], 0, '"policy": "calibrated"'),
        (
            [
                *("--baseline", "validated/flights@2013-01-01..2013-01-31"),
                *("--batch", "validated/flights@2013-02-01..2013-02-28", "--policy", "article"),
            ],
            3,
            "drift (error)",
        ),
    ],
)
def test_skew_says_by_its_exit_code_whether_the_world_has_moved(demo, tmp_path, arguments, code, said):
    home, _ = demo
    page = tmp_path / "skew.html"
    done = mlops(home, "skew", *arguments, "--html", str(page))
    assert done.returncode == code, done.stderr
    assert said in re.sub(r"\s+", " ", done.stdout)
    assert page.read_text().startswith("<!doctype html>")
    assert "distribution" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--baseline", "flight_delay", "--batch", "2013-04-31"], "expected one such as 2013-04-01"),
        (["--baseline", "flight_delay:9", "--batch", "2013-03-29"], "version of flight_delay '9'"),
        (
            ["--baseline", "flight_delay", "--batch", "2013-03-29", "--policy", "article"],
            "flight_delay declares its policy itself",
        ),
        (["--baseline", "flight_dely", "--batch", "2013-03-29"], "Did you mean 'flight_delay'?"),
        (["--baseline", "flights@2013-01-01", "--batch", "flights@2013-01-02"], "validated/flights"),
        (
            ["--baseline", "validated/flights", "--batch", "validated/flights", "--policy", "no"],
            "there is no drift policy 'no'",
        ),
        (
            ["--baseline", "flight_delay", "--batch", "2013-03-29", "--html", "/dev/null/x.html"],
            "/dev/null/x.html cannot be written",
        ),
    ],
)
def test_skew_that_cannot_be_told_says_why(demo, arguments, said):
    home, _ = demo
    done = mlops(home, "skew", *arguments)
    assert done.returncode == 1
    assert said in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.stderr
