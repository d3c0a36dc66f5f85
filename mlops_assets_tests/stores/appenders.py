"""Processes that append to a ledger, and those that die of it.

Usage: appenders.py HOME URL MODE NAME COUNT
"""

import os
import signal
import sys
from pathlib import Path

from mlops_assets.steps.ledger import note
from mlops_assets.stores import ledger
from mlops_assets.stores.anchors import AnchorFile
from mlops_assets.stores.ledger import Draft
from mlops_assets_tests.stores.ledger_world import commit, opened


def append(stores, name, count):
    """Append ``count`` entries of this process."""
    for turn in range(count):
        stores.ledger.append(Draft("note", f"{name} {turn}", {"turn": turn}))


def commits(stores, name, count):
    """Adopt ``count`` commits of a table that others commit to as well, and note the head now and then."""
    for turn in range(count):
        commit(stores, f"raw/{name}", turn, ["a", "b"])
        note(stores)


def dies_before_commit(stores, name, count):
    """Write a state and its entry, and die before the transaction ends."""
    appended = ledger.append

    def last(*arguments):
        appended(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    from mlops_assets.stores import records

    records.append = last
    commit(stores, "raw/t", 7, [name])


def dies_noting(stores, name, count):
    """Note the head, and die before the ledger says so."""
    added = AnchorFile.add

    def last(*arguments):
        added(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    AnchorFile.add = last
    note(stores)


MODES = {
    "append": append,
    "commits": commits,
    "dies_before_commit": dies_before_commit,
    "dies_noting": dies_noting,
}

if __name__ == "__main__":
    home, url, mode, name, count = sys.argv[1:]
    stores = opened(Path(home), url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    MODES[mode](stores, name, int(count))
