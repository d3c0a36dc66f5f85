"""What an entry of the ledger costs beside a bare insert into the same database, and how fast all is verified.

`alone`: a transaction for each; `together`: a thousand in one. `bare` is a row with the same body in a table without
a trigger, in the same transactions. Trust the ratios.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from bench.machine import described
from mlops_assets.steps.ledger import note, verify
from mlops_assets.stores.database import open_database
from mlops_assets.stores.ledger import Draft
from mlops_assets.stores.stores import Places, Stores

POSTGRES = "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres"
TOGETHER = 1_000
BARE = sa.Table(
    "bare", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text)
)
BODY = {"model": "m", "version": 7, "digest": "0" * 64, "reasons": ["good enough", "no worse"], "score": 0.25}


def main() -> None:
    arguments = _arguments()
    print(described())
    print(f"{'':<12}{'alone: ms':>12}{'of bare':>9}{'together: µs':>14}{'of bare':>9}{'verified':>14}")
    for name in ("SQLite", "PostgreSQL"):
        with stores_on(name, arguments.postgres) as stores:
            print(f"{name:<12}{row(stores, arguments.alone, arguments.entries)}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=50_000, help="in the ledger (default: %(default)s)")
    parser.add_argument("--alone", type=int, default=300, help="of them alone (default: %(default)s)")
    parser.add_argument("--postgres", default=POSTGRES, help="a server (default: %(default)s)")
    return parser.parse_args()


@contextmanager
def stores_on(name: str, server: str) -> Iterator[Stores]:
    with tempfile.TemporaryDirectory() as folder:
        places = Places.below(Path(folder))
        if name == "SQLite":
            yield Stores.open(places)
            return
        admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        database = f"mlops_bench_{uuid.uuid4().hex}"
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {database}"))
        url = admin.url.set(database=database).render_as_string(hide_password=False)
        yield Stores.open(replace(places, database=url))
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {database} WITH (FORCE)"))


def row(stores: Stores, alone: int, count: int) -> str:
    database = open_database(stores.places.database)
    BARE.create(database)
    drafts = [Draft("bench", f"entry {number}", BODY) for number in range(TOGETHER)]
    bodies = [{"body": str(BODY)}] * TOGETHER
    single = {"ours": 0.0, "bare": 0.0}
    for number in range(alone):  # in turns, so that a noisy moment falls on both
        single["ours"] += seconds(lambda one=drafts[number % TOGETHER]: stores.ledger.append(one))
        single["bare"] += seconds(lambda: bare(database, bodies[:1]))
    many = {"ours": 0.0, "bare": 0.0}
    batches = max(1, (count - alone) // TOGETHER)
    for _ in range(batches):
        many["ours"] += seconds(lambda: stores.ledger.append(*drafts))
        many["bare"] += seconds(lambda: bare(database, bodies))
    note(stores)
    started = time.perf_counter()
    found = verify(stores)
    took = time.perf_counter() - started
    assert found.whole
    each = [1000 * single["ours"] / alone, single["ours"] / single["bare"]]
    together = [1e6 * many["ours"] / batches / TOGETHER, many["ours"] / many["bare"]]
    database.dispose()
    return (
        f"{each[0]:12.2f}{each[1]:8.2f}x{together[0]:14.1f}{together[1]:8.2f}x{found.entries / took:12,.0f}/s"
        f"  of {found.entries:,}"
    )


def bare(database: sa.Engine, rows: list[dict[str, str]]) -> None:
    with database.begin() as connection:
        connection.execute(sa.insert(BARE), rows)


def seconds(act) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
