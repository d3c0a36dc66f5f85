"""Queries over tables in memory and pinned ones."""

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from mlops_assets.stores.engine import Engine


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path / "spill")


def test_a_relation_may_have_any_name(engine):
    rows = engine.rows('SELECT x FROM "raw/a ""table"""', {'raw/a "table"': pa.table({"x": [1]})})
    assert rows["x"].to_pylist() == [1]


def test_moments_are_told_in_utc_wherever_the_machine_stands(engine, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    moment = engine.rows("SELECT TIMESTAMPTZ '2013-01-01 00:00:00' AS at", {})["at"]
    assert moment.type == pa.timestamp("us", tz="UTC")
    assert moment.to_pylist() == [datetime(2013, 1, 1, tzinfo=UTC)]


def test_what_a_session_keeps_is_computed_once(engine):
    with engine.session({"t": pa.table({"x": range(5)})}) as session:
        session.keep("drawn", "SELECT x, random() AS r FROM t")
        assert session.rows("SELECT * FROM drawn") == session.rows("SELECT * FROM drawn")


def test_the_order_of_rows_is_kept(engine):
    rows = pa.table({"x": range(100_000, 0, -1)})
    assert engine.rows("SELECT x FROM t WHERE x % 3 = 0", {"t": rows})["x"].to_pylist() == [
        x for x in range(100_000, 0, -1) if x % 3 == 0
    ]


def test_batches_are_the_rows_in_their_order(engine):
    with engine.session({"t": pa.table({"x": range(10_000)})}) as session:
        batches = list(session.batches("SELECT x FROM t WHERE x % 2 = 0", 2048))
    assert len(batches) > 1
    assert max(batch.num_rows for batch in batches) <= 2048
    assert [x for batch in batches for x in batch["x"].to_pylist()] == list(range(0, 10_000, 2))


def test_the_batches_of_no_rows_hold_none(engine):
    with engine.session({"t": pa.table({"x": [1]})}) as session:
        assert sum(batch.num_rows for batch in session.batches("SELECT x FROM t WHERE false", 2048)) == 0


def test_what_does_not_fit_in_memory_spills_to_the_declared_place(tmp_path):
    small = Engine(tmp_path / "spill", memory_limit="60MB", threads=1)
    with small.session({}) as session:
        session.keep("big", "SELECT hash(range) AS h, md5(range::VARCHAR) AS text FROM range(2000000)")
        assert sum(file.stat().st_size for file in (tmp_path / "spill").rglob("*")) > 10_000_000
        assert session.rows("SELECT count(*) AS n FROM big")["n"].to_pylist() == [2_000_000]


def test_a_session_is_closed_when_its_query_fails(engine):
    with pytest.raises(duckdb.Error), engine.session({}) as session:
        session.rows("SELECT * FROM nothing")
    with pytest.raises(duckdb.Error, match=r"[Cc]losed"):
        session.rows("SELECT 1")


def test_a_wide_relation_of_many_rows_is_kept_in_little_memory(tmp_path):
    small = Engine(tmp_path / "spill", memory_limit="60MB", threads=1)
    columns = [
        f"hash(range + {n})::DOUBLE AS x{n}, CASE WHEN range < 0 THEN {{a: '1', b: '2'}} END AS s{n}"
        for n in range(30)
    ]
    with small.session({}) as session:
        session.keep("wide", f"SELECT {', '.join(columns)} FROM range(400000)")
        assert session.rows("SELECT count(x29) AS n FROM wide")["n"].to_pylist() == [400_000]
        session.keep("wide", "SELECT * FROM wide LIMIT 1")
        assert session.rows("SELECT count(*) AS n FROM wide")["n"].to_pylist() == [1]


def test_a_session_leaves_nothing_behind(tmp_path):
    engine = Engine(tmp_path / "spill")
    with engine.session({}) as session:
        session.keep("kept", "SELECT 1 AS x")
        rows = session.spooled("SELECT x FROM kept")
    assert rows.num_rows == 1
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.mark.parametrize("way", ["batches", "spooled"])
def test_a_query_that_stops_while_rows_are_read_is_an_error_of_duckdb(engine, way):
    late = (
        "SELECT CASE WHEN x = 900000 THEN CAST('x' || x AS INTEGER) ELSE x END AS x FROM range(1000000) t(x)"
    )
    with (
        engine.session({}) as session,
        pytest.raises(duckdb.Error, match="Could not convert string 'x900000'"),
    ):
        list(session.batches(late, 2048) if way == "batches" else [session.spooled(late)])
