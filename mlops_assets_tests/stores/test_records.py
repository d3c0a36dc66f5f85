"""The same answers from SQLite and from PostgreSQL."""

import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.commit import Commit, PartitionRecord
from mlops_assets.stores.database import SCHEMA, open_database
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.records import Records
from mlops_assets_tests.stores.commits import by


@pytest.fixture
def database(database_url):
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def records(database):
    return Records(database)


def commit(run="run", table="t", **partitions):
    return Commit(table, by(run), partitions)


def record(mark, **said):
    return PartitionRecord(rows=len(mark), fingerprint=mark, **said)


def test_nothing_adopted_is_nothing_known(records):
    assert records.newest_version("t") == -1
    assert records.contents("t", up_to=9) == []
    assert records.code_versions("t") == {}


def test_the_newest_content_of_each_partition_as_of_a_version(records):
    records.adopt(0, commit(b=record("b0"), a=record("a0")))
    records.adopt(2, commit(a=record("a2!")))
    records.adopt(1, commit(table="other", a=record("x")))

    def contents(**asked):
        return [(c.partition, c.version, c.rows, c.fingerprint) for c in records.contents("t", **asked)]

    assert contents(up_to=2) == [("a", 2, 3, "a2!"), ("b", 0, 2, "b0")]
    assert contents(up_to=1) == [("a", 0, 2, "a0"), ("b", 0, 2, "b0")]
    assert contents(up_to=2, partitions=["b", "c"]) == [("b", 0, 2, "b0")]
    assert contents(up_to=2, partitions=[]) == []
    assert records.newest_version("t") == 2


def test_adopting_twice_changes_nothing(records, database):
    one = commit(a=record("a", verdicts=(Verdict("c", True, ""),), reads=(Content("r", "a", 0, 1, "f"),)))
    records.adopt(0, one)
    records.adopt(0, one)
    with database.connect() as connection:
        counts = {t: connection.execute(sa.text(f"SELECT count(*) FROM {t}")).scalar() for t in SCHEMA.tables}
    assert {table: count for table, count in counts.items() if count} == {
        "ledger": 1,
        "materialization": 1,
        "reading": 1,
        "verdict": 1,
    }


def test_adopting_at_once_from_several_sides_succeeds_on_all(records):
    many = commit(**{f"d{day:03}": record("x" * (day % 7)) for day in range(50)})
    failures = []
    start = threading.Barrier(4)

    def adopt():
        start.wait()
        try:
            records.adopt(0, many)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=adopt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(records.contents("t", up_to=0)) == 50


def test_what_a_content_read_is_told_in_the_order_it_was_recorded(records):
    days = [f"d{(7 * day) % 31:02}" for day in range(31)]
    records.adopt(3, commit(table="raw", **{day: record(day) for day in sorted(days)}))
    reads = tuple(Content("raw", day, 3, 3, day) for day in days)
    records.adopt(0, commit(a=record("a", reads=reads), b=record("b", reads=reads[:1])))
    a, b = records.contents("t", up_to=0)
    assert records.reads(a) == list(reads)
    assert records.reads(b) == list(reads[:1])


def test_verdicts_are_told_of_exactly_one_content_in_the_order_they_were_recorded(records):
    said = tuple(Verdict(name, name < "d", f"about {name} – ö", blocking=name == "e") for name in "dbeac")
    records.adopt(0, commit(a=record("0", verdicts=said)))
    records.adopt(1, commit(a=record("1")))
    assert records.verdicts(Content("t", "a", 0, 1, "0")) == list(said)
    assert records.verdicts(Content("t", "a", 1, 1, "1")) == []


