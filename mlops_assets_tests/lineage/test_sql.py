"""Column lineage of every shape of SQL that a view may have; what the rows themselves say is the judge."""

from functools import cache

import duckdb
import pytest

from mlops_assets.lineage.sql import derivations

T = {"k": "integer", "a": "number", "b": "number", "c": "string", "ts": "timestamp"}
U = {"k": "integer", "x": "number", "y": "number", "ts": "timestamp"}
RELATIONS = {"t": T, "u": U}

SHAPES = {
    "a column": ("SELECT a FROM t", {"a": "t.a"}),
    "an alias": ("SELECT a AS b FROM t", {"b": "t.a"}),
    "an expression": ("SELECT a + b AS s, 1 AS one FROM t", {"s": "t.a t.b", "one": "= a constant"}),
    "an alias used again": ("SELECT a + 1 AS n, n * 2 AS m FROM t", {"n": "t.a", "m": "t.a"}),
    "a column before an alias": ("SELECT a + 1 AS b, b * 2 AS m FROM t", {"b": "t.a", "m": "t.b"}),
    "a star": ("SELECT * FROM u", {"k": "u.k", "x": "u.x", "y": "u.y", "ts": "u.ts"}),
    "a star with changes": (
        "SELECT * EXCLUDE (ts, k) REPLACE (x + y AS x) FROM u",
        {"x": "u.x u.y", "y": "u.y"},
    ),
    "a star renamed": ("SELECT * EXCLUDE (ts, k) RENAME (x AS z) FROM u", {"z": "u.x", "y": "u.y"}),
    "a relation's star": (
        "SELECT u.* EXCLUDE (ts), a FROM t JOIN u USING (k)",
        {"k": "u.k", "x": "u.x", "y": "u.y", "a": "t.a"},
    ),
    "FROM first": ("FROM t SELECT a", {"a": "t.a"}),
    "CASE": ("SELECT CASE WHEN a > 0 THEN b ELSE 0 END AS v FROM t", {"v": "t.a t.b"}),
    "a cast": ("SELECT TRY_CAST(c AS BIGINT) AS v FROM t", {"v": "t.c"}),
    "an aggregate": ("SELECT k, sum(a) AS s FROM t GROUP BY k", {"k": "t.k", "s": "t.a"}),
    "GROUP BY ALL": (
        "SELECT k, max(b) AS m, count(*) AS n FROM t GROUP BY ALL",
        {"k": "t.k", "m": "t.b", "n": "t.k"},
    ),
    "FILTER": ("SELECT count(*) FILTER (a > 1) AS n FROM t GROUP BY k", {"n": "t.a t.k"}),
    "rows counted": ("SELECT count(*) AS n FROM t WHERE a > 1 GROUP BY k", {"n": "t.a t.k"}),
    "rows counted by a constant": (
        "SELECT count(1) AS n, sum(1) AS s FROM t WHERE a > 1 GROUP BY k",
        {"n": "t.a t.k", "s": "t.a t.k"},
    ),
    "all rows counted": ("SELECT count(*) AS n FROM t", {"n": "= the rows of t, none of their columns"}),
    "HAVING": ("SELECT k, sum(a) AS s FROM t GROUP BY k HAVING max(b) > 0", {"k": "t.k", "s": "t.a"}),
    "DISTINCT": ("SELECT count(DISTINCT c) AS n FROM t", {"n": "t.c"}),
    "an ordered aggregate": ("SELECT last(a ORDER BY ts) AS v FROM t", {"v": "t.a t.ts"}),
    "a window": (
        "SELECT sum(a) OVER (PARTITION BY k ORDER BY ts) AS s FROM t",
        {"s": "t.a t.k t.ts"},
    ),
    "a named window": (
        "SELECT sum(a) OVER w AS s, count(*) OVER w AS n FROM t WINDOW w AS (PARTITION BY k ORDER BY ts "
        "RANGE BETWEEN INTERVAL 3600 SECONDS PRECEDING AND CURRENT ROW)",
        {"s": "t.a t.k t.ts", "n": "t.k t.ts"},
    ),
    "a rank": ("SELECT row_number() OVER (ORDER BY a) AS r FROM t", {"r": "t.a"}),
    "QUALIFY": (
        "SELECT k, a FROM t QUALIFY row_number() OVER (PARTITION BY k ORDER BY ts DESC) = 1",
        {"k": "t.k", "a": "t.a"},
    ),
    "a CTE": ("WITH c AS (SELECT k, a + b AS s FROM t) SELECT s AS v FROM c", {"v": "t.a t.b"}),
    "a CTE with columns": ("WITH c(p, q) AS (SELECT k, a FROM t) SELECT q FROM c", {"q": "t.a"}),
    "a CTE of a CTE": (
        "WITH c AS (SELECT k, a FROM t), d AS (SELECT k, a * 2 AS a2 FROM c) SELECT a2 FROM d",
        {"a2": "t.a"},
    ),
    "a CTE called like a table": ("WITH u AS (SELECT a AS x FROM t) SELECT x FROM u", {"x": "t.a"}),
    "a subquery": ("SELECT s.v FROM (SELECT a AS v FROM t) s", {"v": "t.a"}),
    "a join": ("SELECT t.a, u.x FROM t JOIN u ON t.k = u.k", {"a": "t.a", "x": "u.x"}),
    "USING": ("SELECT k, a, x FROM t JOIN u USING (k)", {"k": "t.k u.k", "a": "t.a", "x": "u.x"}),
    "an ASOF join": (
        "SELECT t.a, u.x FROM t ASOF LEFT JOIN u ON t.k = u.k AND t.ts >= u.ts",
        {"a": "t.a", "x": "u.x"},
    ),
    "a semi join": ("SELECT a FROM t SEMI JOIN u ON t.k = u.k", {"a": "t.a"}),
    "a self join": ("SELECT p.a, q.b FROM t p JOIN t q ON p.k = q.k", {"a": "t.a", "b": "t.b"}),
    "a lateral join": (
        "SELECT a, l.m FROM t, LATERAL (SELECT max(x) AS m FROM u WHERE u.k = t.k) l",
        {"a": "t.a", "m": "u.x"},
    ),
    "a lateral of the row": ("SELECT l.m FROM t, LATERAL (SELECT t.a + t.b AS m) l", {"m": "t.a t.b"}),
    "a scalar subquery": (
        "SELECT a, (SELECT max(x) FROM u WHERE u.k = t.k) AS m FROM t",
        {"a": "t.a", "m": "u.x u.k t.k"},
    ),
    "all rows counted within": (
        "SELECT k, (SELECT count(*) FROM u) AS n FROM t",
        {"k": "t.k", "n": "= the rows of u, none of their columns"},
    ),
    "EXISTS": ("SELECT EXISTS (SELECT 1 FROM u WHERE u.k = t.k) AS e FROM t", {"e": "u.k t.k"}),
    "IN": ("SELECT k IN (SELECT k FROM u WHERE y > 0) AS e FROM t", {"e": "t.k u.k u.y"}),
    "UNION ALL": ("SELECT a AS v, k FROM t UNION ALL SELECT x, k FROM u", {"v": "t.a u.x", "k": "t.k u.k"}),
    "UNION BY NAME": (
        "SELECT a AS v, k FROM t UNION ALL BY NAME SELECT k, x AS v FROM u",
        {"v": "t.a u.x", "k": "t.k u.k"},
    ),
    "EXCEPT": ("SELECT k FROM t EXCEPT SELECT k FROM u", {"k": "t.k u.k"}),
    "a list unnested": (
        "SELECT a, z.y FROM t, unnest([a, b]) AS z(y)",
        {"a": "t.a", "y": "t.a t.b"},
    ),
    "a lambda": ("SELECT list_transform([a], lambda v: v + b) AS l FROM t", {"l": "t.a t.b"}),
    "a struct": ("SELECT {'p': a, 'q': b} AS s FROM t", {"s": "t.a t.b"}),
    "a field of a struct": ("SELECT s.p FROM (SELECT {'p': a, 'q': b} AS s FROM t)", {"p": "t.a t.b"}),
    "VALUES": ("SELECT v.p FROM (VALUES (1), (2)) v(p)", {"p": "= a constant"}),
    "a table function": ("SELECT a, r.n FROM t, range(3) r(n)", {"a": "t.a", "n": "= a constant"}),
    "a quoted name": ('SELECT "a" AS "V" FROM "t"', {"V": "t.a"}),
    "another case": ("SELECT A FROM T", {"a": "t.a"}),
    "comments": ("SELECT a -- b\n/* c */ FROM t", {"a": "t.a"}),
    "time arithmetic": (
        "SELECT date_trunc('hour', ts) + INTERVAL 3600 SECONDS AS known FROM t",
        {"known": "t.ts"},
    ),
    "a whole row": ("SELECT u AS r FROM u", {"r": "u.k u.x u.y u.ts"}),
    "a difference of moments": (
        "SELECT epoch(ts) - lag(epoch(ts)) OVER (ORDER BY ts) AS d FROM t",
        {"d": "t.ts"},
    ),
}


