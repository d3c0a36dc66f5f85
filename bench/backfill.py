"""The demonstration in a fresh home, beside a plain script that does the same work; trust the ratio.

Both read January to March 2013 (90 days), compute six feature views, and train and evaluate as of 1 March
and 1 April, each in a process of its own, in turns. The script runs with all cores and with one: OpenMP's
threads spin while they wait, so on a busy machine one is faster, on an idle one it is slower. The ratio is
to the faster of the two. The split of ours comes from one more run under a profiler, scaled to the median:
a profiler slows calls down, so its shares are rough.
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
PEER, PEER_ON_ONE_THREAD, OURS = "plain script", "the same, one thread", "mlops demo"

# What a share of the time is spent on: the calls whose cumulative time it is.
PARTS = {
    "importing and opening the project": [
        ("cli/commands.py", "<module>"),
        ("cli/deployment.py", "deployment"),
    ],
    "Dagster's event log": [("resources/event_log.py", "store_event")],
    "lake: Delta commits": [("stores/lake.py", "_commit")],
    "lake: fingerprints": [("stores/lake.py", "_record")],
    "records database": [
        ("stores/database.py", "open_database"),
        ("stores/records.py", "newest_version"),
        ("stores/records.py", "adopt"),
        ("stores/records.py", "contents"),
        ("stores/records.py", "code_versions"),
        ("stores/records.py", "reads"),
        ("stores/records.py", "verdicts"),
        ("stores/records.py", "refused"),
    ],
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
    contestants = {PEER: plain, PEER_ON_ONE_THREAD: plain_on_one_thread, OURS: ours}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    reached: dict[str, str] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            took, reached[name] = in_a_fresh_folder(run)
            seconds[name].append(took)
    show(seconds, reached, rounds)
    show_split(statistics.median(seconds[OURS]))


def plain(folder: Path, **environment: str) -> str:
    """The ROC AUC of both as-of dates, by the script."""
    printed = json.loads(execute([sys.executable, PLAIN, folder], folder, **environment))
    return ", ".join(f"{one['roc_auc']:.4f}" for one in printed.values())


def plain_on_one_thread(folder: Path) -> str:
    return plain(folder, OMP_NUM_THREADS="1")


def ours(folder: Path) -> str:
    """The ROC AUC of both as-of dates, by the platform."""
    return ", ".join(re.findall(r"model\s+([\d.]+)", execute([MLOPS, "demo"], folder)))


def in_a_fresh_folder(run: Callable[[Path], str]) -> tuple[float, str]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        printed = run(Path(folder))
        return time.perf_counter() - started, printed


def execute(command: list[str | Path], folder: Path, **environment: str) -> str:
    mine = ("MLOPS_", "DAGSTER_", "MLFLOW_", "OMP_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=inherited | {"MLOPS_HOME": str(folder), "COLUMNS": "120"} | environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


def show(seconds: dict[str, list[float]], reached: dict[str, str], rounds: int) -> None:
    medians = {name: statistics.median(measured) for name, measured in seconds.items()}
    reference = min(medians[PEER], medians[PEER_ON_ONE_THREAD])
    table = Table(title="90 days and two as-of dates", title_justify="left", caption=described())
    for column in ("", "ROC AUC", f"median of {rounds}, s", "fastest, s", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for name, measured in seconds.items():
        ratio = medians[name] / reference
        table.add_row(name, reached[name], f"{medians[name]:.1f}", f"{min(measured):.1f}", f"{ratio:.2f}")
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
