"""The SQL of a view runs on the tables it declares and yields the columns it declares; anything else is refused."""

import pytest

from mlops_assets.declaration.features import FeatureView
from mlops_assets.declaration.view_sql import require_fitting_sql
from mlops_assets.errors import DeclarationError

TIMES = {"event_time": "timestamp", "available_at": "timestamp"}
TABLES = {
    "flights": {"tailnum": "string", "delay": "integer", **TIMES},
    "planes": {"tailnum": "string", "seats": "integer", **TIMES},
}
ROW = "tailnum, delay, event_time, available_at"


def check(sql, *reads, feature="integer", key="string"):
    view = FeatureView.model_validate(
        {
            "name": "delays",
            "owner": "team:x",
            "entities": ["aircraft"],
            "reads": dict.fromkeys(reads or ("flights",), "1d"),
            "sql": sql,
            "ttl": "1d",
            "features": {"delay": {"type": feature}},
        }
    )
    require_fitting_sql(view, {"tailnum": key}, {table: TABLES[table] for table in view.reads})


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {ROW} FROM flights",
        f"FROM flights SELECT {ROW}",
        f"WITH flights AS (SELECT * FROM flights WHERE delay > 0) SELECT {ROW} FROM flights",
        f"SELECT {ROW} FROM flights -- all of them\n",
        f"SELECT {ROW} FROM flights -- all of them",
        f"SELECT {ROW} FROM flights;",
        f"SELECT {ROW} FROM flights\n;\n\n",
        f"SELECT {ROW} FROM flights; -- all of them",
        f"SELECT {ROW} FROM flights; /* all\nof them */ ;; -- and no more;\n",
        f"SELECT {ROW} FROM flights WHERE tailnum <> ';--' -- all; of them",
        f"SELECT {ROW} FROM flights UNION ALL SELECT {ROW} FROM flights",
        "SELECT tailnum, max(delay) OVER (PARTITION BY tailnum ORDER BY event_time) AS delay, "
        "event_time AT TIME ZONE 'America/New_York' AS event_time, available_at FROM flights",
    ],
)
def test_sql_that_fits_is_taken(sql):
    check(sql)


def test_every_table_that_is_read_may_be_joined():
    check("SELECT f.* REPLACE (delay + seats AS delay) FROM flights f JOIN planes USING (tailnum)", *TABLES)


@pytest.mark.parametrize(
    ("sql", "part", "said"),
    [
        (f"SELECT {ROW} FORM flights", "sql", "does not fit: "),
        (f"SELECT {ROW}\nFROM flights WHERE\n", "sql", "does not fit: syntax error"),
        (f"SELECT {ROW} FROM flights; SELECT 1", "sql", "does not fit: it is not one SELECT"),
        ("", "sql", "does not fit: it is empty, expected a SELECT"),
        (" -- later\n", "sql", "does not fit: it is empty, expected a SELECT"),
        ("DROP TABLE flights", "sql", "does not fit: Only SELECT statements"),
        ("SELECT tailnum, dely AS delay, event_time, available_at FROM flights", "sql",
         'does not fit: Referenced column "dely" not found in FROM clause! Candidate bindings: "delay"'),
        ("SELECT tailnum,\n  late(delay) AS delay, event_time, available_at FROM flights", "sql",
         'does not exist! Did you mean'),
        (f"SELECT {ROW}\nFROM flights\nWHERE dely > 1", "sql", "(line 3 of the SQL)"),
        (f"SELECT {ROW} FROM flight", "sql",
         "reads 'flight', which is not in 'reads'. Did you mean 'flights'? Known: flights."),
        (f"SELECT {ROW} FROM flights JOIN planes USING (tailnum)", "sql", "reads 'planes', which is not in"),
        (f"SELECT {ROW} FROM 'flights.csv'", "sql", "does not fit: Cannot access file"),
        (f"SELECT {ROW} FROM read_csv('flights.csv')", "sql", "does not fit: Cannot access file"),
        ("SELECT tailnum, event_time, available_at FROM flights", "features.delay", "does not yield 'delay'"),
        ("SELECT tailnum, delay AS dely, event_time, available_at FROM flights", "features.delay",
         "does not yield 'delay'. Did you mean 'dely'?"),
        ("SELECT delay, event_time, available_at FROM flights", "sql", "does not yield 'tailnum'"),
        ("SELECT tailnum, delay, event_time FROM flights", "sql", "does not yield 'available_at'"),
        (f"SELECT {ROW}, 1 AS more FROM flights", "sql", "yields 'more', which is not declared"),
        (f"SELECT {ROW}, delay FROM flights", "sql", "column 'delay' is yielded twice; yield each column once"),
        (f"SELECT {ROW}, 1 AS Delay FROM flights; -- done", "sql", "column 'delay' is yielded twice"),
        ("SELECT *, 1 AS tailnum FROM flights", "sql", "column 'tailnum' is yielded twice"),
        (f"WITH f AS (SELECT {ROW}, 1 AS delay FROM flights) SELECT * FROM f", "sql",
         "yields 'delay_1', which is not declared"),
    ],
)  # fmt: skip
def test_sql_that_does_not_fit_is_refused_at_its_place(sql, part, said):
    with pytest.raises(DeclarationError) as refused:
        check(sql)
    assert said in str(refused.value)
    assert "feature view 'delays'" in str(refused.value)
    assert refused.value.field == ("views", "delays", *part.split("."))


