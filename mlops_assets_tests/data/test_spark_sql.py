"""What Spark is asked in other words, and what it is not asked."""

import pytest

from mlops_assets.data.spark_sql import spark_sql
from mlops_assets.errors import QueryFailed

TABLES = {
    "t": {
        "id": "BIGINT",
        "k": "VARCHAR",
        "g": "BIGINT",
        "small": "BIGINT",
        "d": "DOUBLE",
        "s": "VARCHAR",
        "b": "BOOLEAN",
        "moment": "TIMESTAMPTZ",
    }
}
# A query, and what the refusal says to do.
REFUSED = {
    "SELECT id FROM t LIMIT 3": "LIMIT is not known",
    "SELECT DISTINCT ON (k) k, id FROM t": "let DuckDB compute the views",
    "SELECT t.id FROM t ASOF JOIN t u ON t.k = u.k AND t.moment >= u.moment": "method",
    "SELECT id FROM t SEMI JOIN t u USING (k)": "write an inner join",
    "SELECT id FROM t WHERE small IN (SELECT g FROM t)": "write a join",
    "SELECT id FROM t WHERE EXISTS (SELECT 1)": "write a join",
    "SELECT (SELECT max(g) FROM t) AS x FROM t": "write a join",
    "SELECT a.x FROM t, LATERAL (SELECT small + 1 AS x) a": "write a join",
    "SELECT k, sum(small) FROM t GROUP BY ROLLUP (k)": "ROLLUP",
    "SELECT id FROM t TABLESAMPLE 10%": "TABLESAMPLE",
    "SELECT * FROM (VALUES (1)) v(x)": "let DuckDB",
    "PIVOT t ON k USING sum(small)": "not",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r": "recursive",
    "SELECT -small AS small FROM t QUALIFY rank() OVER (ORDER BY small) < 5": "give one of them another name",
    "SELECT sum(g) AS small FROM t GROUP BY k HAVING small > 3": "give one of them another name",
    "SELECT round(d, 1) FROM t": "decimals is not compared",
    "SELECT d::BIGINT FROM t": r"say which with round\(\)",
    "SELECT (small * 0.5)::BIGINT FROM t": r"say which with round\(\)",
    "SELECT d::VARCHAR FROM t": "declare the feature as number",
    "SELECT moment::VARCHAR FROM t": r"use strftime\(\)",
    "SELECT s::BIGINT FROM t": "cast where the source is read",
    "SELECT s::DOUBLE FROM t": "cast where the source is read",
    "SELECT try_cast(s AS BIGINT) FROM t": "rule of the source's table",
    "SELECT small::HUGEINT FROM t": "expected a cast to BIGINT",
    "SELECT small::DECIMAL(10, 2) FROM t": "expected a cast to BIGINT",
    "SELECT small::FLOAT FROM t": "expected a cast to BIGINT",
    "SELECT 99999999999999999999 FROM t": "beyond BIGINT",
    "SELECT d % 2 FROM t": "expected integer",
    "SELECT d // 2 FROM t": "expected integer",
    "SELECT small ** 2 FROM t": "pow",
    "SELECT moment - moment FROM t": r"use epoch_us\(\)",
    "SELECT moment + INTERVAL 1 MONTH FROM t": "whole number of SECONDS",
    "SELECT moment + INTERVAL '1 day 2 hours' FROM t": "whole number of SECONDS",
    "SELECT moment > '2013-01-01' FROM t": "cast them to one type",
    "SELECT moment = DATE '2013-01-01' FROM t": "cast them to one type",
    "SELECT TIMESTAMPTZ '2013-01-01 00:00:00+01' FROM t": "a moment in UTC",
    "SELECT moment::TIMESTAMP AT TIME ZONE 'Europe/Berlin' FROM t": "with a time zone",
    "SELECT moment AT TIME ZONE k FROM t": "the name of a time zone",
    "SELECT strftime(moment, '%a') FROM t": "expected a format",
    "SELECT date_part('hour', moment) FROM t": "write extract",
    "SELECT extract(week FROM moment) FROM t": "expected one of year",
    "SELECT date_diff('month', moment, moment) FROM t": "expected one of second",
    "SELECT concat(s, k) FROM t": "write it with ||",
    "SELECT s || small FROM t": "expected null or text",
    "SELECT substring(s, -1) FROM t": "a start from 1",
    "SELECT left(s, -1) FROM t": "how many letters",
    "SELECT s LIKE k FROM t": "a pattern in quotes",
    "SELECT s LIKE 'a\\_' FROM t": "without a backslash",
    "SELECT s ILIKE 'a' FROM t": "ILIKE",
    "SELECT s ~ 'a' FROM t": "regexp_like",
    "SELECT s < 'é' COLLATE NOACCENT FROM t": "collate",
    "SELECT hash(s) FROM t": "hash",
    "SELECT nonsense(s) FROM t": "nonsense",
    "SELECT sum(b) FROM t": "found boolean",
    "SELECT sum(d ORDER BY id) FROM t": "order within an aggregate",
    "SELECT median(d) FROM t": "median",
    "SELECT stddev(d) FROM t": "stddev",
    "SELECT any_value(s) FROM t": r"write min\(\) or max\(\)",
    "SELECT arg_max(s, id) FROM t": "QUALIFY",
    "SELECT list(s) FROM t": "array_agg",
    "SELECT median(d) FILTER (b) FROM t": "median",
    "SELECT lag(small) OVER (PARTITION BY k) FROM t": "no ORDER BY",
    "SELECT lag(small IGNORE NULLS) OVER (ORDER BY id) FROM t": "IGNORENULLS",
    "SELECT sum(small) OVER (ORDER BY id ROWS 3 PRECEDING EXCLUDE CURRENT ROW) FROM t": "exclude",
    "SELECT sum(small) OVER (w RANGE UNBOUNDED PRECEDING) FROM t WINDOW w AS (ORDER BY id)": "write it out",
    "SELECT nothing FROM t": "nothing",
}


@pytest.mark.parametrize(("query", "advice"), REFUSED.items(), ids=list(REFUSED))
def test_what_is_not_known_to_mean_the_same_is_refused_with_what_to_write(query, advice):
    with pytest.raises(QueryFailed, match=advice):
        spark_sql(query, TABLES)


def test_an_aggregate_with_a_filter_becomes_one_of_a_case():
    assert "FILTER" not in spark_sql("SELECT count(*) FILTER (b) OVER (ORDER BY moment) FROM t", TABLES)


def test_a_division_is_of_doubles():
    assert "CAST(`t`.`small` AS DOUBLE) / CAST(`t`.`g` AS DOUBLE)" in spark_sql(
        "SELECT small / g FROM t", TABLES
    )


def test_an_interval_is_in_seconds():
    sql = (
        "SELECT sum(g) OVER (ORDER BY moment RANGE BETWEEN INTERVAL 2 DAYS PRECEDING AND CURRENT ROW) FROM t"
    )
    assert "INTERVAL '172800' SECONDS PRECEDING" in spark_sql(sql, TABLES)


def test_a_comment_is_left_out():
    assert "because" not in spark_sql("SELECT id -- because */ of\nFROM t", TABLES)
