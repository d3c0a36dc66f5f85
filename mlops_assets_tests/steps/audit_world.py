"""A small honest world with a released version of the shop's model, made by hand: it trains nothing."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import pyarrow as pa

from mlops_assets.declaration.versions import feature_hash, question, view_versions
from mlops_assets.governance.certificate import Certificate
from mlops_assets.governance.contract import Contract, Input
from mlops_assets.governance.evidence import Evidence, Group, Slice
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.ledger import Entry
from mlops_assets.governance.reasons import Reason
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.modeling.made import Made, Rows
from mlops_assets.steps.contract import keep_contract
from mlops_assets.steps.ledger import note
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.overrides import Subject
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Candidate
from mlops_assets.stores.retrainings import RetrainingDecision, VerifiedRelease
from mlops_assets_tests.sandbox import SHOP, load_project, make_project
from mlops_assets_tests.stores.ledger_world import opened

MOMENT = "2024-04-10T00:00:00+00:00"
AS_OF, NEXT = "2024-03-29", "2024-04-05"
DAYS = ("2024-03-27", "2024-03-28")
FILE = Content("landing:bestellungen-ö-订单.csv", "all", 0, 0, sha256(b"rows").hexdigest())
HOLD = Decision("hold", (Reason("champion", "hold", "log_loss 0.01 worse – naïve"),), 0.05)


@cache
def shop():
    """The shop's project."""
    return load_project(make_project(Path(mkdtemp()), like=SHOP))


def world(home: Path, url: str):
    """The stores, after a release, a challenger that was held and then overridden, a rollback and much else."""
    stores = opened(home, url)
    raw = write(stores, "raw/orders", dict.fromkeys(DAYS, (FILE,)), refused={"2024-03-30": "no byte – ö"})
    good = write(stores, "validated/orders", {day: (one,) for day, one in zip(DAYS, raw, strict=True)})
    learned = write(stores, "returned/training_set", {AS_OF: tuple(good)})
    trained = write(stores, "returned/model", {AS_OF: tuple(learned)})
    report = write(stores, "returned/evaluation_report", {AS_OF: (*learned, *trained)})
    release(stores, AS_OF, (*trained, *report), Decision("promote", (Reason("rows", "promote", "enough"),)))
    note(stores)
    write(
        stores,
        "returned/drift_report",
        {NEXT: ()},
        passed=False,
        as_of=NEXT,
        champion_version=1,
        verdict="drift",
    )
    write(stores, "returned/performance_report", {NEXT: ()})
    write(stores, "returned/release", {AS_OF: (*trained, *report)})
    one = stores.releases.version("returned", 1)
    stores.certificates.keep(
        Certificate(
            "returned", 1, one.artifact_digest, one.model_digest, one.model_digest, 9, 0.0, (), (), MOMENT
        )
    )
    held = write(stores, "returned/model", {NEXT: tuple(good)})
    release(stores, NEXT, tuple(held), HOLD)
    given = stores.overrides.give(
        Subject("returned/release", NEXT, "digest", "gate"), by="Zoë 王", reason="bekannt – ok", at=MOMENT
    )
    release(stores, NEXT, tuple(held), HOLD.overridden("Zoë 王", "bekannt"), by=given)
    stores.reigns.begin("returned", 1, after=2, by="Zoë 王", reason="back", at=MOMENT, run_id="")
    stores.retrainings.decide(
        RetrainingDecision("returned", NEXT, "looked", "look", True, "drift", "sensor", MOMENT)
    )
    stores.retrainings.add_verification(
        VerifiedRelease("returned", 1, 1, NEXT, "kept", "as good", {NEXT: 0.1}, MOMENT, "run")
    )
    # Of another model, and of a table that the version was not made from.
    write(stores, "returned_twice/drift_report", {NEXT: ()})
    write(stores, "raw/other", dict.fromkeys(DAYS, ()))
    note(stores)
    return stores


def write(stores, table, reads, *, passed=True, refused=None, at=MOMENT, checks=("wide", "shift"), **values):
    """Write these partitions, each with what it read; what they hold now. values: of their one row."""
    wide, shift = checks
    said = (Verdict(wide, True, "", blocking=True), Verdict(shift, passed, "moved – ö", error=True))
    rows = pa.Table.from_pylist([{"partition": day, "of": day, **values} for day in reads])
    no = {day: (Verdict("schema", False, why, blocking=True),) for day, why in (refused or {}).items()}
    made = Produced(rows, list(reads), reads=reads, verdicts=dict.fromkeys(reads, said), refused=no)
    stores.lake.write(table, made, Provenance("code", f"run of {table}", at))
    return stores.records.contents(table, partitions=list(reads))


