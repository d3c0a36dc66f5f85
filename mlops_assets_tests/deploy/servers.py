"""Prometheus and its alert manager with the files of ``deploy``, on free ports of this machine and a faster clock."""

import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from mlops_assets_tests.deploy.tools import DEPLOY, RULES, require
from mlops_assets_tests.end_to_end.deployment import until

# A minute of the files is so many seconds here.
MINUTE = 4
UNITS = {"s": 1, "m": 60, "h": 3600}
HERE = "127.0.0.1"


def faster(text: str) -> str:
    """The same file with every duration of it shortened, to a second at least.

    >>> faster("rate(x[1m]) for: 30s, repeat_interval: 4h")
    'rate(x[4s]) for: 2s, repeat_interval: 960s'
    """
    lasts = re.compile(r"(?<=\[)(\d+)([smh])(?=\])|(?<=: )(\d+)([smh])\b")

    def short(found: re.Match[str]) -> str:
        number, unit = [part for part in found.groups() if part]
        return f"{max(int(number) * UNITS[unit] * MINUTE // 60, 1)}s"

    return lasts.sub(short, text)


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind((HERE, 0))
        port: int = found.getsockname()[1]
        return port


@dataclass(frozen=True)
class Prometheus:
    """One that answers."""

    address: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        found = self.get("/api/v1/query", query=expression)
        result: list[dict[str, Any]] = found["result"]
        return result

    def firing(self) -> set[str]:
        """The names of the alerts that are."""
        return {one["metric"]["alertname"] for one in self.ask('ALERTS{alertstate="firing"}')}

    def get(self, path: str, **query: str) -> Any:
        with urlopen(f"{self.address}{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(
    folder: Path, service: int, token: str, alertmanager: int | None = None
) -> Iterator[Prometheus]:
    """Asks the service on a port, tries the rules, and tells the alert manager on another port, if there is one."""
    command = require("prometheus")
    said = yaml.safe_load(faster((DEPLOY / "prometheus" / "prometheus.yml").read_text()))
    (job,) = said["scrape_configs"]
    job["static_configs"][0]["targets"] = [f"{HERE}:{service}"]
    managers = [{"static_configs": [{"targets": [f"{HERE}:{alertmanager}"]}]}] if alertmanager else []
    said["alerting"]["alertmanagers"] = managers
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(said))
    (folder / "rules.yml").write_text(faster(RULES.read_text()))
    (folder / job["authorization"]["credentials_file"]).write_text(token)
    port = free_port()
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HERE}:{port}",
    ]
    with running([command, *options], folder / "log", f"http://{HERE}:{port}/-/ready"):
        yield Prometheus(f"http://{HERE}:{port}")


@contextmanager
def alertmanager(folder: Path, webhook: int) -> Iterator[int]:
    """Routes as the file says, to a webhook on a port; its own port."""
    command = require("prometheus-alertmanager")
    folder.mkdir()
    text = faster((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    (folder / "alertmanager.yml").write_text(re.sub(r"127\.0\.0\.1:\d+", f"{HERE}:{webhook}", text))
    port = free_port()
    options = [
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={HERE}:{port}",
        # It looks for no others of its kind, and listens for none.
        "--cluster.listen-address=",
    ]
    with running([command, *options], folder / "log", f"http://{HERE}:{port}/-/ready"):
        yield port


@contextmanager
def running(command: list[str], log: Path, ready: str | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is ended in the end; begun when an address answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), urlopen(ready, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    try:
        if ready is not None:
            until(answers, seconds=60, what=f"{command[0]} is ready", every=0.1)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


class Webhook:
    """Whom the alert manager tells. told: (path, alert) in the order in which they came."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.extend((self.path, alert) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HERE, 0), Handler)
        self.port: int = self._server.server_port

    def __enter__(self) -> "Webhook":
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def names(self, status: str) -> dict[str, str]:
        """Where each alert of a status was sent to, by its name."""
        return {
            alert["labels"]["alertname"]: path for path, alert in list(self.told) if alert["status"] == status
        }
