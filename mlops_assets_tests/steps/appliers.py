"""A process that applies a change request when it is told to, and says what came of it.

Usage: appliers.py HOME URL NUMBER
"""

import sys
from pathlib import Path

from mlops_assets.errors import MlopsError
from mlops_assets.steps.changes import apply
from mlops_assets_tests.graph.test_settling import MemoryTracking
from mlops_assets_tests.stores.ledger_world import opened

if __name__ == "__main__":
    home, url, number = sys.argv[1:]
    stores = opened(Path(home), url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        apply(stores, MemoryTracking(), int(number), by="otto", run_id="")
        sys.stdout.write("applied\n")
    except MlopsError as error:
        sys.stdout.write(f"{type(error).__name__}\n")
