"""One write, one commit; one pin, one version; and nothing is lost between them."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from mlops_assets.errors import GateRefusal, NotMaterialized, SchemaChanged
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.database import materialization, open_database
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.produced import Produced
from mlops_assets_tests.stores.commits import by, opened_lake, produced, values

FAILED = Verdict("quarantined_share", False, "12% are bad", blocking=True)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'platform.db'}"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "lake"


@pytest.fixture
def lake(root, url):
    return opened_lake(root, url)


@pytest.fixture
def spill(tmp_path):
    return tmp_path / "spill"


def test_a_write_replaces_its_partitions_and_leaves_the_others(lake, spill):
    lake.write("t", produced({"a": [1, 2], "b": [3], "c": [4]}), by("one"))
    lake.write("t", produced({"a": [9], "c": [7, 8]}), by("two"))
    assert values(lake, spill) == {"a": [9], "b": [3], "c": [7, 8]}


def test_a_write_tells_the_content_of_each_partition_and_a_pin_the_same(lake):
    written = lake.write("raw/t", produced({"b": [3], "a": [1, 2]}), by("one"))
    pinned = lake.pin("raw/t")
    assert [(c.table, c.partition, c.version, c.rows) for c in pinned.contents] == [
        ("raw/t", "a", 0, 2),
        ("raw/t", "b", 0, 1),
    ]
    assert {content.partition: content for content in pinned.contents} == written
    assert pinned.rows == 3
    assert pinned.among(["b", "nothing"]) == (written["b"],)


def test_equal_rows_written_again_are_a_new_version_with_the_old_fingerprint(lake):
    first = lake.write("t", produced({"a": [1, 2]}), by("one"))["a"]
    second = lake.write("t", produced({"a": [1, 2], "b": [1, 2]}), by("two"))["a"]
    assert (first.version, second.version) == (0, 1)
    assert first.fingerprint == second.fingerprint
    assert lake.write("t", produced({"a": [2, 1]}), by("three"))["a"].fingerprint != first.fingerprint


def test_rows_of_partitions_in_turn_keep_their_order_within_each(lake, spill):
    mixed = pa.table({"partition": ["b", "a", "b", "a"], "x": [4, 3, 2, 1]})
    written = lake.write("t", Produced(mixed, ["a", "b"]), by("one"))
    apart = lake.write("t", produced({"a": [3, 1], "b": [4, 2]}), by("two"))
    assert [written[key].fingerprint for key in "ab"] == [apart[key].fingerprint for key in "ab"]


def test_volatile_columns_are_stored_but_not_part_of_the_fingerprint(lake, spill):
    def at(place):
        return Produced(
            pa.table({"partition": ["a"], "x": [1], "place": [place]}), ["a"], volatile=("place",)
        )

    first, second = (lake.write("t", at(place), by(place))["a"] for place in ("here", "there"))
    assert first.fingerprint == second.fingerprint
    rows = Engine(spill).rows("SELECT place FROM t", {"t": lake.pin("t")})
    assert rows["place"].to_pylist() == ["there"]


def test_a_partition_without_rows_is_there_and_empty(lake, spill):
    lake.write("t", produced({"a": []}), by("one"))
    assert values(lake, spill) == {"a": []}
    lake.write("t", produced({"a": [1], "b": [2]}), by("two"))
    lake.write("t", produced({"a": []}), by("three"))
    assert values(lake, spill) == {"a": [], "b": [2]}
    assert lake.pin("t", ["a"]).contents[0].version == 2


def test_rows_for_a_partition_that_was_not_announced_are_refused_before_anything_is_written(lake):
    with pytest.raises(ValueError, match=r"rows for \['b'\], expected only \['a'\]"):
        lake.write("t", Produced(produced({"a": [1], "b": [2]}).rows, ["a"]), by("one"))
    with pytest.raises(NotMaterialized):
        lake.pin("t")


def test_a_table_that_was_never_written_is_not_materialized(lake):
    with pytest.raises(
        NotMaterialized, match="nothing has been written to raw/flights yet; materialize it first"
    ):
        lake.pin("raw/flights")


def test_partitions_never_written_are_listed_as_absent(lake, spill):
    lake.write("t", produced({"a": [1], "b": [2]}), by("one"))
    pinned = lake.pin("t", ["b", "c"])
    assert pinned.absent == ("c",)
    assert values(lake, spill, partitions=["b", "c"]) == {"b": [2]}
    assert lake.pin("t", []).contents == ()
    assert values(lake, spill, partitions=["c"]) == {}


def test_a_pinned_version_reads_the_same_after_later_writes(lake, spill):
    lake.write("t", produced({"a": [1], "b": [2]}), by("one"))
    pinned = lake.pin("t")
    lake.write("t", produced({"a": [9, 9], "b": [], "c": [3]}), by("two"))
    rows = Engine(spill).rows("SELECT * FROM t ORDER BY x", {"t": pinned})
    assert rows["x"].to_pylist() == [1, 2]
    assert values(lake, spill, version=0) == {"a": [1], "b": [2]}
    assert lake.pin("t", version=0) == pinned
    assert values(lake, spill) == {"a": [9, 9], "b": [], "c": [3]}


UNICODE = ["ö", "日本", "", "a'b", 'a"b', "a\nb", "a\\b", "🛫", "NULL", "nan", " "]


def test_values_of_any_script_are_read_as_they_were_written(lake, spill):
    rows = pa.table({"partition": ["ä day"] * len(UNICODE), "x": UNICODE})
    lake.write("raw/größe", Produced(rows, ["ä day"]), by("ö"))
    found = Engine(spill).rows("SELECT x FROM t", {"t": lake.pin("raw/größe")})
    assert found["x"].to_pylist() == UNICODE


@pytest.mark.parametrize(
    "odd",
    ["2013-01-01", "01", "1e5", "true", "NULL", "a b", "a'b", 'a"b', "a/b", "a\\b", "a=b", "%20", "..", "*", "[x]",
     "a?b#c", "{a}", "ö", "🛫", "' OR 1=1 --"],
)  # fmt: skip
def test_a_partition_of_any_name_is_written_alone_and_read_alone(lake, spill, odd):
    lake.write("t", produced({odd: [1, 2], "other": [3]}), by("one"))
    lake.write("t", produced({odd: [9]}), by("two"))
    assert values(lake, spill) == {odd: [9], "other": [3]}
    assert values(lake, spill, partitions=[odd]) == {odd: [9]}


@pytest.mark.parametrize("nameless", ["", "__HIVE_DEFAULT_PARTITION__"])
def test_a_name_that_would_be_read_as_null_is_refused(lake, nameless):
    with pytest.raises(ValueError, match="cannot be named"):
        lake.write("t", produced({nameless: [1]}), by("one"))


@pytest.mark.parametrize("folder", ["with space", "größe", "a'b", "st*r"])
def test_the_lake_may_lie_in_a_folder_of_any_such_name(tmp_path, url, spill, folder):
    lake = opened_lake(tmp_path / folder / "lake", url)
    lake.write("raw/t", produced({"a b": [1], "b": [2]}), by("one"))
    assert values(lake, spill, "raw/t") == {"a b": [1], "b": [2]}


@pytest.mark.parametrize(
    "other",
    [pa.array([1.5]), pa.array(["1"]), pa.array([1], pa.int32()), pa.array([True]), pa.array([[1]])],
)
def test_a_column_that_changes_its_type_is_refused_and_the_table_stays(lake, spill, other):
    lake.write("t", produced({"a": [1]}), by("one"))
    with pytest.raises(
        SchemaChanged, match=r"x: stored as int64, written as .*Give the changed column a new name"
    ):
        lake.write("t", Produced(pa.table({"partition": ["a"], "x": other}), ["a"]), by("two"))
    assert values(lake, spill) == {"a": [1]}
    assert lake.pin("t").version == 0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_of_any_unit_are_microseconds_and_may_be_written_again(lake, spill, unit):
    moment = datetime(2013, 1, 1, 12, tzinfo=UTC)
    rows = pa.table({"partition": ["a"], "x": pa.array([moment], pa.timestamp(unit, tz="UTC"))})
    first, second = (lake.write("t", Produced(rows, ["a"]), by(run))["a"] for run in ("one", "two"))
    assert first.fingerprint == second.fingerprint
    found = Engine(spill).rows("SELECT x FROM t", {"t": lake.pin("t")})
    assert found.schema.field("x").type == pa.timestamp("us", tz="UTC")
    assert found["x"].to_pylist() == [moment]


def test_an_added_column_is_null_where_it_was_not_written(lake, spill):
    wider = pa.table({"partition": ["b"], "x": [2], "text": ["t"], "at": [datetime(2013, 1, 1, tzinfo=UTC)]})
    lake.write("t", produced({"a": [1]}), by("one"))
    lake.write("t", Produced(wider, ["b"]), by("two"))
    engine = Engine(spill)
    both = engine.rows("SELECT x, text FROM t ORDER BY x", {"t": lake.pin("t")})
    assert both.to_pylist() == [{"x": 1, "text": None}, {"x": 2, "text": "t"}]
    narrow = engine.rows("SELECT * FROM t", {"t": lake.pin("t", ["a"])})
    wide = engine.rows("SELECT * FROM t", {"t": lake.pin("t", ["b"])})
    assert narrow.schema == wide.schema
    assert narrow["text"].to_pylist() == [None]


def test_rows_behind_a_failed_blocking_verdict_cannot_be_pinned(lake):
    lake.write("t", produced({"a": [1], "b": [2]}, verdicts={"a": (FAILED,)}), by("one"))
    with pytest.raises(GateRefusal, match="t, partition a: quarantined_share: 12% are bad"):
        lake.pin("t")
    with pytest.raises(GateRefusal):
        lake.pin("t", ["a", "b"])
    assert [content.partition for content in lake.pin("t", ["b"]).contents] == ["b"]


@pytest.mark.parametrize(
    "verdict", [Verdict("types", False, "one is not"), Verdict("q", True, "", blocking=True)]
)
def test_a_verdict_that_does_not_block_or_did_not_fail_refuses_nothing(lake, spill, verdict):
    lake.write("t", produced({"a": [1]}, verdicts={"a": (verdict,)}), by("one"))
    assert values(lake, spill) == {"a": [1]}


def test_a_refusal_is_of_exactly_one_content(lake, spill):
    lake.write("t", produced({"a": [1]}), by("one"))
    lake.write("t", produced({"a": [2]}, verdicts={"a": (FAILED,)}), by("two"))
    lake.write("u", produced({"a": [3]}), by("three"))
    with pytest.raises(GateRefusal):
        lake.pin("t")
    assert values(lake, spill, version=0) == {"a": [1]}
    assert values(lake, spill, "u") == {"a": [3]}
    # Mended: the very same rows, and this time the check is content.
    lake.write("t", produced({"a": [2]}), by("four"))
    assert values(lake, spill) == {"a": [2]}
    with pytest.raises(GateRefusal):
        lake.pin("t", version=1)


def test_a_refusal_of_many_partitions_names_ten_and_counts_the_rest(lake):
    days = {f"d{day:02}": [1] for day in range(12)}
    lake.write("t", produced(days, verdicts=dict.fromkeys(days, (FAILED,))), by("one"))
    with pytest.raises(GateRefusal, match="… and 2 more") as refused:
        lake.pin("t")
    assert str(refused.value).count("partition d") == 10


@pytest.fixture
def forgetful(lake, monkeypatch):
    """The lake, and a switch after which a record is not written, as when the process dies there."""

    def forget_next(*, after=0):
        adopt, left = lake._records.adopt, [None] * after

        def die(version, commit):
            if left:
                left.pop()
                return adopt(version, commit)
            monkeypatch.setattr(lake._records, "adopt", adopt)
            raise InterruptedError

        monkeypatch.setattr(lake._records, "adopt", die)

    return lake, forget_next


def test_a_commit_whose_writer_died_before_recording_it_is_adopted_by_the_next_reader(forgetful, spill):
    lake, forget_next = forgetful
    lake.write("t", produced({"a": [1]}), by("one"))
    forget_next()
    with pytest.raises(InterruptedError):
        lake.write("t", produced({"a": [2, 2], "b": [3]}, verdicts={"b": (FAILED,)}), by("two"))
    assert values(lake, spill, partitions=["a"]) == {"a": [2, 2]}
    assert lake.pin("t", ["a"]).contents[0].version == 1
    with pytest.raises(GateRefusal):
        lake.pin("t", ["b"])


def test_a_commit_whose_writer_died_is_adopted_though_another_writer_came_first(forgetful, spill):
    lake, forget_next = forgetful
    lake.write("t", produced({"a": [1], "b": [1]}), by("one"))
    forget_next()
    with pytest.raises(InterruptedError):
        lake.write("t", produced({"a": [2]}, verdicts={"a": (FAILED,)}), by("two"))
    lake.write("t", produced({"b": [3]}), by("three"))
    assert values(lake, spill, partitions=["b"]) == {"b": [3]}
    with pytest.raises(GateRefusal):
        lake.pin("t", ["a"])


def test_catching_up_may_itself_be_interrupted(forgetful, spill):
    lake, forget_next = forgetful
    for run in ("one", "two", "three"):
        forget_next()
        with pytest.raises(InterruptedError):
            lake.write("t", produced({run: [1]}), by(run))
    forget_next(after=1)
    with pytest.raises(InterruptedError):
        lake.pin("t")
    assert values(lake, spill) == {"one": [1], "two": [1], "three": [1]}


@pytest.mark.parametrize("there", [{}, {"c": [3]}], ids=["new table", "old table"])
def test_a_writer_that_comes_between_the_look_and_the_commit_loses_nothing(
    root, url, spill, monkeypatch, there
):
    slow, quick = opened_lake(root, url), opened_lake(root, url)
    if there:
        quick.write("t", produced(there), by("before"))
    look = slow._newest_version

    def look_and_be_overtaken(table):
        monkeypatch.setattr(slow, "_newest_version", look)
        seen = look(table)
        quick.write("t", produced({"b": [2]}), by("quick"))
        return seen

    monkeypatch.setattr(slow, "_newest_version", look_and_be_overtaken)
    written = slow.write("t", produced({"a": [1]}), by("slow"))
    assert values(slow, spill) == {"a": [1], "b": [2], **there}
    assert written["a"].version == slow.pin("t").version


def test_records_that_were_lost_are_read_again_from_the_commits(lake, root, tmp_path, spill):
    for turn in range(5):
        lake.write("t", produced({"a": [turn], f"d{turn}": [turn]}), by(str(turn)))
    pinned = lake.pin("t")
    again = opened_lake(root, f"sqlite:///{tmp_path / 'again.db'}")
    # An old version first: what came after it must not be taken for it.
    assert values(again, spill, version=1) == {"a": [1], "d0": [0], "d1": [1]}
    assert again.pin("t") == pinned


def test_a_table_that_is_made_anew_has_no_past_of_the_one_that_was_moved_away(lake, root, spill):
    for turn in range(3):
        lake.write("t", produced({"a": [turn], "b": [turn]}), by(f"old {turn}"))
    (root / "t").rename(root / "moved")
    lake.write("t", produced({"a": [7]}), by("new"))
    (content,) = lake.pin("t").contents
    assert (content.partition, content.version, content.rows) == ("a", 0, 1)
    assert values(lake, spill) == {"a": [7]}
    assert lake._records.newest_version("t") == 0


def test_a_reader_that_opened_the_table_before_a_commit_numbers_the_commits_rightly(lake, url):
    lake.write("t", produced({"a": [0]}), by("zero"))
    opened = lake._open("t")
    lake.write("t", produced({"a": [1, 1]}), by("one"))
    found = [(version, commit.provenance.run_id) for version, commit in lake._commits("t", opened, after=-1)]
    assert found == [(0, "zero")]


def test_a_commit_that_is_not_ours_is_passed_over(lake, root, spill):
    from deltalake import DeltaTable

    lake.write("t", produced({"a": [1], "b": [2]}), by("one"))
    DeltaTable(root / "t").optimize.compact()
    lake.write("t", produced({"a": [3]}), by("two"))
    assert values(lake, spill) == {"a": [3], "b": [2]}


def test_old_commits_are_kept_since_they_hold_the_records(lake, root):
    from deltalake import DeltaTable

    lake.write("t", produced({"a": [1]}), by("one"))
    lake.write("t", produced({"a": [2]}), by("two"))
    configuration = DeltaTable(root / "t").metadata().configuration
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def writer(root, url, mode, partition, count, **options):
    module = "mlops_assets_tests.stores.writers"
    command = [sys.executable, "-m", module, str(root), url, mode, partition, str(count)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, **pipes, text=True, **options)


def test_processes_that_write_other_partitions_of_a_new_table_lose_nothing(root, database_url, spill):
    # The table and the database are new, so the processes race to make them as well.
    partitions, turns = ["a", "b", "c", "d"], 6
    writers = [writer(root, database_url, "each", partition, turns) for partition in partitions]
    for process in writers:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
    lake = opened_lake(root, database_url)
    assert values(lake, spill) == {partition: list(range(turns)) for partition in partitions}
    database = open_database(database_url)
    with database.connect() as connection:
        found = connection.execute(sa.select(materialization.c.version, materialization.c.run_id)).all()
    database.dispose()
    assert sorted(version for version, _ in found) == list(range(len(partitions) * turns))
    assert {run for _, run in found} == {f"{p}-{turn}" for p in partitions for turn in range(turns)}


def test_processes_that_write_one_partition_of_a_new_table_leave_the_rows_of_one(root, database_url, spill):
    tables = [f"t{turn}" for turn in range(8)]
    writers = [writer(root, database_url, "together", ",".join(tables), 1000) for _ in range(2)]
    for _ in tables:
        for process in writers:
            assert process.stdout.readline() == "ready\n", process.communicate()
        for process in writers:
            process.stdin.write("go\n")
            process.stdin.flush()
    for process in writers:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
    lake = opened_lake(root, database_url)
    for table in tables:
        (content,) = lake.pin(table).contents
        read = values(lake, spill, table)["a"]
        assert content.rows == len(read) == 1000
        assert len(set(read)) == 1


def test_a_table_half_made_is_no_table(lake, root, spill):
    for torn in (root / "t", root / ".aside" / "t"):
        torn.mkdir(parents=True)
    with pytest.raises(NotMaterialized):
        lake.pin("t")
    lake.write("t", produced({"a": [1]}), by("one"))
    assert values(lake, spill) == {"a": [1]}


def test_a_writer_killed_in_the_middle_of_a_write_leaves_a_good_version(root, url, lake, spill):
    rows = 200_000
    lake.write("t", produced({"safe": [1]}), by("before"))
    for attempt, patience in enumerate([0.0, 0.013, 0.037, 0.061]):
        process = writer(root, url, "without_end", "big", rows)
        assert process.stdout.readline() == "1\n"
        time.sleep(patience)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, attempt
        found = Engine(spill).rows(
            "SELECT partition, count(*) AS rows, count(DISTINCT x) AS turns FROM t GROUP BY ALL ORDER BY ALL",
            {"t": lake.pin("t")},
        )
        assert found.to_pylist() == [
            {"partition": "big", "rows": rows, "turns": 1},
            {"partition": "safe", "rows": 1, "turns": 1},
        ]
    lake.write("t", produced({"big": [7]}), by("after"))
    assert values(lake, spill) == {"big": [7], "safe": [1]}


REFUSED = Verdict("schema", False, "no byte", blocking=True)


@pytest.mark.parametrize("others", [{}, {"b": [9]}])
def test_what_was_refused_keeps_its_rows_and_cannot_be_read(lake, root, tmp_path, spill, others):
    lake.write("t", produced({"a": [1, 2], "b": [3]}), by("one"))
    written = lake.write("t", produced(others, refused={"a": (REFUSED,), "c": (REFUSED,)}), by("two"))
    assert set(written) == set(others)
    # What was recorded is in the commits: another database finds it there.
    for one in (lake, opened_lake(root, f"sqlite:///{tmp_path / 'another.db'}")):
        assert one.refused("t", ["a", "b", "c", "d"]) == {"a": "schema: no byte", "c": "schema: no byte"}
        with pytest.raises(GateRefusal, match="t, partition a: schema: no byte"):
            one.pin("t")
        assert values(one, spill, partitions=["b"]) == {"b": others.get("b", [3])}
        assert values(one, spill, partitions=["a"], version=0) == {"a": [1, 2]}
    lake.write("t", produced({"a": [5]}), by("three"))
    assert values(lake, spill, partitions=["a", "b"]) == {"a": [5], "b": others.get("b", [3])}


def test_a_table_may_begin_with_a_refusal(lake, spill):
    lake.write("t", produced({}, refused={"a": (REFUSED,)}), by("one"))
    with pytest.raises(GateRefusal, match="no byte"):
        lake.pin("t", ["a"])
    lake.write("t", produced({"a": [1]}), by("two"))
    assert values(lake, spill) == {"a": [1]}
