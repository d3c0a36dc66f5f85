"""The code location loads without the heavy libraries, which are for runs."""

import json
import subprocess
import sys

import pytest

from mlops_assets_tests.sandbox import REAL

HEAVY = [
    "mlflow",
    "dagster_mlflow",
    "feast",
    "great_expectations",
    "sklearn",
    "scipy.stats",
    "matplotlib",
    "pandas",
    "pyarrow.compute",
]
LOAD = """
import json, sys
from mlops_assets.definitions import defs
loaded = defs()
loaded.resolve_asset_graph()
loaded.resolve_all_job_defs()
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def modules() -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=REAL, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_definitions_were_really_loaded(modules):
    assert {"dagster", "mlops_assets.graph.assemble", "mlops_assets.resources.tracking"} <= modules


@pytest.mark.parametrize("library", HEAVY)
def test_loading_the_code_location_imports_no(modules, library):
    assert library not in modules