def test_a_table_that_is_declared_and_not_read_is_refused():
    with pytest.raises(
        DeclarationError, match="declares that it reads 'planes', and its SQL does not"
    ) as refused:
        check(f"SELECT {ROW} FROM flights", "flights", "planes")
    assert refused.value.field == ("views", "delays", "reads", "planes")


def as_type(expression):
    return f"SELECT tailnum, {expression} AS delay, event_time, available_at FROM flights"


@pytest.mark.parametrize(
    ("feature", "expression"),
    [
        *(
            ("integer", one)
            for one in ("CAST(delay AS TINYINT)", "CAST(1 AS UINTEGER)", "sum(delay) OVER ()")
        ),
        *(("integer", one) for one in ("count(*) OVER ()", "NULL", "delay // 2")),
        *(
            ("number", one)
            for one in ("delay", "delay / 2", "1.5", "CAST(delay AS FLOAT)", "sum(delay) OVER ()")
        ),
        *(("boolean", one) for one in ("delay > 1", "NULL")),
        *(("string", one) for one in ("tailnum", "CAST('a' AS ENUM('a', 'b'))")),
        *(("timestamp", one) for one in ("event_time", "event_time AT TIME ZONE 'UTC'", "DATE '2013-01-01'")),
        ("timestamp", "make_timestamp_ns(0)"),
    ],
)
def test_a_feature_may_be_all_that_becomes_its_type_unchanged(feature, expression):
    check(as_type(expression), feature=feature)


@pytest.mark.parametrize(
    ("feature", "expression", "said"),
    [
        ("integer", "delay / 2", "'delay' as DOUBLE, expected an integer type such as BIGINT"),
        ("integer", "1.5", "as DECIMAL(2,1), expected an integer type"),
        ("integer", "tailnum", "as VARCHAR, expected an integer type"),
        ("integer", "delay > 1", "as BOOLEAN, expected an integer type"),
        ("number", "tailnum", "as VARCHAR, expected a numeric type such as DOUBLE: it is declared number"),
        ("boolean", "delay", "as BIGINT, expected BOOLEAN: it is declared boolean"),
        ("string", "delay", "as BIGINT, expected VARCHAR"),
        ("string", "[tailnum]", "as VARCHAR[], expected VARCHAR"),
        ("timestamp", "'2013-01-01'", "as VARCHAR, expected TIMESTAMP, TIMESTAMPTZ or DATE"),
        ("timestamp", "[event_time]", "as TIMESTAMP WITH TIME ZONE[], expected TIMESTAMP,"),
    ],
)
def test_a_feature_of_another_type_than_declared_is_refused_at_its_line(feature, expression, said):
    with pytest.raises(DeclarationError) as refused:
        check(as_type(expression), feature=feature)
    assert said in str(refused.value)
    assert refused.value.field == ("views", "delays", "features", "delay")


@pytest.mark.parametrize(
    ("sql", "key", "said"),
    [
        (f"SELECT {ROW} FROM flights", "integer", "yields 'tailnum' as VARCHAR, expected an integer type"),
        (f"SELECT {ROW.replace('event_time', 'delay AS event_time')} FROM flights", "string",
         "yields 'event_time' as BIGINT, expected TIMESTAMP,"),
    ],
)  # fmt: skip
def test_a_key_or_a_time_of_another_type_is_refused_at_the_sql(sql, key, said):
    with pytest.raises(DeclarationError) as refused:
        check(sql, key=key)
    assert said in str(refused.value)
    assert refused.value.field == ("views", "delays", "sql")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"SELECT {ROW} FROM flights WHERE event_time < now()", "now()"),
        (f"SELECT {ROW} FROM flights WHERE event_time < current_date", "current_date"),
        (f"SELECT {ROW} FROM flights TABLESAMPLE 10%", "TABLESAMPLE"),
    ],
)
def test_sql_that_would_make_another_partition_each_time_is_refused(sql, found):
    with pytest.raises(DeclarationError, match="expected SQL that says the same of the same rows") as refused:
        check(sql)
    assert f"feature view 'delays': found {found}," in str(refused.value)
    assert refused.value.field == ("views", "delays", "sql")
