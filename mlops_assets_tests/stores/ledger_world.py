"""A small honest world that the ledger tells of, and ways to tamper with it as who owns the database can."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from mlops_assets.declaration.access import Policy
from mlops_assets.governance.canonical import canonical, digest
from mlops_assets.governance.certificate import Certificate
from mlops_assets.governance.contract import Contract
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.ledger import Entry, seal
from mlops_assets.governance.reasons import Reason
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.steps.ledger import note, verify
from mlops_assets.stores.attestations import Attestation
from mlops_assets.stores.commit import Commit, PartitionRecord, Provenance
from mlops_assets.stores.database import SCHEMA, open_database
from mlops_assets.stores.denials import Denial
from mlops_assets.stores.guards import guard
from mlops_assets.stores.overrides import Subject
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.releases import Candidate
from mlops_assets.stores.retrainings import RetrainingDecision, VerifiedRelease
from mlops_assets.stores.stores import Places, Stores

YES = Decision("promote", (Reason("floor", "promote", "good enough"),))
MOMENT = "2024-01-01T00:00:00+00:00"


def opened(home: Path, url: str, *anchors: str) -> Stores:
    return Stores.open(replace(Places.below(home), database=url, anchors=anchors))


def ruled(stores: Stores) -> Stores:
    """The same under a policy, with a token that was revoked, and somebody who was refused."""
    stores.policies.adopt(Policy(roles={}), after=0, by="Ada", reason="first", at=MOMENT)
    token, _ = stores.tokens.make("Ada", days=1, by="Ada", at=MOMENT)
    stores.tokens.revoke(token.id, by="Ada", reason="lost", at=MOMENT)
    stores.denials.note(Denial("Bo", "run", "model:model", "no role of Bo's allows it"))
    return stores


def made(stores: Stores) -> Stores:
    """Two tables, three releases, a rollback, an override, a certificate, and the loop's words; anchored."""
    commit(stores, "raw/t", 0, ["a", "b", "c"])
    commit(stores, "good/t", 0, ["a", "b"], reads="raw/t")
    note(stores)
    for number in (1, 2):
        release(stores, number)
    note(stores)
    stores.reigns.begin("model", 1, after=2, by="Ada", reason="late", at=MOMENT, run_id="")
    subject = Subject("good/t", "c", "f", "late")
    stores.overrides.give(subject, by="Ada", reason="known", at=MOMENT)
    certify(stores, 1)
    stores.attestations.give(Attestation("model", "privacy", "Ada", "https://x/privé", MOMENT, MOMENT))
    stores.retrainings.decide(
        RetrainingDecision("model", "2024-03-01", "looked", "look", True, "drift", "sensor", MOMENT)
    )
    stores.retrainings.add_verification(
        VerifiedRelease(
            "model", 2, 2, "2024-03-02", "waiting", "too early", {"2024-03-01": 0.1}, MOMENT, "run"
        )
    )
    commit(stores, "raw/t", 1, ["b"], refused=["d"])
    note(stores)
    commit(stores, "raw/t", 2, ["c"])
    release(stores, 3)
    return stores


def commit(stores, table, version, partitions, reads=None, refused=()):
    stores.records.begin(table, f"delta of {table}")
    said = (Verdict("late", False, "an hour – ö"), Verdict("wide", True, "", blocking=True))
    records = {
        one: PartitionRecord(
            len(one),
            f"{one}{version}",
            reads=(Content(reads, one, 0, 1, f"{one}0"), Content("file", one, 0, 0, "sha")) if reads else (),
            verdicts=said,
        )
        for one in partitions
    }
    no = {one: (Verdict("schema", False, "no byte", blocking=True),) for one in refused}
    made_by = Provenance("code", f"run of {table} {version}", MOMENT)
    stores.records.adopt(version, Commit(table, made_by, records, no))


def contract():
    """One that promises nothing."""
    texts = dict.fromkeys(("model", "owner", "as_of", "model_digest", "service", "features", "question"), "")
    maps = ("keys", "inputs", "output", "views", "label", "objectives", "resources", "metrics", "training")
    return Contract(**texts, edition=1, **{one: {} for one in (*maps, "code", "environment")})


