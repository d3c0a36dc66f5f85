"""Processes that write to a lake, and those that die of it.

Usage: writers.py ROOT URL MODE PARTITION COUNT
"""

import os
import sys
from pathlib import Path

import pyarrow as pa

from mlops_assets.stores.produced import Produced
from mlops_assets_tests.stores.commits import by, opened_lake, produced


def write_each(lake, partition, count):
    """Write the partition ``count`` times, every time one row more."""
    for turn in range(count):
        lake.write("t", produced({partition: list(range(turn + 1))}), by(f"{partition}-{turn}"))


def write_without_end(lake, partition, count):
    """Write ``count`` equal rows, each time another number, until the process is killed."""
    turn = 0
    while True:
        turn += 1
        rows = pa.table({"partition": [partition] * count, "x": pa.array([turn] * count, pa.int64())})
        lake.write("t", Produced(rows, [partition]), by(f"{partition}-{turn}"))
        sys.stdout.write(f"{turn}\n")
        sys.stdout.flush()


def write_together(lake, tables, count):
    """Write one partition of each table when told to, ``count`` rows with a number of this process."""
    for table in tables.split(","):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        lake.write(table, produced({"a": [os.getpid()] * count}), by(f"{os.getpid()}"))


MODES = {"each": write_each, "without_end": write_without_end, "together": write_together}

if __name__ == "__main__":
    root, url, mode, partition, count = sys.argv[1:]
    MODES[mode](opened_lake(Path(root), url), partition, int(count))
