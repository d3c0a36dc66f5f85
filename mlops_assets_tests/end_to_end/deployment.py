"""A deployment as somebody would run one: a clone, a home, and the real commands in processes of their own."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Any, TypeVar
from urllib.request import Request, urlopen

import dagster as dg
import pyarrow.compute as pc

from mlops_assets.data.fingerprint import fingerprint
from mlops_assets.data.sql import PARTITION
from mlops_assets.graph.settling import settle
from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.sandbox import REAL

BIN = Path(sys.executable).parent
T = TypeVar("T")
PLACES_IN_MLFLOW = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True)
class Started:
    """A process and its children, and the file it prints to."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """What the kernel does when memory runs out: no goodbye."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)

    def stop(self) -> None:
        """End it as Ctrl-C does; by force if it does not listen."""
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(timeout=10)
        self.kill()


@dataclass(frozen=True)
class Deployed:
    """A clone of the repository, and the home its commands work on."""

    clone: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the make targets export, for this clone and this home."""
        told = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "DAGSTER_"))
        }
        told.pop("PYTHONDONTWRITEBYTECODE", None)
        told.pop("MLFLOW_TRACKING_URI", None)
        return {
            **told,
            "MLOPS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "2",
            "PYTHONPATH": str(self.clone),
        }

    @property
    def stores(self) -> Stores:
        """What outlives the processes, opened anew."""
        return Stores.open(Places.below(self.home))

    def prepare(self) -> None:
        """Make Dagster's folder with the clone's settings, as ``make dev`` does."""
        (self.home / "dagster").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.clone / "dagster.yaml", self.home / "dagster")

    def start(self, command: str, *arguments: str) -> "Started":
        """Start one of the environment's commands in a process group of its own."""
        self.prepare()
        descriptor, log = mkstemp(prefix=f"{command}-", suffix=".log", dir=self.home)
        with os.fdopen(descriptor, "w") as output:
            process = subprocess.Popen(
                [BIN / command, *arguments],
                cwd=self.clone,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Started(process, Path(log))

    def run(self, command: str, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; its exit code and what it printed."""
        started = self.start(command, *arguments)
        try:
            code = started.process.wait(timeout=180)
        finally:
            started.stop()
        return code, started.printed

    def mlflow_runs(self) -> dict[str, str]:
        """Every MLflow run's status, by the id of its Dagster run; read from MLflow's own database."""
        query = (
            "SELECT tags.value, runs.status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
            "WHERE tags.key = 'dagster/run_id'"
        )
        return dict(self._mlflow(query))

    def _mlflow(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        if not (self.home / "mlflow.db").is_file():
            return []
        with closing(sqlite3.connect(self.home / "mlflow.db", timeout=30)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's memory of this deployment."""
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            yield instance

    def settle(self) -> None:
        """What the sensor of a running deployment does."""
        stores = StoresResource(home=str(self.home))
        tracking = TrackingResource(stores=stores, uri=f"sqlite:///{self.home / 'mlflow.db'}")
        with (
            self.instance() as instance,
            dg.build_resources({"stores": stores, "tracking": tracking}) as opened,
        ):
            settle(instance, opened.stores, opened.tracking)

    def copied_to(self, home: Path) -> "Deployed":
        """The same clone on a copy of the home. MLflow stores whole paths, which are moved along."""
        shutil.copytree(self.home, home)
        copy = Deployed(self.clone, home)
        for table, column in PLACES_IN_MLFLOW:
            old, new = self.home.as_uri(), home.as_uri()
            copy._mlflow(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", old, new)
        return copy


def clone_of_the_repository(folder: Path, *, content: Path | None = None) -> Path:
    """A copy of what a fresh clone holds; with ``content``, another team's declarations instead of ours."""
    shutil.copytree(REAL / "mlops_assets", folder / "mlops_assets")
    for file in ("pyproject.toml", "workspace.yaml", "dagster.yaml"):
        shutil.copy(REAL / file, folder)
    shutil.copytree((content or REAL) / "feature_repo", folder / "feature_repo")
    if content is not None:
        defs = folder / "mlops_assets" / "defs"
        for ours in [path for path in defs.iterdir() if path.is_dir() and path.name != "platform"]:
            shutil.rmtree(ours)
        shutil.copytree(content / "defs", defs, dirs_exist_ok=True)
    return folder


def as_read(stores: Stores, table: str) -> dict[str, str]:
    """The fingerprint of each partition, computed anew from the rows its files hold; it must be the recorded one."""
    pinned = stores.lake.pin(table)
    rows = stores.engine.rows("SELECT * FROM pinned", {"pinned": pinned})
    found = {}
    for content in pinned.contents:
        of_partition = rows.filter(pc.equal(rows[PARTITION], content.partition)).drop_columns([PARTITION])
        found[content.partition] = fingerprint(of_partition)
        assert found[content.partition] == content.fingerprint, (
            f"{table} {content.partition} is not what was written"
        )
    return found


def until(look: Callable[[], T], *, seconds: float, what: str, every: float = 0.2) -> T:
    """Look until there is something, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:g} seconds")


@dataclass(frozen=True)
class Server:
    """A running ``dagster dev``."""

    url: str
    started: Started

    def ask(self, query: str, **variables: Any) -> Mapping[str, Any]:
        """Ask GraphQL, as the UI does."""
        asked = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", asked, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            body = json.load(answer)
        assert "errors" not in body, body["errors"]
        data: Mapping[str, Any] = body["data"]
        return data


@contextmanager
def dagster_dev(deployed: Deployed) -> Iterator[Server]:
    """What ``make dev`` runs, on a free port of 127.0.0.1, until it serves; its processes end with the block."""
    port = _free_port()
    started = deployed.start("dagster", "dev", "--host", "127.0.0.1", "--port", str(port))
    server = Server(f"http://127.0.0.1:{port}", started)
    try:
        until(lambda: _serves(server), seconds=90, what="dagster dev serves")
        yield server
    finally:
        started.stop()


def _serves(server: Server) -> bool:
    assert server.started.runs, f"dagster dev ended:\n{server.started.printed[-3000:]}"
    try:
        found = server.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
    except OSError:
        return False
    return bool(found["repositoriesOrError"].get("nodes"))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
