"""The service that a replay asks: ``mlops serve`` in a process of its own, whose clock the replay moves."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from mlops_assets.errors import RunFailed
from mlops_assets.resources.environment import BEARER, SERVE_TOKEN
from mlops_assets.resources.processes import is_alive, process_named
from mlops_assets.stores.replays import Replays

HOST = "127.0.0.1"
MLOPS = "from mlops_assets.cli.main import app; app()"
START_SECONDS, STOP_SECONDS, SWAP_SECONDS = 180.0, 60.0, 60.0
LOOK_SECONDS = 0.1
ANSWERS = re.compile(rf"answers on http://{re.escape(HOST)}:(\d+)")


@dataclass
class LiveService:
    """A service that answers. log: what it printed. connection: one, over which it is asked one after another."""

    process: psutil.Popen
    log: Path
    connection: http.client.HTTPConnection

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.connection.port}"

    def ask(self, request_id: str, row: Mapping[str, Any]) -> int:
        """Send one row; the status of what comes back. Raises RunFailed when the service is gone."""
        body = json.dumps({"request_id": request_id, "rows": [row]})
        return self._exchange("POST", "/predict", body)[0]

    def state(self) -> dict[str, Any]:
        """Which version answers, and why not all is well."""
        told: dict[str, Any] = json.loads(self._exchange("GET", "/health")[1])
        return told

    def metrics(self) -> str:
        """What Prometheus reads of it."""
        return self._exchange("GET", "/metrics")[1].decode()

    def comes_to(self, wanted: Callable[[], tuple[int, int | None]]) -> None:
        """Have it look at the record, and wait until it does what that has.

        wanted: the version that reigns and the one that is tried, which the service's look may change. Raises RunFailed
        with its reasons when it does not.
        """
        deadline = time.monotonic() + SWAP_SECONDS
        self.process.send_signal(signal.SIGHUP)
        while True:
            state, (version, tries) = self.state(), wanted()
            if (state["version"], state["tries"]) == (version, tries):
                return
            if time.monotonic() > deadline:
                raise RunFailed(
                    f"version {version} reigns and {tries or 'none'} is tried; after {SWAP_SECONDS:g} seconds version "
                    f"{state['version']} answers and {state['tries'] or 'none'} is tried: "
                    f"{'; '.join(state['reasons']) or 'no reason is told'}"
                )
            time.sleep(LOOK_SECONDS)

    def _exchange(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        try:
            return self._send(method, path, body)
        except (OSError, http.client.HTTPException):
            # It hangs up on who was silent for a while. What is sent again has its id again.
            self.connection.close()
        try:
            return self._send(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            raise RunFailed(f"the service does not answer ({error!r}); it said: {_tail(self.log)}") from error

    def _send(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        self.connection.request(method, path, body, _headers())
        answer = self.connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def live_service(model: str, replays: Replays, features: Path, port: int) -> Iterator[LiveService]:
    """Serve the version that reigns while the block runs. port: zero for any that is free.

    Raises RunFailed with what it said when it does not start. One that a killed replay left is ended first.
    """
    _end_left(replays)
    log = replays.folder / "serve.log"
    command = [sys.executable, "-c", MLOPS, "serve", model, "--port", str(port), "--drain", "0"]
    command += ["--clock", str(replays.clock), "--feature-repo", str(features)]
    with log.open("wb") as output:
        # In a session of its own, so that Ctrl-C ends the replay, which ends it.
        process = psutil.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200"},
            start_new_session=True,
        )
    try:
        (replays.folder / "service").write_text(process_named(process.pid))
        with closing(http.client.HTTPConnection(HOST, _port(process, log), timeout=60)) as connection:
            yield LiveService(process, log, connection)
    finally:
        _end(process)


def _headers() -> dict[str, str]:
    # The second where a policy is in force.
    token = os.environ.get(SERVE_TOKEN) or os.environ.get(BEARER)
    return {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}


def _port(process: psutil.Popen, log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := ANSWERS.search(log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(LOOK_SECONDS)
    raise RunFailed(f"the service did not start: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip() or "nothing"


def _end_left(replays: Replays) -> None:
    with suppress(FileNotFoundError):
        named = (replays.folder / "service").read_text()
        if is_alive(named):
            _end(psutil.Process(int(named.partition("@")[0])))


def _end(process: psutil.Process) -> None:
    """What it was asked is answered first; by force if that takes too long."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
