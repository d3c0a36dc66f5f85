"""Traces through the records: what came from what, on SQLite and PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mlops_assets.steps.ledger import verify
from mlops_assets.stores.commit import Commit, PartitionRecord
from mlops_assets.stores.ledger import wait_for_others
from mlops_assets.stores.pinned import Content
from mlops_assets_tests.stores.commits import by
from mlops_assets_tests.stores.ledger_world import Owner, commit, opened


@pytest.fixture
def stores(database_url, tmp_path):
    return opened(tmp_path / "home", database_url)


def write(stores, table, version, **partitions):
    """Partitions of a table, each with what it read."""
    records = {
        one: PartitionRecord(1, f"{table} {one} {version}", tuple(reads)) for one, reads in partitions.items()
    }
    stores.records.adopt(version, Commit(table, by("run"), records))


def content(table, partition, version=0):
    return Content(table, partition, version, 1, f"{table} {partition} {version}")


def file(name, sha="sha"):
    return Content(name, "whole", 0, 0, sha)


STEPS = {
    "raw": lambda stores: write(stores, "raw", 0, a=[file("a.csv")], b=[file("b.csv")], c=[file("c.csv")]),
    "good": lambda stores: write(stores, "good", 0, **{one: [content("raw", one)] for one in "abc"}),
    "view": lambda stores: write(
        stores, "view", 0, b=[content("good", "a"), content("good", "b")], c=[content("good", "c")]
    ),
    "set": lambda stores: write(stores, "set", 0, x=[content("view", "b"), content("good", "b")]),
}


WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


def test_what_two_processes_adopt_at_once_is_linked_and_no_alarm(postgres_url, tmp_path):
    one, other = (opened(tmp_path / "home", postgres_url) for _ in range(2))
    one.records.begin("raw", "its id")
    one.records.begin("good", "its id")
    database = sa.create_engine(postgres_url)
    with ThreadPoolExecutor(2) as pool:
        with database.begin() as connection:
            wait_for_others(connection)
            adopting = [pool.submit(STEPS["good"], one), pool.submit(STEPS["raw"], other)]
            end = time.monotonic() + 30
            while connection.execute(sa.text(WAITING)).scalar_one() < 2:
                assert time.monotonic() < end, "they do not wait for the ledger"
                time.sleep(0.01)
        for done in adopting:
            done.result()
    with database.connect() as connection:
        query = sa.text("SELECT count(*), count(source_id) FROM reading WHERE table_name = 'raw'")
        assert tuple(connection.execute(query).one()) == (3, 3)
    database.dispose()
    assert verify(one).findings == ()


def named(reached):
    trace = reached.graph()
    return {f"{one.table}@{one.partition}:{one.version}" for one in trace.materialized.values()}


def read(reached):
    trace = reached.graph()
    names = {key: f"{one.table}@{one.partition}" for key, one in trace.materialized.items()}
    return {(names[who], names[source]) for who, source in trace.reads}


@pytest.mark.parametrize("order", [list(STEPS), list(reversed(STEPS)), ["view", "raw", "set", "good"]])
def test_a_trace_is_the_same_in_whatever_order_the_records_came(stores, order):
    for step in order:
        STEPS[step](stores)
    lineage = stores.lineage
    back = lineage.backward(lineage.find([content("set", "x")]))
    assert named(back) == {"set@x:0", "view@b:0", "good@a:0", "good@b:0", "raw@a:0", "raw@b:0"}
    assert read(back) == {
        ("set@x", "view@b"),
        ("set@x", "good@b"),
        ("view@b", "good@a"),
        ("view@b", "good@b"),
        ("good@a", "raw@a"),
        ("good@b", "raw@b"),
    }
    assert {(one.table, one.fingerprint) for one in back.graph().ends} == {("a.csv", "sha"), ("b.csv", "sha")}
    forth = lineage.forward(lineage.readers("a.csv"))
    assert named(forth) == {"raw@a:0", "good@a:0", "view@b:0", "set@x:0"}
    assert ("set@x", "good@b") not in read(forth)
    assert named(lineage.forward(lineage.written("raw", "c"))) == {"raw@c:0", "good@c:0", "view@c:0"}
    assert back.files() == [("a.csv", "sha"), ("b.csv", "sha")]
    assert [one[:4] for one in back.tables()] == [
        ("good", 2, "a", "b"),
        ("raw", 2, "a", "b"),
        ("set", 1, "x", "x"),
        ("view", 1, "b", "b"),
    ]
    assert back.among(lineage.written("raw", "a") + lineage.written("raw", "c")) == set(
        lineage.written("raw", "a")
    )
    assert lineage.file_names() == ["a.csv", "b.csv", "c.csv"]
    assert verify(stores).findings == ()


def test_the_version_that_was_read_is_followed_and_not_the_newest(stores):
    for step in STEPS.values():
        step(stores)
    write(stores, "raw", 1, a=[file("a.csv", "mended")])
    write(stores, "good", 1, a=[content("raw", "a", 1)])
    back = stores.lineage.backward(stores.lineage.find([content("set", "x")]))
    assert "raw@a:1" not in named(back)
    forth = stores.lineage.forward(stores.lineage.written("raw", "a"))
    assert named(forth) == {"raw@a:0", "raw@a:1", "good@a:0", "good@a:1", "view@b:0", "set@x:0"}
    assert stores.lineage.find([content("raw", "a", 1)]) != stores.lineage.find([content("raw", "a")])


def test_a_table_that_began_anew_is_where_older_traces_end(stores):
    for step in STEPS.values():
        step(stores)
    stores.records.begin("good", "another delta")
    other = {one: PartitionRecord(1, f"other {one}") for one in "abc"}
    stores.records.adopt(0, Commit("good", by("run"), other))
    back = stores.lineage.backward(stores.lineage.find([content("set", "x")]))
    assert named(back) == {"set@x:0", "view@b:0"}
    assert {(one.table, one.partition) for one in back.graph().ends} == {("good", "a"), ("good", "b")}
    assert named(stores.lineage.forward(stores.lineage.written("good", "a"))) == {"good@a:0"}
    assert verify(stores).findings == ()


def test_nothing_comes_from_nothing(stores):
    assert stores.lineage.find([]) == []
    assert stores.lineage.find([content("set", "x")]) == []
    assert stores.lineage.written("raw", "a") == stores.lineage.readers("a.csv") == []
    assert named(stores.lineage.backward([])) == named(stores.lineage.forward([7])) == set()


def test_a_reading_that_somebody_linked_to_another_is_found(stores, database_url):
    for step in STEPS.values():
        step(stores)
    with Owner(database_url).database.begin() as connection:
        # No guard refuses it: links are notes about what was read.
        connection.execute(sa.text("UPDATE reading SET source_id = 1 WHERE table_name = 'view'"))
    (told, *_) = verify(stores).findings
    assert (told.tampering, told.subject) == ("state edited", "commit view")


def test_everything_that_was_made_comes_with_what_it_read_and_was_said_however_much_is_read_together(stores):
    for step in STEPS.values():
        step(stores)
    commit(stores, "checked", 0, ["a"])
    found = list(stores.lineage.everything())
    assert found == list(stores.lineage.everything(at_once=2))
    told = {
        f"{one.made.table}@{one.made.partition}": [f"{end.table}@{end.partition}" for end in one.reads]
        for one in found
    }
    assert told["view@b"] == ["good@a", "good@b"]
    assert told["raw@a"] == ["a.csv@whole"]
    assert len(told) == 10
    said = {one.made.table: [check.check for check in one.said] for one in found}
    assert (said["checked"], said["raw"]) == (["late", "wide"], [])
