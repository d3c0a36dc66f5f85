"""The ledger of honest worlds: in order, without gaps, in the transaction of what it tells of, and no false alarm."""

import json
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from mlops_assets.errors import BadEnvironment, BadRequest, OtherVersion, ReleaseConflict
from mlops_assets.governance.canonical import digest
from mlops_assets.governance.ledger import GENESIS, Entry
from mlops_assets.governance.merkle import proof, proves
from mlops_assets.steps.ledger import accept, note, verify
from mlops_assets.stores.anchors import AnchorFile, anchor_place
from mlops_assets.stores.database import SCHEMA, open_database
from mlops_assets.stores.guards import guarded
from mlops_assets.stores.ledger import Draft
from mlops_assets.stores.releases import Against
from mlops_assets_tests.stores import appenders
from mlops_assets_tests.stores.ledger_world import (
    Owner,
    commit,
    copied_home,
    found,
    made,
    opened,
    release,
    ruled,
)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def stores(database_url, home):
    return opened(home, database_url)


def appender(home, url, mode, name, count=0):
    command = [sys.executable, "-m", appenders.__name__, str(home), url, mode, name, str(count)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, text=True)


def together(processes):
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=300)[1] for process in processes]


def test_an_entry_is_sealed_with_the_one_before(stores):
    first, second = stores.ledger.append(
        Draft("note", "x", {"b": 1.0, "a": "ö"}), Draft("note", "y", {}, "Ada")
    )
    assert (first.number, first.body, first.previous) == (1, '{"a":"ö","b":1}', GENESIS)
    assert (second.number, second.by, second.previous) == (2, "Ada", first.hash)
    said = (
        f'{{"at":"{second.at}","body_digest":"{digest("{}")}","by":"Ada","kind":"note","number":2,'
        f'"previous":"{first.hash}","subject":"y"}}'
    )
    assert second.hash == digest(said)
    assert stores.ledger.entry(1) == first
    assert stores.ledger.newest(5, kind="note") == [second, first]
    assert stores.ledger.newest(5, subject="x") == [first]


def test_a_clock_that_was_set_back_dates_nothing_back():
    last = Entry.after(None, kind="k", subject="s", body="{}", by="b", at="2024-05-02")
    assert Entry.after(last, kind="k", subject="s", body="{}", by="b", at="2024-05-01").at == "2024-05-02"


def test_everything_that_is_recorded_has_an_entry(stores):
    made(stores)
    told = [(one.kind, one.subject, one.by) for one in reversed(stores.ledger.newest(99))]
    assert [one for one in told if one[0] != "anchor"] == [
        ("table", "raw/t", "platform"),
        ("commit", "raw/t", "platform"),
        ("table", "good/t", "platform"),
        ("commit", "good/t", "platform"),
        ("release", "model:1", "gate"),
        ("reign", "model:1", "gate"),
        ("decision", "model@2024-01-01", "gate"),
        ("release", "model:2", "gate"),
        ("reign", "model:2", "gate"),
        ("decision", "model@2024-02-01", "gate"),
        ("reign", "model:1", "Ada"),
        ("override", "good/t@c", "Ada"),
        ("certificate", "model:1", "platform"),
        ("attestation", "model@privacy", "Ada"),
        ("retraining", "model@2024-03-01", "sensor"),
        ("verification", "model:2", "platform"),
        ("commit", "raw/t", "platform"),
        ("commit", "raw/t", "platform"),
        ("release", "model:3", "gate"),
        ("reign", "model:3", "gate"),
        ("decision", "model@2024-03-01", "gate"),
    ]
    assert found(stores) == ()


def test_what_is_refused_leaves_no_entry(stores):
    made(stores)
    before = stores.ledger.head()
    with pytest.raises(ReleaseConflict):
        release(replace(stores, releases=Blind(stores.releases)), 4)
    assert stores.ledger.head() == before
    assert found(stores) == ()


class Blind:
    """Releases of somebody who decides against what no longer reigns."""

    def __init__(self, releases):
        self.record = releases.record

    def against(self, model):
        return Against()


def test_notes_about_a_row_are_no_tampering(stores):
    made(stores)
    stores.releases.set_mirrored(stores.releases.version("model", 1), "7", "files")
    stores.reigns.set_shown(stores.reigns.current("model"))
    assert found(stores) == ()


