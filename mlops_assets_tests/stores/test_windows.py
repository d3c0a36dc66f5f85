"""Windows from running totals beside DuckDB's own: the same rows, the same types, to the last digit."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.data.window_sql import windows_written
from mlops_assets.stores import windows
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.windows import WindowedEngine, with_windows_answered

START = datetime(2013, 3, 10, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
# Few entities and moments, so that ties, empty frames and edges of frames are common.
KEYS = st.none() | st.sampled_from(["a", "b"])
SECONDS = st.integers(0, 6) | st.sampled_from([-(10**9), 10**9])
NUMBERS = st.none() | st.integers(-3, 3) | st.sampled_from([2**52, -(2**55), 2**63 - 1, -(2**63)])
ROWS = st.lists(st.tuples(KEYS, st.none() | st.booleans(), SECONDS, NUMBERS), max_size=25)

VALUES = (
    "count(*)",
    "count(n)",
    "count(k)",
    "sum(n)",
    "avg(n)",
    "sum(small)",
    "avg(small)",
    "sum(CAST(n AS HUGEINT))",
)
FILTERS = ("", " FILTER (n > 0)", " FILTER (WHERE g)")
PARTITIONS = ("", "PARTITION BY k", "PARTITION BY k, g", "PARTITION BY upper(k), small")
FRAMES = (
    ("INTERVAL 2 SECONDS PRECEDING", "CURRENT ROW"),
    ("INTERVAL 3 SECONDS PRECEDING", "INTERVAL 1 SECOND PRECEDING"),
    ("CURRENT ROW", "INTERVAL 1 MINUTE FOLLOWING"),
    ("CURRENT ROW", "CURRENT ROW"),
    ("INTERVAL '1' HOUR PRECEDING", "INTERVAL 2000 MILLISECONDS FOLLOWING"),
    ("INTERVAL 1 DAY PRECEDING", "INTERVAL 1 SECOND PRECEDING"),
    ("INTERVAL 100000 WEEKS PRECEDING", "CURRENT ROW"),
)
WINDOWS = st.tuples(
    *(st.sampled_from(one) for one in (VALUES, FILTERS, PARTITIONS, FRAMES)), st.sampled_from(["", "ASC"])
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("spill"))


def rows_of(rows):
    keys, flags, seconds, numbers = zip(*rows, strict=True) if rows else ([], [], [], [])
    return pa.table(
        {
            "id": pa.array(range(len(rows)), pa.int64()),
            "k": pa.array(keys, pa.string()),
            "g": pa.array(flags, pa.bool_()),
            "t": pa.array([second and START + timedelta(seconds=second) for second in seconds], MOMENT),
            "n": pa.array(numbers, pa.int64()),
            "small": pa.array([None if n is None else n % 5 for n in numbers], pa.int8()),
            "x": pa.array([None if n is None else n / 3 for n in numbers], pa.float64()),
        }
    )


def asked(engine, sql, rows):
    """DuckDB's answer, the other, and the windows that it does without."""
    with engine.session({"r": rows}) as session:
        plain = session.rows(sql)
        answered = with_windows_answered(session, sql)
        return plain, session.rows(answered.sql), answered.windows


def require_equal(engine, sql, rows):
    """Whether any window was answered otherwise."""
    plain, found, answered = asked(engine, sql, rows)
    assert found.schema == plain.schema
    assert found.sort_by("id").equals(plain.sort_by("id"))
    return bool(answered)


@settings(max_examples=200)
@given(
    rows=ROWS,
    windows=st.lists(WINDOWS, min_size=1, max_size=4),
    where=st.sampled_from(["", "WHERE n IS NOT NULL"]),
)
def test_windows_are_those_of_duckdb(engine, rows, windows, where):
    columns = ", ".join(
        f"{value}{filtered} OVER ({partition} ORDER BY t {order} RANGE BETWEEN {begins} AND {ends}) AS c{n}"
        for n, (value, filtered, partition, (begins, ends), order) in enumerate(windows)
    )
    require_equal(engine, f"SELECT id, k, {columns} FROM r {where}", rows_of(rows))