def evidence(as_of, **more):
    """What was measured of the model of a date."""
    found = Evidence(
        "returned",
        as_of,
        f"model of {as_of}",
        500,
        100,
        "2024-03-21",
        "2024-03-28",
        {"log_loss": 0.4},
        {"log_loss": 0.5},
    )
    return replace(
        found,
        slices=[Slice("channel", "web", 100, 10)],
        groups=[Group("channel", [], [], 0.9, [0.8, 1.0], 0.1, [0.0, 0.2])],
        numeric={"outside": 0.0, "alone": 0.0, "order": 0.0},
        milliseconds={"p50": 1.0, "p95": 2.0},
        **more,
    )


def release(stores, as_of, made_from, decision, *, by="gates", measured=None, searched=False, at=MOMENT):
    """What the release asset does with a decision."""
    project, found = shop(), measured or evidence(as_of)
    model, catalog = project.model("returned"), project.catalog
    recipe = model.recipe(catalog.input_types(model))
    environment = {
        "python": "3.11.7",
        "system": "Linux",
        "machine": "x86_64",
        "packages": {"numpy": "2.4", "pandas": "2.3"},
    }
    made = Made(recipe, Rows("returned/training_set", as_of, 0, "f"), "code", environment)
    files = {"model.skops": f"bytes of {as_of}".encode(), "made.json": made.to_bytes()}
    if searched:
        files["search.json"] = json.dumps({"parameters": {"C": 1.0}}).encode()
    candidate = Candidate(
        "returned",
        as_of,
        f"model of {as_of}",
        stores.artifacts.save(files),
        f"evidence {as_of}",
        "mlflow",
        feature_hash(catalog, model.features),
        {name: str(one) for name, one in view_versions(catalog, model.features).items()},
        keep_contract(stores, contract(as_of, question(catalog, model))),
        made_from,
    )
    return stores.releases.record(
        candidate,
        found,
        decision,
        against=stores.releases.against("returned"),
        by=by,
        at=at,
        run_id="run",
    )


def contract(as_of, asked):
    """A contract that says little."""
    return Contract(
        "returned", "team:shop", 1, as_of, "m", {"customer_id": "integer"},
        {"amount": Input("number", "request")}, {"probability": "double from 0 to 1"}, "at_checkout", "f", {}, asked,
        {"table": "orders", "positive": "returned"}, {"p95_ms": 500.0}, {"memory_mb": 512}, {"log_loss": 0.4},
        {"raw/orders@2024-03-27": "x"}, {"version": "code"}, {"python": "3.11.7"},
    )  # fmt: skip


def bare(pack: Path, *arguments: str, verifier: Path | None = None):
    """Run a pack's verifier, or another one on it, with no installed package and no variable; its code and lines."""
    of = [verifier, pack] if verifier else [pack / "verify.py"]
    done = subprocess.run(
        [os.path.realpath(sys.executable), "-I", "-S", *of, *arguments],
        env={},
        cwd="/",
        capture_output=True,
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


class Tamperer:
    """Somebody who has a copy of a pack and an editor."""

    def __init__(self, pack: Path, to: Path) -> None:
        self.pack = Path(shutil.copytree(pack, to))

    def read(self, name: str) -> str:
        return (self.pack / name).read_text(encoding="utf-8")

    def lines(self, name: str) -> list[dict]:
        return [json.loads(line) for line in self.read(name).split("\n") if line]

    def write(self, name: str, content: str | bytes) -> None:
        (self.pack / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def write_lines(self, name: str, values: list[dict]) -> None:
        self.write(
            name, "".join(json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n" for one in values)
        )

    def list_anew(self) -> None:
        """Make the MANIFEST agree with what is there now."""
        paths = sorted(one for one in self.pack.rglob("*") if one.is_file() and one.name != "MANIFEST")
        lines = sorted(
            (one.relative_to(self.pack).as_posix(), sha256(one.read_bytes()).hexdigest()) for one in paths
        )
        self.write("MANIFEST", "".join(f"{digest}  {name}\n" for name, digest in lines))

    def sealed_anew(self, chain: list[dict]) -> list[dict]:
        """A chain of these entries, numbered and sealed so that it is whole."""
        done: list[Entry] = []
        for one in chain:
            said = {name: one[name] for name in ("kind", "subject", "by", "at")}
            entry = Entry.after(done[-1] if done else None, body="", **said)
            entry = replace(entry, body_digest=one["body_digest"])
            done.append(replace(entry, hash=_seal(entry)))
        names = ("at", "body_digest", "by", "hash", "kind", "number", "previous", "subject")
        return [{name: getattr(one, name) for name in names} for one in done]


def _seal(one: Entry) -> str:
    from mlops_assets.governance.ledger import seal

    return seal(one.number, one.kind, one.subject, one.body_digest, one.at, one.by, one.previous)