def columns_of(sql: str) -> list[str]:
    return [column[0] for column in filled(None).execute(f"SELECT * FROM ({sql})").description]


def tables() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, columns in RELATIONS.items():
        said = ", ".join(f"{column} {KINDS[kind]}" for column, kind in columns.items())
        connection.execute(f"CREATE TABLE {name} ({said})")
    return connection


KINDS = {"integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}


def told(derivation) -> str:
    if derivation.columns:
        return " ".join(sorted(f"{one.table}.{one.column}" for one in derivation.columns))
    return f"= {derivation.why}"


@pytest.mark.parametrize(("sql", "expected"), SHAPES.values(), ids=SHAPES)
def test_every_shape_of_sql_has_the_lineage_a_person_would_draw(sql, expected):
    found = derivations(sql, RELATIONS, columns_of(sql))
    wanted = {
        column: said if said.startswith("=") else " ".join(sorted(said.split()))
        for column, said in expected.items()
    }
    assert {column: told(derivation) for column, derivation in found.items()} == wanted


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE r AS (SELECT k AS n FROM t UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
        "SELECT * FROM (PIVOT u ON k IN (1, 2) USING sum(x) GROUP BY y)",
        "SELECT COLUMNS('a|b') FROM t",
        "SELECT rowid AS r FROM t",
        "SELECT * FROM (SELECT t.k, u.k FROM t, u)",
    ],
)
def test_what_cannot_be_followed_is_unknown_for_every_column_with_a_reason(sql):
    columns = columns_of(sql)
    found = derivations(sql, RELATIONS, columns)
    assert list(found) == columns
    for derivation in found.values():
        assert derivation.is_unknown
        assert not derivation.columns
        assert len(derivation.why) > len("unknown: ")


