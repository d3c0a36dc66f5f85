"""Contestants on the same rows, in turns, each in a process of its own, so that peaks of memory are its own."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

# A contestant prepares in a folder, which is not timed, and returns its work, which is.
Contestant = Callable[[Path], Callable[[], object]]
Measured = dict[str, list[dict[str, float]]]
FULL = 10_000_000


def contest(
    bench: str,
    about: str,
    contestants: Mapping[str, Contestant],
    *,
    make: Callable[[Path, int], None],
    show: Callable[[int, Measured], None],
    without: Collection[str] = (),
    full: int = FULL,
) -> None:
    """Run a bench's command line. make: the rows in a folder. without: who takes no part in ``full`` rows."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {bench}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    left = f" without {', '.join(without)}" if without else ""
    parser.add_argument("--full", action="store_true", help=f"{full:,} rows{left}")
    parser.add_argument("--rounds", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--only", nargs=2, metavar=("CONTESTANT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        name, folder = arguments.only
        print(json.dumps(one_round(contestants[name], Path(folder))))
        return
    rows, left_out = (full, without) if arguments.full else (arguments.rows, ())
    measured: Measured = {name: [] for name in contestants if name not in left_out}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), rows)
        for _ in range(arguments.rounds):
            for name, rounds in measured.items():
                rounds.append(in_its_own_process(bench, name, folder))
    show(rows, measured)


def in_its_own_process(bench: str, name: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", f"bench.{bench}", "--only", name, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    answered: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answered


def one_round(contestant: Contestant, folder: Path) -> dict[str, float]:
    work = contestant(folder)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "peak": peak()}


def peak() -> float:
    """Gigabytes at most resident in this process; what getrusage says begins with the parent's."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1e6