@pytest.mark.parametrize(
    ("passed", "blocking", "refused"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_only_failed_blocking_verdicts_refuse(records, passed, blocking, refused):
    verdict = Verdict("check", passed, "why", blocking=blocking)
    records.adopt(0, commit(a=record("a", verdicts=(verdict,)), b=record("b")))
    contents = records.contents("t", up_to=0)
    assert records.refused(contents) == ([(contents[0], verdict)] if refused else [])
    assert records.refused(contents[1:]) == []
    assert records.refused([]) == []


def test_the_code_version_of_the_newest_content_is_told(records):
    old, new = by("one"), by("two")
    records.adopt(0, Commit("t", old, {"a": record("a"), "b": record("b")}))
    records.adopt(1, Commit("t", type(new)("v2", "two", new.written_at), {"a": record("a")}))
    assert records.code_versions("t") == {"a": "v2", "b": "v1"}


def test_a_new_database_may_be_opened_by_several_processes_at_once(database_url):
    script = "import sys; from mlops_assets.stores.database import open_database; open_database(sys.argv[1])"
    openers = [
        subprocess.Popen([sys.executable, "-c", script, database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    complaints = [opener.communicate(timeout=60)[1] for opener in openers]
    assert [opener.returncode for opener in openers] == [0] * 6, complaints
    database = open_database(database_url)
    assert set(sa.inspect(database).get_table_names()) == set(SCHEMA.tables)
    database.dispose()


def test_what_was_made_from_rows_that_are_others_by_now_is_outdated(records):
    def made_from(*reads):
        return record("made", reads=reads)

    records.adopt(0, commit(table="raw", a=record("a0"), b=record("b0")))
    records.adopt(
        0,
        commit(
            table="good",
            a=made_from(Content("raw", "a", 0, 2, "a0"), Content("file", "x", 0, 0, "digest")),
            b=made_from(Content("raw", "b", 0, 2, "b0")),
        ),
    )
    assert records.outdated("good") == set()
    records.adopt(1, commit(table="raw", a=record("a0"), b=record("b1")))
    assert records.outdated("good") == {"b"}
    records.adopt(1, commit(table="good", b=made_from(Content("raw", "b", 1, 2, "b1"))))
    assert records.outdated("good") == set()


def test_only_the_checks_that_failed_for_the_newest_contents_are_failures(records):
    late, wide = Verdict("late", False, "an hour"), Verdict("wide", False, "by two", True, True)
    fine = Verdict("late", True, "in time")
    records.adopt(
        0, commit(table="raw", a=record("a0", verdicts=(late,)), b=record("b0", verdicts=(wide, late)))
    )
    records.adopt(1, commit(table="raw", a=record("a1", verdicts=(fine,))))
    records.adopt(0, commit(table="other", a=record("x", verdicts=(wide,))))
    assert records.failed(["raw"]) == [("raw", "b", wide), ("raw", "b", late)]
    assert [table for table, *_ in records.failed(["raw", "other"])] == ["other", "raw", "raw"]
    assert records.failed([]) == []


def test_what_could_not_be_made_is_refused_until_it_is_made(records):
    no = (Verdict("schema", False, "no byte", blocking=True), Verdict("arrival", True, "it is there"))
    records.adopt(0, commit(a=record("a0"), b=record("b0")))
    refusing = Commit("t", by("run"), {"b": record("b1")}, refused={"a": no, "c": no})
    records.adopt(1, refusing)
    records.adopt(1, refusing)
    records.adopt(0, commit(table="other", a=record("x")))
    assert records.newest_version("t") == 1
    assert records.refusals("t") == [("a", no[0]), ("c", no[0])]
    assert records.refusals("t", partitions=["c", "d"]) == [("c", no[0])]
    assert records.refusals("t", up_to=0) == records.refusals("other") == []
    assert records.failed(["other", "t"]) == [("t", "a", no[0]), ("t", "c", no[0])]
    again = Verdict("schema", False, "no header", blocking=True)
    records.adopt(2, Commit("t", by("run"), refused={"a": (again,)}))
    assert records.newest_version("t") == 2
    assert records.refusals("t", partitions=["a"]) == [("a", again)]
    records.adopt(3, commit(a=record("a3")))
    assert records.refusals("t") == [("c", no[0])]
    assert records.refusals("t", up_to=2) == [("a", again), ("c", no[0])]
    records.begin("t", "another table of that name")
    assert records.refusals("t") == []


def test_the_newest_content_that_had_a_fingerprint_is_found(records):
    records.adopt(0, commit(a=record("x"), b=record("y")))
    records.adopt(1, commit(a=record("z"), b=record("x")))
    records.adopt(2, commit(a=record("x")))
    records.adopt(3, commit(a=record("w")))
    records.adopt(4, commit(table="other", a=record("w")))
    assert records.held("t", {"a": "x", "b": "y"}) == {
        "a": Content("t", "a", 2, 1, "x"),
        "b": Content("t", "b", 0, 1, "y"),
    }
    assert records.held("t", {"a": "y", "c": "x"}) == {}
    assert records.held("t", {}) == {}
