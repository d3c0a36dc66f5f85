"""How long the code location takes to load, beside a project with one bare asset, in turns; trust the ratio.

Below it stands what ours imports and the bare one does not, by package, each module's own time only.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import described

REPOSITORY = Path(__file__).parents[1]
VALIDATE = ("-m", "dagster", "definitions", "validate")
PACKAGES_SHOWN = 8
# A line of python -X importtime: microseconds of its own, of all below it, and the module.
IMPORTED = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
BARE = """import dagster as dg


@dg.asset
def one():
    return 1


defs = dg.Definitions(assets=[one])
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench loading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
                seconds[name].append(timed(place, home))
        imported = {name: imports(place, home) for name, place in places.items()}
    show(seconds, rounds)
    show_added(*imported.values())


def bare_project(folder: Path) -> Path:
    """A project with one asset, validated the same way as ours."""
    folder.mkdir()
    (folder / "bare_definitions.py").write_text(BARE)
    (folder / "workspace.yaml").write_text(
        "load_from:\n  - python_module: {module_name: bare_definitions, working_directory: .}\n"
    )
    return folder


def validate(folder: Path, home: Path, *options: str) -> str:
    """Run ``dagster definitions validate`` in a folder; what it wrote to stderr."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *options, *VALIDATE],
        cwd=folder,
        env=environment | {"DAGSTER_HOME": str(home)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stderr


def timed(folder: Path, home: Path) -> float:
    started = time.perf_counter()
    validate(folder, home)
    return time.perf_counter() - started


def imports(folder: Path, home: Path) -> dict[str, int]:
    """The modules that validating imports, each with the microseconds of its own."""
    return {module: int(own) for own, module in IMPORTED.findall(validate(folder, home, "-X", "importtime"))}


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


def show_added(reference: dict[str, int], ours: dict[str, int]) -> None:
    added: dict[str, list[int]] = defaultdict(list)
    for module, own in ours.items():
        if module not in reference:
            added[module.partition(".")[0]].append(own)
    table = Table(title="What ours imports besides", title_justify="left")
    for column in ("package", "modules", "ms"):
        table.add_column(column, justify="left" if column == "package" else "right")
    for package, own in sorted(added.items(), key=lambda item: -sum(item[1]))[:PACKAGES_SHOWN]:
        table.add_row(package, str(len(own)), f"{sum(own) / 1000:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
