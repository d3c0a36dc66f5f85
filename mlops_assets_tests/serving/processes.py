"""``mlops serve`` as somebody runs it: a process of its own, asked over TCP."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlops_assets_tests.end_to_end.deployment import BIN, until
from mlops_assets_tests.sandbox import REAL
from mlops_assets_tests.serving.world import MODEL, ROW

MLOPS = (str(BIN / "mlops"),)


def command(home: Path, features: Path, *options: str, launched: Sequence[str] = MLOPS) -> list[str]:
    """launched: what starts the command."""
    said = ["--port", "0", "--feature-repo", str(features), "--now", "2024-05-01T12:00:00", "--drain", "0.3"]
    return [*launched, "serve", MODEL, *said, *options]


def environment(home: Path, **more: str) -> dict[str, str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return {**told, "MLOPS_HOME": str(home), "PYTHONPATH": str(REAL), "COLUMNS": "200", **more}


@dataclass(frozen=True)
class Running:
    """A service that takes requests."""

    process: "subprocess.Popen[bytes]"
    log: Path
    port: int
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        shown = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Content-Type": "application/json", **shown}

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str) -> tuple[int, dict]:
        connection = self.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def signal(self, what: signal.Signals) -> None:
        os.kill(self.process.pid, what)


@contextmanager
def running(home: Path, features: Path, *options: str, launched: Sequence[str] = MLOPS, **more: str):
    """launched: what starts the command. more: of its environment."""
    log = home / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(home, features, *options, launched=launched),
            cwd=REAL,
            env=environment(home, **more),
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def port():
        assert process.poll() is None, log.read_text()
        found = re.search(r"answers on http://127\.0\.0\.1:(\d+)", log.read_text())
        return found and int(found[1])

    try:
        found = until(port, seconds=90, what="the service answers", every=0.05)
        yield Running(process, log, found, more.get("MLOPS_SERVE_TOKEN", ""))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(timeout=20)


@dataclass
class Load:
    """Requests one after another on some connections. answered: by id; failed: what else came of a request.

    pause: seconds between an answer and the next request of a connection.
    """

    service: Running
    connections: int = 4
    pause: float = 0.0
    answered: dict[str, dict] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self):
        for number in range(self.connections):
            thread = threading.Thread(target=self._ask, args=(number,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *error):
        self.end()

    def end(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        connection, count = self.service.connect(), 0
        try:
            while not self._ends.wait(self.pause):
                count += 1
                name = f"load-{number}-{count}"
                body = json.dumps({"rows": [{**ROW, "amount": float(count % 90)}], "request_id": name})
                try:
                    connection.request("POST", "/predict", body, self.service.headers)
                    answer = connection.getresponse()
                    told = json.loads(answer.read())
                except (OSError, http.client.HTTPException) as error:
                    self.failed.append(repr(error))
                    return
                if answer.status == 200:
                    self.answered[name] = told
                else:
                    self.failed.append(f"{answer.status} {told}")
        finally:
            connection.close()