def test_a_table_that_begins_anew_forgets_rightly(stores):
    made(stores)
    stores.records.begin("raw/t", "another delta")
    assert stores.records.contents("raw/t") == []
    commit_to_new = Owner(str(stores.places.database))
    assert found(stores) == ()
    stores.records._known.clear()
    stores.records.begin("raw/t", "another delta")
    assert len([one for one in commit_to_new.entries() if one.kind == "table"]) == 3


def test_adopting_twice_tells_once(stores):
    for _ in range(2):
        commit(stores, "raw/t", 0, ["a"], refused=["b"])
    assert [one.kind for one in stores.ledger.newest(9)] == ["commit", "table"]


STATEMENTS = {
    "update": "UPDATE {table} SET {column} = {value}",
    "delete": "DELETE FROM {table}",
    "replace": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
}


REFUSED = dict.fromkeys(STATEMENTS, "stay as they are")
# What replaces is a new row too, which a rule of the table may refuse first.
REFUSED["replace"] += "|nobody agreed|does not follow|dated before"


# test_changes.py, test_grants.py and test_rollouts.py try the same on what people agreed to and tried.
ELSEWHERE = {"change_request", "vote", "application", "role_grant", "role_withdrawal", "rollout"}
GUARDED = [table.name for table in SCHEMA.sorted_tables if guarded(table) and table.name not in ELSEWHERE]


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_change_what_was_recorded(stores, database_url, table, statement):
    ruled(made(stores))
    may_go = "may_go" in SCHEMA.tables[table].info and statement != "update"
    sqlite = database_url.startswith("sqlite")
    if may_go or (statement == "replace" and not sqlite) or (statement == "truncate" and sqlite):
        return
    columns = [
        column
        for column in SCHEMA.tables[table].columns
        if not column.info.get("free") and isinstance(column.type, sa.Text)
    ]
    database = open_database(database_url)
    for column in columns if statement == "update" else columns[:1]:
        text = STATEMENTS[statement].format(table=f'"{table}"', column=f'"{column.name}"', value="'mine'")
        with pytest.raises(sa.exc.IntegrityError, match=REFUSED[statement]), database.begin() as connection:
            connection.execute(sa.text(text))
    assert found(stores) == ()


def test_the_database_refuses_an_entry_that_does_not_follow(stores, database_url):
    made(stores)
    last = stores.ledger.head()
    fork = Entry.after(stores.ledger.entry(3), kind="note", subject="x", body="{}", by="me", at=last.at)
    gap = replace(Entry.after(last, kind="note", subject="x", body="{}", by="me", at=last.at), number=999)
    unlinked = replace(gap, number=last.number + 1, previous=fork.hash)
    for entry in (replace(fork, number=last.number + 1), gap, unlinked):
        row = {name: getattr(entry, name) for name in Entry.__slots__}
        insert = sa.insert(SCHEMA.tables["ledger"]).values(**row)
        with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
            connection.execute(insert)


def test_a_database_without_a_ledger_is_of_another_version(database_url, stores):
    with Owner(database_url).unguarded(restored=False) as connection:
        connection.exec_driver_sql("DROP TABLE ledger")
    with pytest.raises(OtherVersion, match="no table 'ledger'"):
        open_database(database_url)


@pytest.mark.slow
def test_eight_processes_append_without_fork_gap_or_loss(stores, home, database_url):
    each = 40
    complaints = together([appender(home, database_url, "append", f"p{n}", each) for n in range(8)])
    assert complaints == [""] * 8
    told = verify(stores)
    assert (told.findings, told.entries) == ((), 8 * each)
    assert {one.subject for one in stores.ledger.newest(999)} == {
        f"p{n} {turn}" for n in range(8) for turn in range(each)
    }


