"""One row asked of a served model: ours, FastAPI with scikit-learn, BentoML, `mlflow models serve`, an idle server.

The same pipeline (gradient boosting, 150 trees, 16 numbers and 4 categories) answers everywhere, by one worker with
one thread. Ours looks 4 of the numbers up online (SQLite, or Redis), holds the request to the contract and writes the
answer down before it is given; peers are sent all inputs and do none of that. "no log" and "no validation" leave out
one of the two. BentoML is asked where --bentoml names a Python that has it, scikit-learn, pandas and joblib. Blocking
sockets from this process ask over loopback, in turns; trust the ratios. Seconds to the first answer and memory
(proportional set size, of the whole process tree) are those of the processes that were asked.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import described

MODEL, VIEW, SERVICE = "asked", "habits", "all"
NUMBERS = [f"n{number}" for number in range(12)]
LOOKED_UP = [f"{VIEW}__f{number}" for number in range(4)]
CATEGORIES = {f"c{number}": [f"v{value}" for value in range(5 + 5 * number)] for number in range(4)}
TYPES = {**dict.fromkeys((*NUMBERS, *LOOKED_UP), "number"), **dict.fromkeys(CATEGORIES, "string")}
CUSTOMERS = 1000
# Where a child finds the address of its online store.
ADDRESS = "redis.address"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        CHILDREN[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(
        prog="python -m bench serve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measure (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS)
    parser.add_argument(
        "--bentoml", type=Path, help="a Python that has BentoML, in an environment of its own"
    )
    parser.add_argument("--redis", help="where to look features up beside SQLite: redis://127.0.0.1:6379/0")
    arguments = parser.parse_args()
    lacking = {
        name
        for name, given in (("BentoML", arguments.bentoml), ("ours, Redis", arguments.redis))
        if not given
    }
    names = arguments.only or [name for name in CONTESTANTS if name not in lacking]
    if lacking & set(names):
        parser.error(f"{', '.join(sorted(lacking & set(names)))}: say --bentoml PYTHON, --redis ADDRESS")
    with tempfile.TemporaryDirectory() as name, of_its_own(arguments.redis) as address:
        folder = Path(name)
        row = make_world(folder, redis=address)
        found = [asked(folder, row, one, arguments) for one in names]
    print(described())
    print(
        f"best of {arguments.rounds} rounds of {arguments.seconds:g} s; requests of one row unless it says otherwise"
    )
    print(
        f"{'':<26}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}{'per s, 8':>10}{'100 rows ms':>13}{'start s':>9}{'MB':>7}"
    )
    for one in found:
        print(
            f"{one.name:<26}{one.p50:>9.3f}{one.p99:>9.3f}{one.rate:>9.0f}{one.rate_of_eight:>10.0f}"
            f"{one.hundred:>13.2f}{one.start:>9.1f}{one.megabytes:>7.0f}"
        )
    print_ratios({one.name: one for one in found})


def print_ratios(of: dict[str, "Found"]) -> None:
    if "ours" not in of:
        return
    ours = of["ours"]
    for name in PEERS:
        if name in of:
            peer = of[name]
            print(
                f"ours beside {name}: {ours.rate / peer.rate:.1f}x requests a second, p50 {ours.p50 / peer.p50:.2f}, "
                f"100 rows {ours.hundred / peer.hundred:.2f}, memory {ours.megabytes / peer.megabytes:.2f}, "
                f"start {ours.start / peer.start:.1f}"
            )
    for what in ("log", "validation"):
        if f"ours, no {what}" in of:
            print(f"the {what}: {(ours.p50 - of[f'ours, no {what}'].p50) * 1000:.0f} microseconds of the p50")


@dataclass(frozen=True)
class Found:
    name: str
    start: float
    p50: float
    p99: float
    rate: float
    rate_of_eight: float
    hundred: float
    megabytes: float


def asked(folder: Path, row: dict, name: str, arguments: argparse.Namespace) -> Found:
    path, body_of = CONTESTANTS[name]
    python = arguments.bentoml if name == "BentoML" else None
    one, hundred = (request_of(path, body_of(folder, [row] * count)) for count in (1, 100))
    begun = time.perf_counter()
    with started(folder, name, python) as (process, port):
        first_answer(process, port, one)
        start = time.perf_counter() - begun
        rounds = []
        for _ in range(arguments.rounds):
            ask(port, one, 1, 0.5)  # warms up
            alone = ask(port, one, 1, arguments.seconds)
            eight = ask(port, one, 8, arguments.seconds)
            many = ask(port, hundred, 1, arguments.seconds / 2)
            rounds.append((alone, eight, many))
        megabytes = memory_of(process.pid)
    alone = min((of for of, _, _ in rounds), key=statistics.median)
    return Found(
        name,
        start,
        statistics.median(alone) * 1000,
        statistics.quantiles(alone, n=100)[98] * 1000,
        len(alone) / sum(alone),
        max(len(of) for _, of, _ in rounds) / arguments.seconds,
        min(statistics.median(of) for _, _, of in rounds) * 1000,
        megabytes,
    )


def ask(port: int, request: bytes, connections: int, seconds: float) -> list[float]:
    """How long each request took, on so many connections, each asking again when it is answered."""
    took: list[list[float]] = [[] for _ in range(connections)]
    failed: list[Exception] = []

    def of_one(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ends = time.perf_counter() + seconds
                while (begun := time.perf_counter()) < ends:
                    answered(connection, request)
                    took[number].append(time.perf_counter() - begun)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=of_one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [one for of in took for one in of]


def answered(connection: socket.socket, request: bytes) -> bytes:
    """Ask once, and what is answered; what is not a 200 is an error."""
    connection.sendall(request)
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(answer[:500])
    (length,) = (
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return body


def request_of(path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def first_answer(process: "subprocess.Popen[bytes]", port: int, request: bytes) -> None:
    ends = time.perf_counter() + 180
    while time.perf_counter() < ends:
        if process.poll() is not None:
            raise SystemExit(f"it ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            answered(connection, request)
            return
        time.sleep(0.05)
    raise SystemExit("no answer in three minutes")


@contextmanager
def of_its_own(address: str | None):
    """A Redis address with a prefix that nothing else has; what was written there is gone afterwards."""
    import redis

    if address is None:
        yield None
        return
    prefix = f"bench-serve-{os.getpid()}:"
    try:
        yield f"{address}?prefix={prefix}"
    finally:
        client = redis.Redis.from_url(address)
        for name in client.scan_iter(f"{prefix}*"):
            client.delete(name)


@contextmanager
def started(folder: Path, name: str, python: Path | None = None):
    """A contestant in a process group of its own, on a free port. python: another one than this."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / f"{name.replace(' ', '-')}.log"
    if name == "mlflow models serve":
        mlflow = Path(sys.executable).with_name("mlflow")
        command = [mlflow, "models", "serve", "-m", folder / "mlflow", "--env-manager", "local", "-w", "1"]
        command += ["-h", "127.0.0.1", "-p", str(port)]
    elif name == "BentoML":
        (folder / "of_bentoml.py").write_text(OF_BENTOML)
        command = [python, "-m", "bentoml", "serve", "of_bentoml:Asked", "--working-dir", folder]
        command += ["--host", "127.0.0.1", "--port", str(port)]
    else:
        command = [sys.executable, "-m", "bench.serve", "--child", name, folder, str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "true"}
    environment = {**os.environ, **ONE_THREAD, **quiet, "PATH": path, "MODEL": str(folder / "model.joblib")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process, port
    except BaseException:
        print(log.read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def memory_of(pid: int) -> float:
    """Megabytes of a process and all below it, shared pages by their share."""
    import psutil

    whole = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (whole, *whole.children(recursive=True))) / 1e6


def make_world(folder: Path, *, redis: str | None = None) -> dict:
    """A released model with its feature view online, the same model for the peers; a row that is asked about."""
    import joblib
    import mlflow.sklearn

    from mlops_assets.modeling.frames import frame
    from mlops_assets.modeling.serialization import MODEL as FILE
    from mlops_assets.modeling.serialization import needed_types, to_files

    trained, rows = learned(seed=3)
    joblib.dump(trained.model, folder / "model.joblib")
    mlflow.sklearn.save_model(
        trained.model,
        folder / "mlflow",
        input_example=frame(rows, trained.inputs).head(2),
        pip_requirements=["scikit-learn"],
        skops_trusted_types=needed_types(to_files(trained, question="q")[FILE]),
    )
    for home, online in (("home", ""), *([("redis", redis)] if redis else [])):
        shelves = shelves_at(folder / home, online)
        put_online(shelves, rows)
        release(shelves, trained, rows)
    if redis:
        (folder / ADDRESS).write_text(redis)
    return row_of(rows)


def row_of(rows) -> dict:
    return {
        "customer_id": 7,
        **{name: float(rows[name][0]) for name in (*NUMBERS, *LOOKED_UP)},
        **{name: str(rows[name][0]) for name in CATEGORIES},
    }


def shelves_at(home: Path, online: str = ""):
    from mlops_assets.serving.shelves import Shelves

    return Shelves.open(places_at(home, online))


def places_at(home: Path, online: str = ""):
    from mlops_assets.stores.stores import Places

    home.mkdir(exist_ok=True)
    return replace(Places.below(home), online=online)


def learned(*, seed: int):
    """A trained model with the rows that it learned from."""
    import numpy as np
    import pandas as pd

    from mlops_assets.declaration.estimator import Estimator
    from mlops_assets.declaration.model import Label, Model, Window
    from mlops_assets.modeling.training import train

    random, count = np.random.default_rng(seed), 5000
    rows = pd.DataFrame(
        {
            **{name: random.normal(size=count) for name in (*NUMBERS, *LOOKED_UP)},
            **{name: random.choice(values, count) for name, values in CATEGORIES.items()},
        }
    )
    signal_of = rows[NUMBERS[0]] + rows[LOOKED_UP[0]] * (rows["c0"] == "v1") + random.normal(size=count)
    rows = rows.assign(label=signal_of > 0.5, use="train")
    declared = Model(
        name=MODEL,
        owner="team:bench",
        label=Label(table="t", positive="x"),
        features=SERVICE,
        estimator=Estimator(
            path="sklearn.ensemble.HistGradientBoostingClassifier",
            parameters={"max_iter": 150, "learning_rate": 0.06, "early_stopping": False},
        ),
        window=Window(train_days=28, evaluate_days=7),
        seed=1,
    )
    return train(declared.recipe(TYPES), rows), rows


def repository():
    from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView

    view = FeatureView.model_validate(
        {
            "name": VIEW,
            "owner": "team:bench",
            "entities": ["customer"],
            "reads": {"t": "0d"},
            "sql": "SELECT 1",
            "ttl": "720h",
            "features": {name.removeprefix(f"{VIEW}__"): {"type": "number"} for name in LOOKED_UP},
        }
    )
    service = FeatureService.model_validate({"name": SERVICE, "owner": "team:bench", "features": [VIEW]})
    entity = Entity(name="customer", key="customer_id", type="integer")
    return FeatureRepository.of([entity], [view], [service])


def release(shelves, trained, rows, as_of: str = "2026-01-01") -> None:
    """A version more, which reigns."""
    from mlops_assets.declaration.versions import declared_version, delivered_hash
    from mlops_assets.governance.contract import Contract, Input
    from mlops_assets.governance.evidence import Evidence
    from mlops_assets.governance.gates import Decision
    from mlops_assets.modeling.golden import Golden
    from mlops_assets.modeling.serialization import to_files
    from mlops_assets.stores.releases import Candidate

    def seen(name: str) -> Input:
        origin = "features" if name in LOOKED_UP else "request"
        if name in CATEGORIES:
            return Input("string", origin, categories=tuple(sorted(CATEGORIES[name])))
        return Input("number", origin, float(rows[name].min()), float(rows[name].max()))

    features = repository()
    version = declared_version(features, VIEW)
    contract = Contract(
        model=MODEL,
        owner="team:bench",
        edition=1,
        as_of=as_of,
        model_digest=trained.digest,
        keys={"customer_id": "integer"},
        inputs={name: seen(name) for name in TYPES},
        output={"version": "integer", "probability": "double from 0 to 1"},
        service=SERVICE,
        features=delivered_hash(features, SERVICE, {VIEW: version}),
        views={VIEW: str(version)},
        question="q",
        label={},
        objectives={},
        resources={},
        metrics={},
        training={},
        code={},
        environment={},
        prediction_log="wanted",
    )
    golden = Golden.made(trained.model, trained.inputs, rows, seed=1)
    candidate = Candidate(
        model=MODEL,
        as_of=contract.as_of,
        model_digest=trained.digest,
        artifact_digest=shelves.artifacts.save({**to_files(trained, question="q"), **golden.to_files()}),
        evidence="e",
        mlflow_run_id="",
        feature_hash=contract.features,
        view_versions=contract.views,
        contract=shelves.artifacts.save(contract.to_files()),
    )
    shelves.releases.record(
        candidate,
        Evidence(MODEL, contract.as_of, trained.digest, 1, 1, contract.as_of, contract.as_of, {}, {}),
        Decision("promote", ()),
        against=shelves.releases.against(MODEL),
        by="bench",
        at=f"{as_of}T00:00:00+00:00",
        run_id="",
    )


def put_online(shelves, rows) -> None:
    from mlops_assets.declaration.versions import declared_version
    from mlops_assets.stores.online import OnlineView, microseconds

    version = declared_version(repository(), VIEW)
    known = microseconds(datetime.now(UTC) - timedelta(hours=1))
    kinds = {name.removeprefix(f"{VIEW}__"): "number" for name in LOOKED_UP}
    described = OnlineView(VIEW, str(version), {"customer_id": "integer"}, kinds, 30 * 86400, known, 0, "c")
    values = [float(rows[name][0]) for name in LOOKED_UP]
    online = [[customer, known, known, *values] for customer in range(CUSTOMERS)]
    shelves.online.put(described, online, seen=None, whole=True)
    shelves.online.serve(VIEW, str(version))


def serve_ours(
    folder: Path, port: int, *, log: bool = True, validation: bool = True, redis: bool = False
) -> None:
    from mlops_assets.serving import app as http
    from mlops_assets.serving.request import Request
    from mlops_assets.serving.server import Server, listener_at
    from mlops_assets.serving.service import Service
    from mlops_assets.stores.prediction_log import PredictionLog, log_folder

    if not validation:
        http.read_request = lambda body, fields: Request("unread", json.loads(body)["rows"])
    home = folder / ("redis" if redis else "home")
    kept = PredictionLog(log_folder(home, MODEL)) if log else None
    online = (folder / ADDRESS).read_text() if redis else ""
    service = Service(shelves_at(home, online), repository(), MODEL, kept)
    with listener_at("127.0.0.1", port) as listener:
        Server(http.App(service), listener, drain_seconds=0, started=lambda: None).serve_for_ever()


def serve_fastapi(folder: Path, port: int) -> None:
    import joblib
    import pandas as pd
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    model = joblib.load(folder / "model.joblib")
    columns = list(model.feature_names_in_)
    row = create_model("Row", **{name: (str if name in CATEGORIES else float, ...) for name in columns})
    asked = create_model("Asked", rows=(list[row], ...))
    app = FastAPI()

    @app.post("/predict")
    def predict(request: asked) -> dict:
        rows: list[BaseModel] = request.rows
        frame = pd.DataFrame([one.model_dump() for one in rows], columns=columns)
        return {"probabilities": model.predict_proba(frame)[:, 1].tolist()}

    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


OF_BENTOML = """
import os

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Asked:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])
        self.columns = list(self.model.feature_names_in_)

    @bentoml.api
    def predict(self, rows: list[dict]) -> dict:
        frame = pd.DataFrame(rows, columns=self.columns)
        return {"probabilities": self.model.predict_proba(frame)[:, 1].tolist()}
"""


def serve_nothing(folder: Path, port: int) -> None:
    import uvicorn

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        answer = json.dumps({"probabilities": [0.5] * len(json.loads(body)["rows"])}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


def body_of_ours(folder: Path, rows: list[dict]) -> bytes:
    return json.dumps(
        {"rows": [{name: one for name, one in row.items() if name not in LOOKED_UP} for row in rows]}
    ).encode()


def body_of_peers(folder: Path, rows: list[dict]) -> bytes:
    return json.dumps(
        {"rows": [{name: one for name, one in row.items() if name != "customer_id"} for row in rows]}
    ).encode()


def body_of_mlflow(folder: Path, rows: list[dict]) -> bytes:
    columns = [name for name in rows[0] if name != "customer_id"]
    split = {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}
    return json.dumps({"dataframe_split": split}).encode()


CONTESTANTS = {
    "ours": ("/predict", body_of_ours),
    "ours, Redis": ("/predict", body_of_ours),
    "ours, no log": ("/predict", body_of_ours),
    "ours, no validation": ("/predict", body_of_ours),
    "FastAPI + scikit-learn": ("/predict", body_of_peers),
    "BentoML": ("/predict", body_of_peers),
    "mlflow models serve": ("/invocations", body_of_mlflow),
    "no-op": ("/predict", body_of_peers),
}
PEERS = ("FastAPI + scikit-learn", "BentoML", "mlflow models serve", "no-op")
CHILDREN = {
    "ours": serve_ours,
    "ours, Redis": lambda folder, port: serve_ours(folder, port, redis=True),
    "ours, no log": lambda folder, port: serve_ours(folder, port, log=False),
    "ours, no validation": lambda folder, port: serve_ours(folder, port, validation=False),
    "FastAPI + scikit-learn": serve_fastapi,
    "no-op": serve_nothing,
}


if __name__ == "__main__":
    main()
