"""What a source may say."""

from datetime import date

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.source import Column, LandedFile, Source, Table, table_columns
from mlops_assets.errors import DeclarationError

COLUMNS = {"id": {"type": "integer"}, "city": {"type": "string", "known": "ahead"}}


def table(**changed):
    said = {"name": "visits", "reads": {"landing": "visits/{day}.csv"}, "select": "SELECT 1", "key": ["id"]}
    return {**said, "columns": COLUMNS, **changed}


def source(**changed):
    return {"name": "shop", "owner": "team:x", "start": "2013-01-01", "tables": [table()], **changed}


def refusal(declared, value):
    with pytest.raises(ValidationError) as refused:
        declared.model_validate(value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"type": "string", "between": [0, 1]}, "'between' needs an integer or number column, found string"),
        ({"type": "number", "one_of": ["a"]}, "'one_of' and 'matches' need a string column, found number"),
        ({"type": "boolean", "matches": "a"}, "'one_of' and 'matches' need a string column, found boolean"),
        ({"type": "number", "between": [2, 1]}, "'between' is empty: 2 is above 1"),
        ({"type": "number", "between": [float("nan"), 1]}, "between.0\n  Input should be a finite number"),
        ({"type": "number", "between": [True, 2]}, "between.0\n  Input should be a valid number"),
        ({"type": "string", "required": 1}, "required\n  Input should be a valid boolean"),
        (
            {"type": "string", "matches": "[A-Z"},
            "matches\n  Value error, found '[A-Z', expected a regular expression",
        ),
        ({"type": "string", "matches": "a**"}, "as RE2 reads it: bad repetition operator: **"),
        ({"type": "string", "matches": "(?=a)b"}, "as RE2 reads it: invalid perl operator: (?="),
        ({"type": "string", "matches": "(a"}, "missing ): (a"),
        (
            {"type": "string", "matches": ""},
            "matches\n  Value error, found '', which only an empty text matches",
        ),
        ({"type": "string", "one_of": []}, "one_of\n  Value error, found no value, expected those that are"),
        ({"type": "string", "one_of": ["a", "b", "a"]}, "one_of.2\n  'a' is listed twice"),
        (
            {"type": "number", "between": [None, None]},
            "between\n  Value error, found no limit on either side",
        ),
        ({"type": "text"}, "'string', 'integer', 'number', 'boolean' or 'timestamp'"),
        ({"type": "string", "one_of": [False]}, "Input should be a valid string"),
    ],
)
def test_rules_that_do_not_fit_the_type_are_refused(column, said):
    assert said in refusal(Column, column)


@pytest.mark.parametrize("pattern", ["[A-Z]{2}", "^$", r"\d+", r"\pL+", "it's", "(?i)a", r"(?P<x>a)\z"])
def test_a_pattern_is_what_the_engine_takes_for_one(pattern):
    assert Column(type="string", matches=pattern).matches == pattern


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ({"package": "a", "fil": "b"}, ["reads.fil\n  unknown field 'fil'. Did you mean 'file'?"]),
        ({"package": "a"}, ["reads.file\n  Field required"]),
        ({"file": "a.csv"}, ["reads.package\n  Field required"]),
        ({"landing": "a.txt"}, ["reads.landing\n  String should match pattern"]),
        ({"landing": "a.csv", "file": "b"}, ["reads.file\n  unknown field 'file'"]),
        ({"landng": "a.csv"}, ["reads.landng\n  unknown field 'landng'. Did you mean 'landing'?"]),
        ({"missing": []}, ["reads\n  Value error, found {'missing': []}, expected a file of an installed"]),
        ({}, ["reads\n  Value error, found {}, expected a file of an installed package"]),
        ("a.csv", ["reads\n  Value error, found 'a.csv', expected a file of an installed package"]),
    ],
)
def test_only_mistakes_of_the_kind_of_file_that_is_meant_are_told(reads, said):
    told = refusal(Table, table(reads=reads))
    assert "1 validation error" in told
    for words in said:
        assert words in told


@pytest.mark.parametrize("between", [[0, None], [None, 1], [1, 1], [0.5, 2]])
def test_a_range_may_be_open_or_a_point(between):
    assert Column(type="number", between=between).between == tuple(between)


@pytest.mark.parametrize("landing", ["{date}.csv", "{day.csv", "{day}/{hour}.csv", "day}.csv"])
def test_a_landed_file_knows_no_braces_but_those_of_the_day(landing):
    assert "expected no braces but those of {day}" in refusal(LandedFile, {"landing": landing})