W = "(PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 2 SECONDS PRECEDING AND CURRENT ROW)"
ROUND = rows_of(
    [
        ("a", True, 1, 1),
        ("a", False, 2, 2),
        ("b", None, 2, None),
        (None, True, 3, 3),
        ("a", True, 9, 4),
        ("A", False, 2, 5),
    ]
)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT id, count(*) OVER w AS c, sum(n) OVER w / count(n) OVER w AS s FROM r WINDOW w AS {W}",
        f"SELECT r.id, avg(r.n) OVER {W} AS c FROM r",
        f"SELECT q.id, sum(q.n + 1) OVER {W} AS c FROM (SELECT * FROM r WHERE g) q",
        f"WITH one AS (SELECT id, k, t, n FROM r), two AS (SELECT id, k, t, sum(n) OVER {W} AS n FROM one) "
        f"SELECT id, sum(n) OVER {W} AS twice FROM two WHERE n > 0",
        f"SELECT * FROM (WITH one AS (FROM r) SELECT id, count(*) OVER {W} AS c FROM one) WHERE id > 1",
        f"SELECT id, count(*) OVER {W} AS c, c + 1 AS d, sum(x) OVER {W} AS s FROM r ORDER BY c DESC, id LIMIT 3",
        f"SELECT q.id, c, s.n FROM (SELECT id, count(*) OVER {W} AS c FROM r) q LEFT JOIN r s ON s.id = q.id + 1",
        f"SELECT r.id, c, s FROM r, (SELECT id AS a, count(*) OVER {W} AS c FROM r) q "
        f"JOIN (SELECT id AS b, sum(n) OVER {W} AS s FROM r WHERE g) z ON a = b WHERE r.id = a",
        f"SELECT id, CASE WHEN count(*) OVER {W} > 1 THEN 'many' END AS c FROM r",
        f"SELECT DISTINCT id, coalesce(sum(n) OVER {W}, 0) AS c FROM r",
        f"SELECT ID, sum(N) OVER {W.replace('k', 'K')} AS c FROM R",
    ],
)
def test_queries_around_windows_stay_what_they_are(engine, sql):
    assert require_equal(engine, sql, ROUND)


@pytest.mark.parametrize(
    "window",
    [
        f"sum(x) OVER {W}",
        f"sum(CAST(n AS DECIMAL(10, 2))) OVER {W}",
        f"count(DISTINCT n) OVER {W}",
        f"max(n) OVER {W}",
        f"sum(n) OVER {W.replace('ORDER BY t', 'ORDER BY t DESC')}",
        f"sum(n) OVER {W.replace('ROW)', 'ROW EXCLUDE CURRENT ROW)')}",
        f"sum(n) OVER {W.replace('BETWEEN INTERVAL 2 SECONDS', 'BETWEEN INTERVAL 1 MONTH')}",
        f"sum(n) OVER {W.replace('BETWEEN INTERVAL 2 SECONDS', 'BETWEEN UNBOUNDED')}",
        f"sum(n) OVER {W.replace('BETWEEN INTERVAL 2 SECONDS', 'BETWEEN to_seconds(id)')}",
        f"sum(n) OVER {W.replace('PARTITION BY k', 'PARTITION BY x')}",
        "sum(n) OVER (PARTITION BY k ORDER BY t, id)",
        "sum(n) OVER (PARTITION BY k ORDER BY t ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
        "sum(n) OVER (PARTITION BY k ORDER BY n RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)",
        f"sum((SELECT max(n) FROM r)) OVER {W}",
        f"sum(n) OVER {W.replace('PARTITION BY k', 'PARTITION BY k COLLATE NOCASE')}",
        f"sum(n) OVER {W.replace('INTERVAL 2 SECONDS', 'to_seconds(CAST(300 AS BOOLEAN)::INT)')}",
    ],
)
def test_what_running_totals_cannot_answer_stays_as_it_is_written(engine, window):
    assert not require_equal(engine, f"SELECT id, {window} AS c FROM r", ROUND)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT r.id, count(*) OVER (PARTITION BY r.k ORDER BY r.t RANGE INTERVAL 2 SECONDS PRECEDING) AS c "
        "FROM r JOIN r s USING (id)",
        f"SELECT *, count(*) OVER {W} AS c FROM r",
        f"SELECT s.id, c FROM r s, LATERAL (SELECT s.n + count(*) OVER {W} AS c FROM r WHERE id = 1) q",
        f"SELECT id, count(*) OVER {W} FROM r",
        f"SELECT id, unnest([1, 2]) AS u, count(*) OVER {W} AS c FROM r WHERE id = 1",
        f"SELECT id, CAST(r AS VARCHAR) AS whole, count(*) OVER {W} AS c FROM r",
        f"SELECT id, n FROM r QUALIFY count(*) OVER {W} > 1",
        f"SELECT id, n + 1 AS m, sum(m) OVER {W} AS c FROM r",
        f"SELECT id, count(*) OVER {W} AS c FROM (SELECT id, t, k COLLATE NOCASE AS k FROM r) q",
        f"SELECT id, r.kk AS kk, count(*) OVER {W} AS c FROM (SELECT id, t, k, {{'kk': k}} AS r FROM r) r",
        "SELECT max(id) AS id, count(*) OVER (ORDER BY max(t) "
        "RANGE BETWEEN INTERVAL 2 SECONDS PRECEDING AND CURRENT ROW) AS c FROM r",
        "SELECT max(id) AS id, k, count(*) OVER (PARTITION BY k ORDER BY max(t) "
        "RANGE BETWEEN INTERVAL 2 SECONDS PRECEDING AND CURRENT ROW) AS c FROM r GROUP BY k",
    ],
)
def test_a_select_that_is_more_than_rows_of_one_relation_stays_as_it_is_written(engine, sql):
    assert not require_equal(engine, sql, ROUND)


