"""What fifty models cost a deployment that watches them: load time, ticks, memory, and the UI.

A made-up shop with so many models on the same features, each released once in its own story; then `dagster dev` with
every sensor turned on and nothing to do, as it is most of the time.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.machine import described
from mlops_assets_tests.end_to_end.deployment import (
    Deployed,
    Server,
    Started,
    clone_of_the_repository,
    dagster_dev,
    until,
)
from mlops_assets_tests.end_to_end.test_ui import chromium
from mlops_assets_tests.sandbox import SHOP, land_orders

FIRST, DAYS, AS_OF = date(2024, 3, 1), 29, "2024-03-29"
REPOSITORY = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name } sensors { name } } } } }"""
START = "mutation ($at: SensorSelector!) { startSensor(sensorSelector: $at) { __typename } }"
TICKS = """query ($at: RepositorySelector!) { sensorsOrError(repositorySelector: $at) { ... on Sensors { results {
    name sensorState { ticks(limit: 3) { timestamp endTimestamp status error { message } } } } } } }"""
PAGES = {"the lineage of all assets": "/asset-groups", "sensors": "/automation", "runs": "/runs"}
# Bring every model to its first verdict in one process.
RELEASE = """
from datetime import date
from rich.console import Console
from mlops_assets.cli.commands import bring_up_to
from mlops_assets.cli.deployment import deployment
with deployment() as opened:
    for name in sorted(opened.project.models):
        bring_up_to(opened, name, [date.fromisoformat("{as_of}")], again=False, console=Console(quiet=True))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=120, help="for how long the daemon is watched")
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="fifty-") as folder:
        deployed = made(Path(folder), arguments.models)
        console.print(f"{arguments.models} models are declared; each is released once …")
        began = time.monotonic()
        releasing = deployed.start("python", "-c", RELEASE.format(as_of=AS_OF))
        if releasing.process.wait(timeout=3600):
            raise SystemExit(releasing.printed[-3000:])
        rows = [("the first release of each", f"{(time.monotonic() - began) / arguments.models:.1f} s")]
        began = time.monotonic()
        with dagster_dev(deployed) as server:
            rows.append(("dagster dev until it serves", f"{time.monotonic() - began:.1f} s"))
            rows += watched(server, arguments.seconds)
            rows += opened(server)
    table = Table(title=f"{arguments.models} models")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(described())


def made(folder: Path, models: int) -> Deployed:
    """The shop, with its model so many times."""
    content = folder / "content"
    shutil.copytree(SHOP, content)
    one = (content / "defs" / "returned" / "defs.yaml").read_text()
    shutil.rmtree(content / "defs" / "returned")
    for number in range(models):
        name = f"returned_{number:02d}"
        (content / "defs" / name).mkdir()
        text = one.replace("name: returned", f"name: {name}", 1)
        (content / "defs" / name / "defs.yaml").write_text(text)
    clone = folder / "clone"
    clone.mkdir()
    deployed = Deployed(clone_of_the_repository(clone, content=content), folder / "home")
    land_orders(deployed.home, FIRST, DAYS)
    return deployed


def watched(server: Server, seconds: int) -> list[tuple[str, str]]:
    """Every sensor turned on, and what that costs while nothing happens."""
    (node,) = server.ask(REPOSITORY)["repositoriesOrError"]["nodes"]
    place = {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}
    sensors = [one["name"] for one in node["sensors"]]
    for sensor in sensors:
        server.ask(START, at={**place, "sensorName": sensor})
    until(lambda: len(ticks(server, place)) >= len(sensors), seconds=300, what="a tick of each", every=2)
    processes = family(server.started)
    before, began = sum(cpu(one) for one in processes), time.monotonic()
    time.sleep(seconds)
    used = (sum(cpu(one) for one in family(server.started)) - before) / (time.monotonic() - began)
    found = [end - start for start, end in ticks(server, place)]
    found.sort()
    rows = [
        ("sensors turned on", str(len(sensors))),
        ("a tick, median", f"{1000 * statistics.median(found):.0f} ms"),
        ("a tick, 95%", f"{1000 * found[int(0.95 * len(found))]:.0f} ms"),
        ("CPU while nothing happens", f"{100 * used:.0f}% of one core"),
    ]
    for name, memory in memories(processes).items():
        rows.append((f"memory of {name}", f"{memory / 2**20:,.0f} MiB"))
    return rows


def ticks(server: Server, place: dict[str, str]) -> list[tuple[float, float]]:
    results = server.ask(TICKS, at=place)["sensorsOrError"]["results"]
    found = []
    for sensor in results:
        for tick in sensor["sensorState"]["ticks"]:
            if tick["error"]:
                raise SystemExit(f"{sensor['name']}: {tick['error']['message']}")
            if tick["endTimestamp"]:
                found.append((tick["timestamp"], tick["endTimestamp"]))
    return found


def family(started: Started) -> list[psutil.Process]:
    parent = psutil.Process(started.process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def memories(processes: list[psutil.Process]) -> dict[str, int]:
    """What each part of Dagster holds, by its command."""
    names = {"daemon": "the daemon", "webserver": "the webserver", "grpc": "the code server"}
    found: dict[str, int] = {}
    for process in processes:
        try:
            command, memory = " ".join(process.cmdline()), process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        for part, name in names.items():
            if part in command:
                found[name] = max(found.get(name, 0), memory)
                break
    return found


def opened(server: Server) -> list[tuple[str, str]]:
    """How long a person waits for a page, in a real browser."""
    rows = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        for name, path in PAGES.items():
            began = time.monotonic()
            page.goto(f"{server.url}{path}")
            page.wait_for_load_state("networkidle", timeout=120_000)
            rows.append((f"the page of {name}", f"{time.monotonic() - began:.1f} s"))
        page.close()
    return rows


if __name__ == "__main__":
    main()