def test_names_keep_their_spelling_whatever_they_hold():
    odd = ["a b", "Größe", 'x"y', "p|q", "SELECT", "1st", "Amount"]
    found = derivations(
        "SELECT *, amount * 2 AS twice FROM source", {"source": dict.fromkeys(odd, "number")}, [*odd, "twice"]
    )
    assert {column: told(derivation) for column, derivation in found.items()} == {
        **{column: f"source.{column}" for column in odd},
        "twice": "source.Amount",
    }


def test_a_long_chain_of_queries_that_each_read_the_last_one_twice_is_followed_once_each():
    links = ["c0 AS (SELECT k, count(*) AS n FROM t WHERE a > 0 GROUP BY k)"] + [
        f"c{i} AS (SELECT x.k, count(*) + max(y.n) AS n FROM c{i - 1} x JOIN c{i - 1} y ON x.k = y.k GROUP BY x.k)"
        for i in range(1, 40)
    ]
    found = derivations(f"WITH {', '.join(links)} SELECT n FROM c39", RELATIONS, ["n"])
    assert told(found["n"]) == "t.a t.k"


def test_what_ends_a_query_is_no_part_of_it():
    query = "SELECT a AS x FROM t"
    for end in (";", "; -- done", " -- done\n; /* all of them */"):
        assert derivations(query + end, RELATIONS, ["x"]) == derivations(query, RELATIONS, ["x"])


