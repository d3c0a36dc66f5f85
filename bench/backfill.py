"""The demonstration in a fresh home, beside a plain script that does the same work; trust the ratio.

Both read January to March 2013 (90 days), compute six feature views, and train and evaluate as of 1 March
and 1 April, each in a process of its own, in turns. The split of ours comes from one more run under a
profiler, scaled to the median: a profiler slows calls down, so its shares are rough.
"""

import argparse
import json
import os
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import described

REPOSITORY = Path(__file__).parents[1]
MLOPS = Path(sys.executable).parent / "mlops"
PLAIN = Path(__file__).with_name("plain_script.py")

# What a share of the time is spent on: the calls whose cumulative time it is.
PARTS = {
    "importing and opening the project": [
        ("cli/commands.py", "<module>"),
        ("cli/deployment.py", "deployment"),
    ],
    "Dagster's event log": [("resources/event_log.py", "store_event")],
    "lake: commits, fingerprints, records": [("stores/lake.py", "write")],
    "queries": [
        ("stores/engine.py", "session"),
        ("stores/engine.py", "keep"),
        ("duckdb/_relation.py", "to_arrow_table"),
    ],
    "importing scikit-learn and skops": [("modeling/serialization.py", "<module>")],
    "training": [("modeling/training.py", "train")],
    "scores, metrics, plot": [("steps/evaluation.py", "evaluate")],
    "MLflow: import, database, model": [
        ("resources/tracking.py", "run"),
        ("resources/tracking.py", "log_model"),
        ("resources/tracking.py", "add_metrics"),
        ("resources/tracking.py", "mirror"),
        ("resources/tracking.py", "close"),
    ],
}
PROFILED = "import cProfile, sys; sys.argv = ['mlops', 'demo']; from mlops_assets.cli.main import app"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench backfill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each (default: %(default)s)")
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {"plain script": [], "mlops demo": []}
    said: dict[str, str] = {}
    for _ in range(rounds):
        for name, run in (("plain script", plain), ("mlops demo", ours)):
            took, said[name] = in_a_fresh_folder(run)
            seconds[name].append(took)
    show(seconds, said, rounds)
    show_split(statistics.median(seconds["mlops demo"]))


def plain(folder: Path) -> str:
    return execute([sys.executable, PLAIN, folder], folder)


def ours(folder: Path) -> str:
    return execute([MLOPS, "demo"], folder)


def in_a_fresh_folder(run: Callable[[Path], str]) -> tuple[float, str]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        printed = run(Path(folder))
        return time.perf_counter() - started, printed


def execute(command: list[str | Path], folder: Path) -> str:
    mine = ("MLOPS_", "DAGSTER_", "MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    # One OpenMP thread for both: two spin against whatever else runs, and the ratio would tell who was unlucky.
    environment |= {"MLOPS_HOME": str(folder), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


def show(seconds: dict[str, list[float]], said: dict[str, str], rounds: int) -> None:
    reached = {
        "plain script": [f"{one['roc_auc']:.4f}" for one in json.loads(said["plain script"]).values()],
        "mlops demo": re.findall(r"model\s+([\d.]+)", said["mlops demo"]),
    }
    reference = statistics.median(seconds["plain script"])
    table = Table(title="90 days and two as-of dates", title_justify="left", caption=described())
    for column in ("", "ROC AUC", f"seconds, median of {rounds}", "fastest", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for name, measured in seconds.items():
        median = statistics.median(measured)
        row = (", ".join(reached[name]), f"{median:.1f}", f"{min(measured):.1f}", f"{median / reference:.2f}")
        table.add_row(name, *row)
    Console().print(table)


def show_split(total: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        run = f"{PROFILED}\ntry:\n    cProfile.run('app()', {str(profile)!r})\nexcept SystemExit:\n    pass"
        execute([sys.executable, "-c", run], Path(folder))
        stats = pstats.Stats(str(profile))
    scale = total / stats.total_tt  # type: ignore[attr-defined]
    table = Table(title="Where ours goes", title_justify="left")
    for column in ("", "seconds", "share"):
        table.add_column(column, justify="left" if not column else "right")
    left = total
    for part, calls in PARTS.items():
        spent = scale * sum(cumulative(stats, *call) for call in calls)
        left -= spent
        table.add_row(part, f"{spent:.1f}", f"{spent / total:.0%}")
    table.add_row("rest: Dagster's execution, other imports", f"{left:.1f}", f"{left / total:.0%}")
    Console().print(table)


def cumulative(stats: pstats.Stats, file: str, function: str) -> float:
    entries = stats.stats.items()  # type: ignore[attr-defined]
    return sum(entry[3] for (path, _, name), entry in entries if path.endswith(file) and name == function)


if __name__ == "__main__":
    main()
