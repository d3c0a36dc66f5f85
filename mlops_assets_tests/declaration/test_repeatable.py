"""SQL says the same of the same rows each time, or is refused."""

import duckdb
import pytest

from mlops_assets.declaration.binding import parsed
from mlops_assets.declaration.repeatable import CHANGING, unrepeatable


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT random()", "random()"),
        ("SELECT x FROM t WHERE x < NOW()", "now()"),
        ("WITH a AS (SELECT uuid() AS id FROM t) SELECT * FROM a", "uuid()"),
        ("SELECT x FROM t WHERE x < (SELECT max(today()) FROM u)", "today()"),
        ("SELECT list(x ORDER BY random()) FROM t", "random()"),
        ("SELECT main.random()", "random()"),
        ("SELECT x FROM t UNION ALL SELECT current_timestamp", "current_timestamp"),
        ("SELECT localtimestamp - x FROM t", "localtimestamp"),
        ("SELECT ago(INTERVAL 1 DAY)", "ago()"),
        ("SELECT age(x) FROM t", "age()"),
        ("SELECT x.age() FROM t", "age()"),
        ("SELECT x FROM t TABLESAMPLE 10%", "TABLESAMPLE"),
        ("SELECT x FROM t USING SAMPLE 3", "TABLESAMPLE"),
        ("SELECT row_number() OVER () FROM t", "row_number() without ORDER BY"),
        ("SELECT lag(x) OVER w FROM t WINDOW w AS (PARTITION BY y)", "lag() without ORDER BY"),
        ("SELECT any_value(x) FROM t", "any_value() without ORDER BY"),
        ("SELECT FIRST(x) FROM t GROUP BY y", "first() without ORDER BY"),
        ("SELECT * FROM (SELECT x FROM t LIMIT 3) ORDER BY x", "LIMIT without ORDER BY"),
        ("SELECT value FROM duckdb_settings()", "duckdb_settings()"),
    ],
)
def test_what_may_change_is_found_wherever_it_stands(query, found):
    assert unrepeatable(parsed(query), ["x"]) == found


@pytest.mark.parametrize(
    "query",
    [
        "SELECT age(x, y), x.age(y), hash(x) FROM t",
        "SELECT current_date FROM t",
        "SELECT t.localtime FROM t",
        "SELECT row_number() OVER (PARTITION BY y ORDER BY x), first(x ORDER BY x) FROM t",
        "SELECT last_value(x) OVER w FROM t WINDOW w AS (PARTITION BY y ORDER BY x)",
        "SELECT sum(x) OVER (PARTITION BY y) FROM t ORDER BY y LIMIT 3",
        "SELECT 'random()' AS now FROM t ORDER BY now",
    ],
)
def test_what_stays_the_same_is_taken(query):
    assert unrepeatable(parsed(query), ["current_date"]) is None


def test_all_that_duckdb_says_may_change_is_known():
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    with duckdb.connect() as engine:
        assert {name for (name,) in engine.execute(query).fetchall()} <= CHANGING


def test_all_that_duckdb_makes_of_the_clock_is_known():
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE macro_definition LIKE '%current_timestamp%'"
    with duckdb.connect() as engine:
        assert {name for (name,) in engine.execute(query).fetchall()} <= CHANGING