@pytest.mark.parametrize(
    "sql", ["", "SELECT", "DROP TABLE t", "SELECT a FROM t; SELECT k FROM t", "SELECT z FROM t"]
)
def test_what_is_no_query_over_the_relations_is_unknown_too(sql):
    assert derivations(sql, RELATIONS, ["a"])["a"].is_unknown


ROWS = {
    "t": "SELECT i % 4 AS k, i * 1.5 AS a, (i * 7) % 5 - 1.0 AS b, CAST(i % 3 AS VARCHAR) AS c, "
    "TIMESTAMPTZ '2024-01-01' + to_hours((i * 5) % 40) AS ts FROM range(1, 25) r(i)",
    "u": "SELECT i % 5 AS k, (i * 11) % 13 - 3.0 AS x, i * 2.0 AS y, "
    "TIMESTAMPTZ '2024-01-01' + to_hours((i * 3) % 30) AS ts FROM range(1, 20) r(i)",
}
OTHERWISE = {
    "integer": "(({0} + 1) * 3) % 5",
    "number": "{0} * -3 + 7",
    "string": "{0} || '1'",
    "timestamp": "{0} + to_minutes(CAST(17 + (hash({0}) % 5000) AS BIGINT))",
}


@cache
def filled(changed: tuple[str, str] | None) -> duckdb.DuckDBPyConnection:
    """Both tables with rows; the values of one column are others than they were."""
    connection = tables()
    for name, columns in RELATIONS.items():
        said = ", ".join(
            OTHERWISE[kind].format(column) + f" AS {column}" if (name, column) == changed else column
            for column, kind in columns.items()
        )
        connection.execute(f"INSERT INTO {name} SELECT {said} FROM ({ROWS[name]})")
    return connection


def values(sql: str, changed: tuple[str, str] | None = None) -> dict[str, list[str]]:
    """What a query yields, column by column in no order, with the values of one source column others."""
    found = filled(changed).execute(sql)
    names, rows = [column[0] for column in found.description], found.fetchall()
    return {name: sorted(str(row[index]) for row in rows) for index, name in enumerate(names)}


# Where it has one of these, a change of a column changes which rows there are, which column lineage does not tell.
ROW_CLAUSES = (
    "WHERE",
    "JOIN",
    "HAVING",
    "QUALIFY",
    "GROUP BY",
    "EXCEPT",
    "DISTINCT",
    "IN (",
    "LATERAL (SELECT max",
)
OF_ALL_ROWS = {
    name: sql for name, (sql, _) in SHAPES.items() if not any(clause in sql for clause in ROW_CLAUSES)
}


@pytest.mark.parametrize("sql", OF_ALL_ROWS.values(), ids=OF_ALL_ROWS)
def test_a_column_whose_values_follow_another_names_it(sql):
    """Change a source column: every column of the result that changes, where all rows stay, comes from it."""
    before, found = values(sql), derivations(sql, RELATIONS, columns_of(sql))
    for table, columns in RELATIONS.items():
        for column in columns:
            after = values(sql, (table, column))
            for name in before:
                if after[name] != before[name]:
                    assert (table, column) in {(one.table, one.column) for one in found[name].columns}


@pytest.mark.parametrize(
    "expression",
    [
        "a.abs()",
        "t.a.abs()",
        "c.lower() || k",
        "lower(c).upper()",
        "COLUMNS('a')",
        "#2",
        "sum(COLUMNS('a')) OVER ()",
    ],
)
def test_what_names_a_column_without_spelling_it_is_unknown_and_no_constant(expression):
    (found,) = derivations(f"SELECT {expression} AS v FROM t", RELATIONS, ["v"]).values()
    assert found.is_unknown, found
