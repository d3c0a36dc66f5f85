# ruff: noqa: E501 (a query stands on one line)
"""DuckDB's answer and Spark's are one, for every kind of SQL that Spark is asked, on rows of every kind."""

import os
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from mlops_assets.errors import BadEnvironment, QueryFailed
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.spark import Spark
from mlops_assets_tests.engines import Chance, difference, pinned, rows_of_every_kind

pytestmark = [pytest.mark.slow, pytest.mark.spark]

EXPRESSIONS = """
    i + 1; i - small; small * 3; i // 7; i % 7; small / 7; tame / 3; small / 2.0; d + 1; d * 2; -d; -small; 2147483647 + g
    abs(d); abs(small); round(d); floor(d); ceil(d); floor(small * 0.5); round(small * 0.5)::BIGINT; round(-2.5)
    CAST(round(tame) AS BIGINT); floor(tame)::BIGINT; sqrt(d); exp(tame / 100); exp(d); ln(abs(small) + 1); isnan(d)
    small * 0.1; small * 0.1 > 0.3; d > 0.3; tame * 0.1; 0.1 + 0.2; coalesce(small, 0.5) * tame; small / 0.3
    d = 0; d < 0; d = d; i = small; i IS DISTINCT FROM small; i IS NOT DISTINCT FROM small; s = ''; s < 'a'; s > 'ß'
    b AND small > 0; b OR small > 0; NOT b; b IS TRUE; b IS NOT TRUE; small IN (1, 2, NULL); small NOT IN (1, 2)
    s IN ('a', 'B'); small BETWEEN -2 AND 3; t > TIMESTAMPTZ '2013-03-10 07:00:00+00'; t = moment; t IS NULL; small != 3
    CASE WHEN small > 0 THEN 1 WHEN b THEN 2 END; CASE small WHEN 1 THEN 'x' ELSE s END; if(b, small, tame)
    coalesce(small, i, 0); coalesce(s, 'none'); nullif(small, 0); greatest(small, i); least(d, tame); greatest(d, tame)
    greatest(s, k); least(t, moment); ifnull(small, 1); if(b, NULL, s)
    t + INTERVAL 90 MINUTES; t - INTERVAL 3 DAYS; t + INTERVAL '2' HOURS; t + INTERVAL 1 WEEK
    date_trunc('second', t); date_trunc('minute', t); date_trunc('hour', t); date_trunc('day', t); date_trunc('week', t)
    date_trunc('month', t); date_trunc('quarter', t); date_trunc('year', t); date_trunc('day', t::DATE::TIMESTAMP)
    hour(t); extract(hour FROM t); extract(dow FROM t); extract(isodow FROM t); dayofweek(t); isodow(t); dayofyear(t)
    year(t); quarter(t); month(t); day(t); minute(t); second(t); extract(year FROM t::DATE); hour(t) * 1000000000000
    epoch(t); extract(epoch FROM t); epoch_us(t); (epoch_us(moment) - epoch_us(t)) / 1e6
    date_diff('second', t, moment); date_diff('minute', moment, t); date_diff('hour', t, moment); datediff('day', t, moment)
    t AT TIME ZONE 'America/New_York'; hour(t AT TIME ZONE 'Asia/Kolkata'); (t AT TIME ZONE 'Europe/Berlin')::TIMESTAMPTZ
    strftime(t AT TIME ZONE 'America/New_York', '%Y-%m-%d'); strftime(t, '%Y-%m-%d %H:%M:%S'); t::DATE; t::TIMESTAMP
    t::DATE = DATE '2013-03-10'; t::DATE::TIMESTAMPTZ
    s || k; length(s); trim(s); ltrim(s); rtrim(s); substring(s, 1, 2); substring(s, 2); left(s, 2); right(s, 1)
    starts_with(s, 'a'); contains(s, 'b'); strpos(s, 'b'); s LIKE 'a%'; s LIKE '_'; s NOT LIKE '%b'; s = 'a\\b'; 'it''s'
    upper(CASE WHEN s = 'ab' THEN s END); lower(CASE WHEN s = 'Zz' THEN s END)
    small::VARCHAR; b::VARCHAR; small::DOUBLE; b::BIGINT; small::BOOLEAN; small::INTEGER; s::VARCHAR; NULL::BIGINT
"""
EXPRESSIONS = [one.strip() for line in EXPRESSIONS.strip().splitlines() for one in line.split("; ")]
LATELY = "PARTITION BY k ORDER BY moment RANGE BETWEEN INTERVAL 2 DAYS PRECEDING"
QUERIES = f"""
SELECT k, count(*) a, count(small) b, count(DISTINCT s) c, sum(small) d, sum(DISTINCT small) e, avg(small) f FROM t GROUP BY k ORDER BY k
SELECT k, sum(tame) a, avg(tame) b, min(d) c, max(d) e, min(s) f, max(s) g, min(moment) h, max(t) i FROM t GROUP BY k ORDER BY k
SELECT k, bool_and(b) a, bool_or(b) c, sum(small * 0.1) d, avg(small * 0.1) e, sum(d) f, avg(d) g FROM t GROUP BY k ORDER BY k
SELECT k, sum(small) FILTER (b) a, count(*) FILTER (WHERE small > 0) c, count(DISTINCT s) FILTER (b) d FROM t GROUP BY ALL ORDER BY k
SELECT k, avg(tame) FILTER (b) a, max(CASE WHEN b THEN small END) - min(small) c FROM t GROUP BY k HAVING count(*) > 3 ORDER BY k
SELECT k, date_trunc('day', moment) + INTERVAL 1 DAY AS day, sum(small) n FROM t GROUP BY ALL ORDER BY k, day
SELECT g % 2 AS g, count(*) n FROM t GROUP BY g ORDER BY g, n
SELECT g % 2 AS h, count(*) n FROM t GROUP BY h ORDER BY h
SELECT d, count(*) n FROM t GROUP BY d ORDER BY d
SELECT DISTINCT k, d FROM t ORDER BY k, d
SELECT sum(i) AS beyond FROM t
SELECT id, count(*) FILTER (b) OVER w a, avg(tame) OVER w c, min(d) OVER w e, sum(small) OVER w f FROM t WINDOW w AS ({LATELY} AND CURRENT ROW) ORDER BY id
SELECT id, bool_or(b) OVER w a, max(s) OVER w c, sum(tame) OVER w e FROM t WINDOW w AS ({LATELY} AND INTERVAL 1 MINUTE PRECEDING) ORDER BY id
SELECT id, count(*) OVER (PARTITION BY k) a, sum(small) OVER (ORDER BY moment) c, sum(small) OVER (PARTITION BY d ORDER BY id) e FROM t ORDER BY id
SELECT id, sum(small) OVER (PARTITION BY k ORDER BY moment DESC RANGE BETWEEN INTERVAL 2 DAYS PRECEDING AND CURRENT ROW) a FROM t ORDER BY id
SELECT id, count(*) OVER (ORDER BY small RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING) a, count(*) OVER (ORDER BY small DESC NULLS FIRST RANGE 2 PRECEDING) c FROM t ORDER BY id
SELECT id, count(*) OVER (ORDER BY epoch_us(moment) RANGE BETWEEN 3600000000 PRECEDING AND 1 PRECEDING) a FROM t ORDER BY id
SELECT id, count(*) OVER (ORDER BY moment RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR FOLLOWING) a FROM t ORDER BY id
SELECT id, rank() OVER (PARTITION BY k ORDER BY small DESC) a, dense_rank() OVER (ORDER BY d) c, rank() OVER (ORDER BY d DESC, s) e FROM t ORDER BY id
SELECT id, lag(small) OVER (PARTITION BY k ORDER BY moment, id) a, lead(s, 2, 'none') OVER (PARTITION BY k ORDER BY id DESC) c FROM t ORDER BY id
SELECT id, row_number() OVER (PARTITION BY g ORDER BY t NULLS FIRST, id) a, first_value(d) OVER w c, last_value(d) OVER w e FROM t WINDOW w AS (PARTITION BY k ORDER BY id) ORDER BY id
SELECT id, sum(small) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) a, avg(tame) OVER (ORDER BY id ROWS 5 PRECEDING) c FROM t ORDER BY id
SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY k ORDER BY moment DESC, id) = 1 ORDER BY id
SELECT id, rank() OVER (PARTITION BY k ORDER BY small DESC) AS place FROM t QUALIFY place <= 2 ORDER BY id
SELECT a.id, b.id AS other FROM t a JOIN t b ON a.small = b.small AND a.id < b.id WHERE a.g = 1 ORDER BY a.id, other
SELECT a.id, b.id AS other FROM t a JOIN t b ON a.d = b.d WHERE a.id < 50 ORDER BY 1, 2
SELECT a.id, n FROM t a LEFT JOIN (SELECT k, g, count(*) n FROM t WHERE b GROUP BY ALL) USING (k, g) ORDER BY a.id
SELECT k, n, m FROM (SELECT k, count(*) n FROM t WHERE id < 5 GROUP BY k) FULL JOIN (SELECT k, count(*) m FROM t WHERE id > 390 GROUP BY k) USING (k) ORDER BY k, n
SELECT a.id, b.id AS other FROM t a, (SELECT id FROM t WHERE id < 3) b WHERE a.id < 10 ORDER BY 1, 2
SELECT k FROM t WHERE b UNION SELECT s FROM t ORDER BY 1
SELECT k, small FROM t WHERE b UNION ALL SELECT s, g FROM t ORDER BY 1, 2
SELECT small FROM t EXCEPT SELECT g FROM t ORDER BY 1
SELECT small FROM t INTERSECT SELECT g FROM t ORDER BY 1
WITH a AS (SELECT k, small * 2 AS two FROM t), b AS (SELECT k, sum(two) n FROM a GROUP BY k) SELECT * FROM b ORDER BY k
WITH t AS (SELECT id, small FROM t WHERE b) SELECT count(*) n, sum(id) AS ids FROM t
SELECT T.Small AS x, K FROM t ORDER BY ID
SELECT small + 1 AS small, small AS two FROM t WHERE small > 3 ORDER BY id
SELECT id, small + 1 AS x, x * 2 AS y FROM t WHERE x > 2 ORDER BY id
SELECT * EXCLUDE (s) FROM t ORDER BY id
FROM t SELECT id ORDER BY id
SELECT partition, count(*) n FROM t GROUP BY partition
"""
QUERIES = QUERIES.strip().splitlines()
# Where DuckDB has an answer, and Spark could only give another one: it stops, and says so.
STOPPED = {
    "SELECT small / (small - small) AS x FROM t": "DIVIDE_BY_ZERO",
    "SELECT sum(i * 512) AS x FROM t": "ARITHMETIC_OVERFLOW",
    "SELECT ln(small) AS x FROM t": r"ln\(\) of zero or less",
    "SELECT lower(s) AS x FROM t": r"lower\(\) of a text with letters beyond ASCII",
    "SELECT lag(small) OVER (PARTITION BY k ORDER BY moment) AS x FROM t": r"lag\(\) meets rows that are equal",
    "SELECT sum(small) OVER (ORDER BY g ROWS 3 PRECEDING) AS x FROM t": r"sum\(\) meets rows that are equal",
    # A tie among rows that are not asked for decides what those have that are.
    "SELECT x FROM (SELECT id, lag(small) OVER (ORDER BY moment) AS x FROM t) WHERE id < 3": "equal in the ORDER BY",
    "SELECT count(DISTINCT s) OVER (PARTITION BY k) AS x FROM t": "DISTINCT_WINDOW_FUNCTION_UNSUPPORTED",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return {"t": pinned(tmp_path_factory.mktemp("rows"), "t", rows_of_every_kind(seed=1))}


@pytest.fixture(scope="module")
def answers(engine, spark, tables):
    """Both engines' answers to all expressions, each asked once."""
    asked = ", ".join(f"{one} AS x{number}" for number, one in enumerate(EXPRESSIONS))
    sql = f"SELECT {asked} FROM t ORDER BY id"
    return engine.rows(sql, tables), spark.rows(sql, tables)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_means_the_same(expression, answers):
    of_duckdb, of_spark = (rows.select([f"x{EXPRESSIONS.index(expression)}"]) for rows in answers)
    assert of_duckdb.num_rows == 400
    assert not difference(of_duckdb, of_spark)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_means_the_same(query, engine, spark, tables):
    of_duckdb = engine.rows(query, tables)
    assert of_duckdb.num_rows
    assert not difference(of_duckdb, spark.rows(query, tables))


@pytest.mark.parametrize(("query", "reason"), STOPPED.items(), ids=list(STOPPED))
def test_what_would_be_another_answer_stops_the_query(query, reason, engine, spark, tables):
    assert engine.rows(query, tables).num_rows
    with pytest.raises(QueryFailed, match=reason):
        spark.rows(query, tables)


@pytest.mark.parametrize("seed", range(4))
def test_what_chance_writes_means_the_same_or_is_refused(seed, engine, spark, tables):
    chance = Chance(seed)
    asked = [one for one in (chance.expression() for _ in range(80)) if _has_an_answer(engine, tables, one)]
    refused = _refused(asked, engine, spark, tables)
    assert len(asked) > 60
    assert len(refused) < len(asked) / 3


def _has_an_answer(engine, tables, expression):
    try:
        return engine.rows(f"SELECT {expression} AS x FROM t", tables).num_rows
    except duckdb.Error:
        return False


def _refused(asked, engine, spark, tables):
    """Those of the expressions that Spark refuses; of all others the answers are one."""
    sql = f"SELECT {', '.join(f'{one} AS x{number}' for number, one in enumerate(asked))} FROM t ORDER BY id"
    try:
        found = difference(engine.rows(sql, tables), spark.rows(sql, tables))
    except QueryFailed as error:
        half = len(asked) // 2
        halves = (asked[:half], asked[half:]) if half else ()
        return (
            [(asked[0], error)]
            if not half
            else [one for part in halves for one in _refused(part, engine, spark, tables)]
        )
    assert not found, f"{found}: {dict(enumerate(asked))}"
    return []


def test_a_column_that_was_added_after_a_file_was_written_is_null_there(tmp_path, engine, spark):
    earlier, later = pa.table({"x": [1]}), pa.table({"x": [2], "y": ["b"]})
    tables = {"t": pinned(tmp_path, "t", later, earlier)}
    assert spark.rows("SELECT x, y FROM t ORDER BY x", tables).to_pylist() == [
        {"x": 1, "y": None},
        {"x": 2, "y": "b"},
    ]
    assert not difference(*(one.rows("SELECT x, y FROM t ORDER BY x", tables) for one in (engine, spark)))


def test_a_table_without_files_has_no_rows_and_its_types(spark):
    schema = pa.schema({"x": pa.int64(), "at": pa.timestamp("us", "UTC"), "partition": pa.string()})
    rows = spark.rows('SELECT x, "at" FROM t', {"t": Pinned("t", 0, schema, (), ())})
    assert rows.num_rows == 0
    assert rows.schema == pa.schema({"x": pa.int64(), "at": pa.timestamp("us", "UTC")})


def test_a_folder_may_have_any_name(tmp_path, spark):
    strange = tmp_path / "a {b,c} [d] *é 日"
    rows = spark.rows("SELECT x, partition FROM t", {"t": pinned(strange, "t", pa.table({"x": [7]}))})
    assert rows.to_pylist() == [{"x": 7, "partition": "all"}]


def test_two_queries_may_use_one_name_for_two_tables(tmp_path, spark):
    one, other = (pinned(tmp_path / str(x), "t", pa.table({"x": [x]})) for x in (1, 2))
    assert [spark.rows("SELECT x FROM t", {"t": table})["x"].to_pylist() for table in (one, other, one)] == [
        [1],
        [2],
        [1],
    ]


def test_moments_are_utc_microseconds_wherever_the_machine_stands(tmp_path, spark, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    moment = datetime(2013, 3, 10, 7, 0, 0, 1, UTC)
    at = pa.table({"x": pa.array([moment], pa.timestamp("us", "UTC"))})
    rows = spark.rows("SELECT x FROM t", {"t": pinned(tmp_path, "t", at)})
    assert rows.schema.field("x").type == pa.timestamp("us", "UTC")
    assert rows["x"].to_pylist() == [moment]


def test_a_column_of_another_type_is_refused_by_name(tmp_path, spark):
    table = pinned(tmp_path, "t", pa.table({"x": pa.array([1], pa.int32())}))
    with pytest.raises(QueryFailed, match=r"x \(int32\)"):
        spark.rows("SELECT x FROM t", {"t": table})


def test_spark_leaves_nothing_where_the_command_was_started(spark, tables):
    spark.rows("SELECT count(*) AS n FROM t", tables)
    assert not {"metastore_db", "spark-warehouse", "derby.log", "artifacts"} & set(os.listdir())


def test_a_machine_without_java_is_told_what_to_install(tmp_path, tables, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BadEnvironment, match="default-jre-headless"):
        Spark(tmp_path / "spill").rows("SELECT count(*) AS n FROM t", tables)
