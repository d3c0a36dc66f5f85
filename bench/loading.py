"""How long the code location takes to load, beside a project with one bare asset, in turns; trust the ratio."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import described

REPOSITORY = Path(__file__).parents[1]
DAGSTER = Path(sys.executable).parent / "dagster"
BARE = """import dagster as dg


@dg.asset
def one():
    return 1


defs = dg.Definitions(assets=[one])
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench loading", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of each (default: %(default)s)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        bare = bare_project(Path(folder) / "bare")
        home = Path(folder) / "home"
        home.mkdir()
        places = {"bare one-asset project": bare, "mlops_assets": REPOSITORY}
        seconds: dict[str, list[float]] = {name: [] for name in places}
        for place in places.values():  # compiles bytecode
            validate(place, home)
        for _ in range(rounds):
            for name, place in places.items():
                seconds[name].append(validate(place, home))
    show(seconds, rounds)


def bare_project(folder: Path) -> Path:
    """A project with one asset, validated the same way as ours."""
    folder.mkdir()
    (folder / "bare_definitions.py").write_text(BARE)
    (folder / "workspace.yaml").write_text(
        "load_from:\n  - python_module: {module_name: bare_definitions, working_directory: .}\n"
    )
    return folder


def validate(folder: Path, home: Path) -> float:
    """Seconds of ``dagster definitions validate`` in a folder."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(
        [DAGSTER, "definitions", "validate"],
        cwd=folder,
        env=environment | {"DAGSTER_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def show(seconds: dict[str, list[float]], rounds: int) -> None:
    medians = {name: statistics.median(measured) for name, measured in seconds.items()}
    reference = next(iter(medians.values()))
    table = Table(title="dagster definitions validate", title_justify="left", caption=described())
    for column in ("project", f"seconds, median of {rounds}", "fastest", "ratio"):
        table.add_column(column, justify="left" if column == "project" else "right")
    for name, measured in seconds.items():
        ratio = medians[name] / reference
        table.add_row(name, f"{medians[name]:.2f}", f"{min(measured):.2f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