@pytest.mark.parametrize(
    ("rows", "at_once"),
    [
        ([("a", True, None, 1), ("a", True, 1, 2)], 100),
        ([("a", True, 0, 2**63 - 1), ("a", True, 1, 2)], 100),
        ([("a", True, 0, 1), ("a", True, 1, 2)], 2),
    ],
    ids=["without a moment", "too large", "too many"],
)
def test_rows_that_running_totals_cannot_take_are_left_to_duckdb(engine, monkeypatch, rows, at_once):
    monkeypatch.setattr(windows, "AT_ONCE", at_once)
    assert not require_equal(engine, f"SELECT id, sum(n) OVER {W} AS c FROM r", rows_of(rows))


def test_the_least_integer_is_left_to_duckdb(engine):
    least = f"CAST({-(2**127) + 1} AS HUGEINT) - 1"
    sql = f"SELECT id, sum(CASE WHEN id = 0 THEN {least} END) OVER {W} AS c FROM r"
    assert not require_equal(engine, sql, ROUND)


@pytest.mark.parametrize("before", ["INTERVAL (-2) SECONDS", "to_seconds(-2)"])
def test_a_frame_that_begins_before_less_than_nothing_is_refused_as_by_duckdb(engine, before):
    window = W.replace("INTERVAL 2 SECONDS", before).replace("CURRENT ROW", "INTERVAL 5 SECONDS FOLLOWING")
    with engine.session({"r": ROUND}) as session:
        answered = with_windows_answered(session, f"SELECT id, count(*) OVER {window} AS c FROM r")
        with pytest.raises(duckdb.OutOfRangeException, match="Invalid RANGE PRECEDING value"):
            session.rows(answered.sql)


@pytest.mark.parametrize("aggregate", ["sum", "avg", "count"])
def test_a_row_that_a_filter_leaves_out_stops_the_query_as_duckdb_is_stopped(engine, aggregate):
    sql = f"SELECT id, {aggregate}(CAST(k AS INTEGER)) FILTER (k > 'z') OVER {W} AS c FROM r"
    with engine.session({"r": ROUND}) as session:
        with pytest.raises(duckdb.ConversionException, match="Could not convert string"):
            session.rows(sql)
        with pytest.raises(duckdb.ConversionException, match="Could not convert string"):
            session.rows(with_windows_answered(session, sql).sql)


def test_moments_without_end_are_left_to_duckdb(engine):
    sql = f"SELECT id, count(*) OVER {W} AS c FROM (SELECT id, k, 'infinity'::TIMESTAMPTZ AS t FROM r) r"
    assert not require_equal(engine, sql, ROUND)


def test_many_rows_come_out_in_their_places(engine):
    chance = np.random.default_rng(5)
    count = 400_000
    rows = pa.table(
        {
            "id": pa.array(range(count)),
            "k": pa.array(chance.integers(0, 70_000, count)),
            "t": pa.array(chance.integers(0, 10**13, count)).cast(pa.timestamp("us")).cast(MOMENT),
            "n": pa.array(chance.integers(-1000, 1000, count)),
        }
    )
    window = "(PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND CURRENT ROW)"
    sql = (
        f"SELECT id, count(*) OVER {window} AS c, sum(n) OVER {window} AS s, avg(n) OVER {window} AS m FROM r"
    )
    assert require_equal(engine, sql, rows)


def test_entities_too_many_and_times_too_long_for_one_line_are_taken_one_after_the_other(engine):
    rows = rows_of([(key, True, second * 10**9, 1) for key in "abcdefgh" for second in range(60)])
    assert require_equal(engine, f"SELECT id, count(*) OVER {W} AS c FROM r", rows)


@pytest.mark.parametrize("few", [0, 10])
def test_an_engine_with_windows_answers_as_the_engine_does(engine, few, monkeypatch):
    asked_for = []
    answer = windows.with_windows_answered
    monkeypatch.setattr(
        windows, "with_windows_answered", lambda *args: asked_for.append(args) or answer(*args)
    )
    pinned = Pinned("r", 0, ROUND.schema, (), ())
    sql = f"SELECT id, count(*) OVER {W} AS c FROM r ORDER BY id"
    found = WindowedEngine(engine, few).rows(sql, {"r": pinned})
    assert found.equals(engine.rows(sql, {"r": pinned}))
    assert bool(asked_for) == (few == 0)


def test_windows_are_told_apart_from_those_that_stay(engine):
    sql = f"SELECT id, count(*) OVER {W} AS c, max(n) OVER {W} AS m FROM (SELECT * FROM r) q"
    with engine.session({"r": ROUND}) as session:
        answered = with_windows_answered(session, sql).windows
    counted, largest = windows_written(sql)
    assert answered == (counted,)
    assert counted.startswith("count() OVER (PARTITION BY k")
    assert largest.startswith("max(n) OVER")