def release(stores, number, instead=None):
    evidence = Evidence(
        "model", f"2024-0{number}-01", "a", 100, 20, "2023-12-01", "2023-12-31", {"auc": 0.1 * number}, {}
    )
    who = Candidate(
        "model",
        f"2024-0{number}-01",
        f"digest {number}",
        stores.artifacts.save({"model": f"{number}".encode()}),
        f"evidence {number}",
        "mlflow run",
        "features",
        {"view": "sql=1"},
        stores.artifacts.save({"contract.json": json.dumps(contract().to_dict()).encode()}),
    )
    stores.releases.record(
        who,
        evidence,
        YES,
        against=stores.releases.against("model"),
        by="gates",
        at=MOMENT,
        run_id="run",
        instead=instead,
    )


def certify(stores, version):
    one = stores.releases.version("model", version)
    stores.certificates.keep(
        Certificate("model", version, one.artifact_digest, "m", "m", 9, 0.0, ("other machine",), (), MOMENT)
    )


def found(stores: Stores):
    return verify(stores).findings


class Owner:
    """Somebody who may do anything to the database: drops the guards, tampers, and puts them back."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        self.is_postgres = self.database.dialect.name == "postgresql"

    @contextmanager
    def unguarded(self, *, restored=True) -> Iterator[sa.Connection]:
        with self.database.begin() as connection:
            self.drop_guards(connection)
            yield connection
            if restored:
                for table in SCHEMA.sorted_tables:
                    guard(connection, table)

    def drop_guards(self, connection):
        if self.is_postgres:
            query = "SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal"
            for name, table in connection.exec_driver_sql(query).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name} ON {table}")
        else:
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in connection.exec_driver_sql(query).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")

    def run(self, *statements: str, **values):
        with self.unguarded() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)

    def entries(self) -> list[Entry]:
        with self.database.connect() as connection:
            names = ", ".join(f'"{name}"' for name in Entry.__slots__)
            rows = connection.exec_driver_sql(f"SELECT {names} FROM ledger ORDER BY number")
            return [Entry(*row) for row in rows]

    def number_of(self, kind, nth=0):
        return [one.number for one in self.entries() if one.kind == kind][nth]

    def rewrite(self, entries: list[Entry]) -> None:
        """Put these entries in the place of all, whatever the constraints of the table say."""
        with self.unguarded() as connection:
            connection.exec_driver_sql("DELETE FROM ledger")
            names = ", ".join(f'"{name}"' for name in Entry.__slots__)
            places = ", ".join(f":{name}" for name in Entry.__slots__)
            rows = [{name: getattr(one, name) for name in Entry.__slots__} for one in entries]
            if rows:
                connection.execute(sa.text(f"INSERT INTO ledger ({names}) VALUES ({places})"), rows)

    def without_constraints(self) -> None:
        """The ledger as a table in which anything may be twice."""
        with self.unguarded() as connection:
            connection.exec_driver_sql("CREATE TABLE other AS SELECT * FROM ledger")
            connection.exec_driver_sql("DROP TABLE ledger")
            connection.exec_driver_sql("ALTER TABLE other RENAME TO ledger")


def sealed(entries: list[Entry], first: int = 1) -> list[Entry]:
    """The entries from a number on, numbered and sealed anew: what somebody does who knows how."""
    done = entries[: first - 1]
    for one in entries[first - 1 :]:
        done.append(resealed(one, len(done) + 1, done[-1].hash if done else "0" * 64))
    return done


def resealed(one: Entry, number: int, previous: str) -> Entry:
    body_digest = digest(one.body)
    said = (number, one.kind, one.subject, body_digest, one.at, one.by, previous)
    return Entry(number, one.kind, one.subject, one.body, body_digest, one.at, one.by, previous, seal(*said))


def saying(entry: Entry, **changed) -> Entry:
    """The same entry with another body."""
    return replace(entry, body=canonical({**json.loads(entry.body), **changed}))


def copied_home(stores: Stores, to: Path) -> Path:
    return Path(shutil.copytree(stores.places.home, to))
