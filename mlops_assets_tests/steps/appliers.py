"""Processes that apply one change request at once; prints what came of each.

Usage: appliers.py HOME URL NUMBER COUNT
"""

import os
import sys
import time
from pathlib import Path

from mlops_assets.errors import MlopsError
from mlops_assets.steps.changes import apply
from mlops_assets_tests.stores.ledger_world import opened


class Mirror:
    """Tracking that shows a release to nobody."""

    def mirror(self, release, *, champion):
        return "1", "files"


def attempt(home, url, number, start):
    """Apply it at a moment of the clock that all were told."""
    stores = opened(home, url)
    time.sleep(max(0.0, start - time.time()))
    try:
        apply(stores, Mirror(), number, by="otto", run_id="")
    except MlopsError as error:
        return type(error).__name__
    return "applied"


if __name__ == "__main__":
    home, url, number, count = sys.argv[1:]
    start = time.time() + 3
    children = []
    # Forked before anything is opened, so that they share nothing but the code.
    for _ in range(int(count)):
        child = os.fork()
        if child == 0:
            os.write(1, f"{attempt(Path(home), url, int(number), start)}\n".encode())
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
