"""SQL becomes part of other SQL without what ends it."""

import pytest

from mlops_assets.declaration.sql import bracketed


@pytest.mark.parametrize("end", ["", ";", " ; ; ", "; -- a", " -- a;b", "\n;\n-- a\n/* ; */", " /* a */"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT ';' -- a;\n, '--'",
        "SELECT 'it''s; --'",
        r"SELECT E'it\'s; --'",
        'SELECT 1 AS "a;""--"',
        "SELECT $$ ; -- $$",
        "SELECT $a$ $$; -- $a$",
        "SELECT 4 /* ; */ / 2",
        "SELECT 4 - -1",
    ],
)
def test_only_what_stands_after_the_last_word_is_left_out(sql, end):
    assert bracketed(sql + end) == f"({sql}\n)"


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "-- a\nSELECT 1; -- b\nSELECT 2"])
def test_a_second_statement_stays(sql):
    assert bracketed(sql) == f"({sql}\n)"


@pytest.mark.parametrize("sql", ["", " -- a", ";"])
def test_nothing_is_nothing(sql):
    assert bracketed(sql) == "(\n)"
