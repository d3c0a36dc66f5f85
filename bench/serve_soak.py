"""Minutes at half of the peak, while versions take over from each other: nothing may fail, get lost or come twice.

The model of ``bench/serve.py`` is asked by eight connections, each request with an id of its own, at half of the rate
that they reach when they ask as fast as they can. Meanwhile another version is released, the one before is rolled back
to, and so on, five times in all. In the end each answer must be in the log once, with the version and probability that
the caller was given, and nothing else may be there. Memory is the proportional set size of the service's process alone;
"with helpers" counts the process that proves a version too, which lives for the seconds that it takes.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil

from bench import serve
from bench.machine import described

CONNECTIONS, SWAPS = 8, 5
# Proving a version takes seconds, and more where others keep the machine busy.
TAKES_OVER_SECONDS = 300
# What warms up, and is no part of what is measured; how long the peak is looked for.
WARM_SECONDS, PEAK_SECONDS = 2.0, 5.0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench serve_soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        wrong = soak(Path(name), arguments.minutes * 60)
    if wrong:
        sys.exit("; ".join(wrong))


def soak(folder: Path, seconds: float) -> list[str]:
    """What went wrong, in sentences."""
    shelves = serve.shelves_at(folder / "home")
    first, second = (serve.learned(seed=seed) for seed in (3, 4))
    serve.put_online(shelves, first[1])
    serve.release(shelves, *first)
    row = {name: one for name, one in serve.row_of(first[1]).items() if name not in serve.LOOKED_UP}
    with serve.started(folder, "ours") as (process, port):
        one = serve.request_of("/predict", json.dumps({"rows": [row]}).encode())
        serve.first_answer(process, port, one)
        serve.ask(port, one, CONNECTIONS, WARM_SECONDS)
        peak = len(serve.ask(port, one, CONNECTIONS, PEAK_SECONDS)) / PEAK_SECONDS
        load = Load(port, row, rate=peak / 2)
        swapped = Swaps(shelves, second, port, seconds)
        memory = Memory(process.pid, seconds)
        for part in (load, swapped, memory):
            part.start()
        for part in (swapped, memory):
            part.join()
        load.end()
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    # What was answered while the peak was looked for has ids of the service's own.
    logged = [record for record in records(folder / "home") if record["id"].startswith(OURS)]
    tell(load, swapped, memory, peak, logged)
    return [*load.failed, *swapped.failed, *differing(load, logged), *memory.grown()]


OURS = "soak-"


def records(home: Path) -> list[dict]:
    """Every record as it was written, those that came twice too."""
    from mlops_assets.stores.prediction_log import log_folder, segments

    return [record for segment in segments(log_folder(home, serve.MODEL)) for record in segment.records()]


def differing(load: "Load", logged: list[dict]) -> list[str]:
    """What the log lacks, has twice, or has otherwise than the callers were told."""
    count = Counter(record["id"] for record in logged)
    twice = [name for name, times in count.items() if times > 1]
    found = {record["id"]: (record["version"], record["probability"][0]) for record in logged}
    told = {name: answer for one in load.asking for name, answer in one.answered.items()}
    counts = {
        "lost": len(told.keys() - found.keys()),
        "doubled": len(twice),
        "logged and never answered": len(found.keys() - told.keys()),
        "logged otherwise than answered": sum(
            found[name] != told[name] for name in told.keys() & found.keys()
        ),
    }
    return [f"{number} records {what}" for what, number in counts.items() if number]


def tell(load: "Load", swapped: "Swaps", memory: "Memory", peak: float, logged: list[dict]) -> None:
    took = sorted(second for one in load.asking for second in one.took)
    versions = Counter(record["version"] for record in logged)
    print(described())
    print(
        f"peak of {CONNECTIONS} connections {peak:.0f} requests a second; {len(took)} asked in {load.seconds:.0f} s, "
        f"{len(took) / load.seconds:.0f} a second"
    )
    percentiles = statistics.quantiles(took, n=1000)
    shown = {"p50": percentiles[499], "p99": percentiles[989], "p99.9": percentiles[998], "longest": took[-1]}
    print(", ".join(f"{name} {seconds * 1000:.2f} ms" for name, seconds in shown.items()))
    print(f"failed {len(load.failed)}; records {len(logged)}, by version {dict(sorted(versions.items()))}")
    print(
        f"took over: {', '.join(f'version {version} after {after:.1f} s' for version, after in swapped.took)}"
    )
    print(
        f"memory {memory.begin:.0f} MB at the begin, {memory.end:.0f} at the end, "
        f"{memory.most:.0f} at most with helpers"
    )


class Load:
    """Requests at a rate, on some connections; each asks when it is its turn, or at once when that has passed."""

    def __init__(self, port: int, row: dict, rate: float) -> None:
        self.failed: list[str] = []
        self.seconds = 0.0
        self._ends = threading.Event()
        every = CONNECTIONS / rate
        self.asking = [
            Asking(port, row, number, every, self._ends, self.failed) for number in range(CONNECTIONS)
        ]

    def start(self) -> None:
        self._begun = time.perf_counter()
        for one in self.asking:
            one.start()

    def end(self) -> None:
        self._ends.set()
        for one in self.asking:
            one.join()
        self.seconds = time.perf_counter() - self._begun


class Asking(threading.Thread):
    """One connection. answered: by id what was told, version and probability. took: seconds of each request."""

    def __init__(
        self, port: int, row: dict, number: int, every: float, ends: threading.Event, failed: list[str]
    ) -> None:
        super().__init__()
        self._port, self._row, self._number, self._every = port, row, number, every
        self._ends, self._failed = ends, failed
        self.answered: dict[str, tuple[int, float]] = {}
        self.took: list[float] = []

    def run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._ask(connection)
        except Exception as error:
            self._failed.append(f"connection {self._number} failed: {error!r}")

    def _ask(self, connection: socket.socket) -> None:
        begun = time.perf_counter() + self._every * self._number / CONNECTIONS
        count = 0
        while not self._ends.is_set():
            time.sleep(max(0.0, begun + count * self._every - time.perf_counter()))
            count += 1
            name = f"{OURS}{self._number}-{count}"
            body = json.dumps({"request_id": name, "rows": [{**self._row, "n1": count % 1000 / 500 - 1}]})
            request = serve.request_of("/predict", body.encode())
            asked = time.perf_counter()
            told = json.loads(serve.answered(connection, request))
            self.took.append(time.perf_counter() - asked)
            self.answered[told["request_id"]] = told["version"], told["predictions"][0]["probability"]


class Swaps(threading.Thread):
    """A version that is released, then the one before it again, and so on, evenly over some seconds.

    took: which version took over, and after how long it answered.
    """

    def __init__(self, shelves, second, port: int, seconds: float) -> None:
        super().__init__()
        self._shelves, self._second, self._port, self._seconds = shelves, second, port, seconds
        self.took: list[tuple[int, float]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        begun, pause = time.monotonic(), self._seconds / (SWAPS + 1)
        try:
            for number in range(SWAPS):
                time.sleep(max(0.0, begun + (number + 1) * pause - time.monotonic()))
                self._swap(number)
        except Exception as error:
            self.failed.append(f"a version did not take over: {error!r}")
        time.sleep(max(0.0, begun + self._seconds - time.monotonic()))

    def _swap(self, number: int) -> None:
        version = 2 if number % 2 == 0 else 1
        reigns, at = self._shelves.reigns, time.monotonic()
        if number == 0:
            serve.release(self._shelves, *self._second, as_of="2026-01-02")
        else:
            after = reigns.current(serve.MODEL).number
            told = {"by": "bench", "reason": "soak", "at": f"2026-01-03T00:00:0{number}+00:00", "run_id": ""}
            reigns.begin(serve.MODEL, version, after=after, **told)
        while self._answers() != version:
            if time.monotonic() - at > TAKES_OVER_SECONDS:
                raise TimeoutError(f"version {version} does not answer after {TAKES_OVER_SECONDS} seconds")
            time.sleep(0.1)
        self.took.append((version, time.monotonic() - at))

    def _answers(self) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request("GET", "/ready")
            return json.loads(connection.getresponse().read())["version"]


class Memory(threading.Thread):
    """Megabytes of a process, looked at each second for some seconds. most: with those below it."""

    # Of the begin: a few pages more are in use once everything was asked for once.
    GROWTH = 1.1

    def __init__(self, pid: int, seconds: float) -> None:
        super().__init__()
        self._process, self._seconds = psutil.Process(pid), seconds
        self.begin = self.end = self.most = 0.0

    def run(self) -> None:
        ends = time.monotonic() + self._seconds
        self.begin = self._alone()
        while time.monotonic() < ends:
            self.most = max(self.most, self._with_helpers())
            time.sleep(1)
        self.end = self._alone()

    def grown(self) -> list[str]:
        if self.end <= self.begin * self.GROWTH:
            return []
        return [f"memory grew from {self.begin:.0f} to {self.end:.0f} MB"]

    def _alone(self) -> float:
        return self._process.memory_full_info().pss / 1e6

    def _with_helpers(self) -> float:
        try:
            return serve.memory_of(self._process.pid)
        except psutil.NoSuchProcess:  # a helper has ended while it was looked at
            return 0.0


if __name__ == "__main__":
    main()