@pytest.mark.parametrize("landing", ["../a.csv", "a/../b.csv", "/a.csv", "a\\b.csv", "a.txt", "a", ""])
def test_a_landed_file_is_a_csv_or_parquet_below_the_landing_root(landing):
    assert "landing" in refusal(LandedFile, {"landing": landing})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": ["nr"]}, "key column 'nr' is not among the columns of 'visits'"),
        ({"key": ["id", "city", "id"]}, "\nkey.2\n  key column 'id' is listed twice"),
        (
            {"partitions": "none"},
            "\nreads.landing\n  found 'visits/{day}.csv', and 'partitions: none' has no days; expected one file",
        ),
        ({"key": []}, "at least 1 item"),
        (
            {"columns": {**COLUMNS, "event_time": {"type": "timestamp"}}},
            "'event_time' is given by the platform",
        ),
        (
            {"columns": {**COLUMNS, "available_at": {"type": "string"}}},
            "'available_at' is given by the platform",
        ),
        ({"columns": {**COLUMNS, "partition": {"type": "string"}}}, "'partition' is given by the platform"),
        ({"columns": {}}, "at least 1 item"),
        ({"columns": {"id": {"type": "integer"}, "Bad Name": {"type": "string"}}}, "should match pattern"),
        ({"quarantine_at_most": True}, "valid number"),
        ({"quarantine_at_most": float("nan")}, "finite number"),
        ({"quarantine_at_most": 1.5}, "less than or equal to 1"),
        ({"partitions": "hourly"}, "'daily' or 'none'"),
        ({"reads": {"landing": "a.csv", "missng": []}}, "Did you mean 'missing'?"),
    ],
)
def test_a_table_that_cannot_be_is_refused(changed, said):
    assert said in refusal(Table, table(**changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"timezone": "America/NewYork"},
            "unknown time zone 'America/NewYork'. Did you mean 'America/New_York'?",
        ),
        ({"end": "2012-12-31"}, "\nend\n  the source ends (2012-12-31) before it starts (2013-01-01)"),
        ({"tables": [table(), table()]}, "\ntables.1.name\n  table 'visits' is declared twice"),
        ({"tables": []}, "at least 1 item"),
        ({"start": "first of May"}, "valid date"),
    ],
)
def test_a_source_that_cannot_be_is_refused(changed, said):
    assert said in refusal(Source, source(**changed))


def test_a_source_may_last_one_day():
    assert Source.model_validate(source(end="2013-01-01")).end == date(2013, 1, 1)


def test_a_model_may_ask_with_what_is_known_ahead():
    assert list(Table.model_validate(table()).known_ahead()) == ["city"]


def test_the_validated_table_holds_the_declared_columns_and_both_times():
    assert table_columns(Table.model_validate(table())) == {
        "id": "integer",
        "city": "string",
        "event_time": "timestamp",
        "available_at": "timestamp",
    }


def test_sql_in_a_file_beside_replaces_its_name(tmp_path):
    (tmp_path / "visits.sql").write_text("SELECT 'ö'", encoding="utf-8")
    declared = Source.model_validate(source(tables=[table(select="visits.sql")]))
    assert declared.with_sql_from(tmp_path).tables[0].select == "SELECT 'ö'"


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("SELECT * FORM source", "syntax error"),
        ("SELECT * FROM source;", "syntax error"),
        ("SELECT 1; SELECT 2", "it is not one SELECT"),
        ("DROP TABLE source", "Only SELECT statements"),
        ("", "it is not one SELECT"),
    ],
)
def test_sql_that_is_no_query_is_refused_where_it_stands(tmp_path, select, said):
    declared = Source.model_validate(source(tables=[table(name="a"), table(name="b", select=select)]))
    with pytest.raises(DeclarationError, match=f"the SQL of table 'b' cannot be read: .*{said}") as refused:
        declared.with_sql_from(tmp_path)
    assert refused.value.field == ("tables", 1, "select")


def test_a_missing_sql_file_is_refused_with_the_nearest_one(tmp_path):
    (tmp_path / "visits.sql").write_text("SELECT 1")
    declared = Source.model_validate(source(tables=[table(), table(name="b", select="visit.sql")]))
    with pytest.raises(
        DeclarationError, match=r"no file 'visit.sql' .* Did you mean 'visits.sql'\?"
    ) as refused:
        declared.with_sql_from(tmp_path)
    assert refused.value.field == ("tables", 1, "select")