@pytest.mark.slow
def test_processes_that_commit_and_note_at_once_give_no_false_alarm(stores, home, database_url):
    processes = [appender(home, database_url, "commits", name, 12) for name in "xxyz"]
    alarms, done = [], threading.Event()

    def watch():
        while not done.is_set():
            alarms.extend(verify(stores).findings)

    watcher = threading.Thread(target=watch)
    watcher.start()
    complaints = together(processes)
    done.set()
    watcher.join()
    assert complaints == [""] * 4
    assert alarms == []
    assert found(stores) == ()
    commits = [one.subject for one in stores.ledger.newest(999, kind="commit")]
    assert sorted(commits) == ["raw/x"] * 12 + ["raw/y"] * 12 + ["raw/z"] * 12


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["dies_before_commit", "dies_noting"])
def test_a_process_that_dies_leaves_no_half_and_no_alarm(stores, home, database_url, mode):
    made(stores)
    head, lines = stores.ledger.head(), stores.anchors[0].lines()
    process = appender(home, database_url, mode, "z")
    together([process])
    assert process.returncode == -signal.SIGKILL
    assert stores.ledger.head() == head
    assert len(stores.anchors[0].lines()) == len(lines) + (mode == "dies_noting")
    assert found(stores) == ()
    commit(stores, "raw/t", 7, ["z"])
    note(stores)
    assert found(stores) == ()


# Anchors.


def test_a_home_that_was_copied_is_whole(stores, database_url, tmp_path):
    made(stores)
    copy = copied_home(stores, tmp_path / "copy")
    url = re.sub("home/platform.db$", "copy/platform.db", database_url)
    assert found(opened(copy, url)) == ()


def git(repository):
    subprocess.run(["git", "init", "-q", "--bare", repository], check=True)
    return f"git:{repository}"


@pytest.fixture(params=["file", "folder", "git"])
def place(request, tmp_path):
    return git(tmp_path / "anchors") if request.param == "git" else f"{request.param}:{tmp_path / 'anchors'}"


def test_each_kind_of_place_keeps_anchors_in_order(home, database_url, place):
    stores = opened(home, database_url, place)
    assert note(stores) == []
    made(stores)
    assert note(stores) == [f"entry {stores.ledger.head().number - 1} of the ledger is noted at {place}"]
    assert note(stores) == []
    told = verify(stores)
    assert (told.findings, told.anchors) == ((), {place: 4})
    numbers = [json.loads(line)["number"] for line in stores.anchors[0].lines()]
    assert numbers == sorted(set(numbers))


def test_of_two_that_note_at_once_one_is_first(home, database_url, place):
    stores = opened(home, database_url, place)
    (there,) = stores.anchors
    assert there.add("a", None)
    assert not there.add("b", None)
    assert there.add("b", "a")
    assert not anchor_place(place).add("c", "a")
    assert there.lines() == ["a", "b"]


def test_a_line_that_a_crash_left_torn_was_never_noted(stores):
    made(stores)
    path = stores.anchors[0].path
    with path.open("a") as stream:
        stream.write('{"at":"2024')
    assert found(stores) == ()
    assert len(note(stores)) == 1
    assert found(stores) == ()
    assert "2024" not in path.read_text()


def test_a_place_that_is_none_is_refused(tmp_path):
    for said in ("s3://bucket", "file:relative", "/path", "file:"):
        with pytest.raises(BadEnvironment, match="expected file:PATH, folder:PATH or git:REPOSITORY"):
            anchor_place(said)
    with pytest.raises(BadEnvironment, match="cannot keep anchors"):
        anchor_place(f"git:{tmp_path}").lines()


def test_nothing_is_accepted_that_is_not_broken(stores):
    made(stores)
    with pytest.raises(BadRequest, match="nothing to accept"):
        accept(stores, by="Ada", reason="why not")
    with pytest.raises(BadRequest, match="found one of them empty"):
        accept(stores, by=" ", reason="why not")
    with pytest.raises(BadRequest, match="the gate signs its own"):
        accept(stores, by="gate", reason="why not")


def test_the_default_place_is_called_the_same_on_every_machine(stores):
    assert stores.anchors == (AnchorFile(stores.places.home / "anchors" / "ledger.jsonl", "home"),)


# Batches.


def test_many_records_are_sealed_as_one_and_each_can_be_proven(stores):
    records = [f"prediction {number}".encode() for number in range(1000)]
    entry = stores.ledger.seal("prediction", "model:1", records)
    body = json.loads(entry.body)
    assert (entry.kind, body["records"], body["count"]) == ("batch", "prediction", 1000)
    top = bytes.fromhex(body["root"])
    for index in (0, 511, 999):
        path = proof(records, index)
        assert len(path) <= 10
        assert proves(path, records[index], index, body["count"], top)
        assert not proves(path, b"another", index, body["count"], top)
    assert found(stores) == ()
