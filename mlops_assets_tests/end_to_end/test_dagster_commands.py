"""Dagster's own commands, as the README names them, where nobody has set DAGSTER_HOME."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.sandbox import REAL

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
MODULE = ("-m", "mlops_assets.definitions")
LISTINGS = [
    (("dagster", "definitions", "validate"), "All code locations passed validation"),
    (("dagster", "asset", "list", *MODULE), "flight_delay/release"),
    (("dg", "list", "defs"), "flight_delay"),
    (("dg", "check", "yaml"), "All component YAML validated successfully"),
    (("dg", "check", "defs"), "All definitions loaded successfully"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def execute(home, command):
    told = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "DAGSTER_"))}
    return subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=REAL,
        env={**told, "MLOPS_HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.parametrize(("command", "said"), LISTINGS, ids=lambda value: " ".join(value[:3]))
def test_listing_and_checking(home, command, said):
    done = execute(home, command)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert said in printed


def test_each_asset_of_a_judgement_may_be_materialized_alone(home):
    rows = {}
    for asset in ("raw/planes", "validated/planes", "quarantine/planes"):
        done = execute(home, ("dagster", "asset", "materialize", *MODULE, "--select", asset))
        assert done.returncode == 0, done.stderr
        (content,) = Stores.open(Places.below(home)).records.contents(asset)
        rows[asset] = content.rows
    assert rows["raw/planes"] == rows["validated/planes"] + rows["quarantine/planes"] > 3000


def test_an_asset_with_all_that_it_is_made_from(home):
    done = execute(
        home, ("dagster", "asset", "materialize", *MODULE, "--select", "*features/aircraft_register")
    )
    assert done.returncode == 0, done.stderr
