"""What an expectation may say, and the place a mistake is told at."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.expectations import Expectation
from mlops_assets.declaration.source import Source

COLUMNS = {"id": {"type": "integer"}, "city": {"type": "string"}, "amount": {"type": "number"}}


def source(*expectations, other=None, partitions="daily"):
    table = {"name": "visits", "reads": {"landing": "visits.csv"}, "select": "SELECT 1", "key": ["id"]}
    table |= {"columns": COLUMNS, "partitions": partitions, "expectations": list(expectations)}
    cities = {**table, "name": "cities", "key": ["city"], "partitions": "none", "expectations": []}
    return {
        "name": "shop",
        "owner": "team:x",
        "start": "2013-01-01",
        "tables": [table, {**cities, **(other or {})}],
    }


def finding(value) -> tuple[str, str]:
    """Where the only mistake stands, and what is said of it."""
    with pytest.raises(ValidationError) as refused:
        Source.model_validate(value)
    (error,) = refused.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


HERE = "tables.0.expectations.0"


@pytest.mark.parametrize(
    ("said", "place", "message"),
    [
        ({"row_cuont": {}}, f"{HERE}.row_cuont", "unknown field 'row_cuont'. Did you mean 'row_count'?"),
        ({}, HERE, "found none, expected exactly one of row_count, freshness"),
        (
            {"freshness": {"within": "2h"}, "mean": {"column": "amount", "between": [0, 1]}},
            HERE,
            "found freshness and mean, expected exactly one",
        ),
        ({"row_count": {}}, f"{HERE}.row_count", "expected 'between', 'history' or both"),
        (
            {"mean": {"column": "amount", "between": [None, None]}},
            f"{HERE}.mean.between",
            "found no limit on either side, expected a number on one of them",
        ),
        ({"row_count": {"between": [2, 1]}}, f"{HERE}.row_count.between", "'between' is empty: 2 is above 1"),
        (
            {"row_count": {"history": {"within": 0.5, "days": 14, "same_weekday": True}}},
            f"{HERE}.row_count.history",
            "'at_least' asks for 7 days and only 2 are looked at",
        ),
        (
            {"row_count": {"history": {"within": 0.5, "days": 3661}}},
            f"{HERE}.row_count.history.days",
            "less than or equal to 3660",
        ),
        ({"row_count": {"between": [0.5, None]}}, f"{HERE}.row_count.between.0", "valid integer"),
        ({"row_count": {"between": [1, 7.0]}}, f"{HERE}.row_count.between.1", "valid integer"),
        ({"row_count": {"between": [-1, 7]}}, f"{HERE}.row_count.between.0", "greater than or equal to 0"),
        (
            {"distinct": {"column": "city", "between": [None, 2.5]}},
            f"{HERE}.distinct.between.1",
            "valid integer",
        ),
        (
            {"distinct": {"column": "city", "between": [None, -3]}},
            f"{HERE}.distinct.between.1",
            "greater than or equal to 0",
        ),
        (
            {"distinct": {"column": "city", "between": [3, 2]}},
            f"{HERE}.distinct.between",
            "'between' is empty: 3 is above 2",
        ),
        ({"freshness": {"within": 2}}, f"{HERE}.freshness.within", "expected a whole number and a unit"),
        (
            {"completeness": {"column": "citty", "missing_at_most": 0.1}},
            f"{HERE}.completeness.column",
            "'visits' has no column 'citty'. Did you mean 'city'?",
        ),
        (
            {"completeness": {"column": "city", "missing_at_most": 10}},
            f"{HERE}.completeness.missing_at_most",
            "less than or equal to 1",
        ),
        (
            {"mean": {"column": "city", "between": [0, 1]}},
            f"{HERE}.mean.column",
            "'mean' needs an integer or number column, found string",
        ),
        ({"rows": {"condition": "amount > > 1"}}, f"{HERE}.rows.condition", "expected a condition in SQL"),
        (
            {"rows": {"condition": "event_time < current_date"}},
            f"{HERE}.rows.condition",
            "found current_date in 'event_time < current_date', expected SQL that says the same",
        ),
        (
            {"rows": {"condition": "amonut > 1"}},
            f"{HERE}.rows.condition",
            "has no column 'amonut'. Did you mean 'amount'?",
        ),
        (
            {"references": {"table": "citys", "columns": {"city": "city"}}},
            f"{HERE}.references.table",
            "there is no snapshot table 'citys' in this source. Did you mean 'cities'?",
        ),
        (
            {"references": {"table": "cities", "columns": {"town": "city"}}},
            f"{HERE}.references.columns.town",
            "has no column 'town'",
        ),
        (
            {"references": {"table": "cities", "columns": {"city": "town"}}},
            f"{HERE}.references.columns.city",
            "'cities' has no column 'town'",
        ),
        (
            {"references": {"table": "cities", "columns": {"city": "id"}}},
            f"{HERE}.references.columns.city",
            "'city' is string and 'id' of 'cities' is integer; expected the same type",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(said, place, message):
    found, told = finding(source({"name": "it", **said}))
    assert found == place
    assert message in told


@pytest.mark.parametrize(
    "kind", [{"freshness": {"within": "2h"}}, {"row_count": {"history": {"within": 0.1}}}]
)
def test_a_snapshot_has_no_days(kind):
    place, message = finding(source({"name": "it", **kind}, partitions="none"))
    assert place.startswith(HERE)
    assert "'visits' has no days to compare" in message


def test_a_name_is_given_once():
    one = {"name": "it", "row_count": {"between": [1, None]}}
    assert finding(source(one, one)) == ("tables.0.expectations.1.name", "expectation 'it' is declared twice")


def test_tables_do_not_refer_to_each_other_in_a_circle():
    there = {"name": "it", "references": {"table": "cities", "columns": {"city": "city"}}}
    back = {"name": "it", "references": {"table": "visits", "columns": {"city": "city"}}}
    _, message = finding(source(there, other={"expectations": [back]}, partitions="none"))
    assert "refer to each other in a circle" in message
    own = source(other={"expectations": [there]})
    assert "in a circle: cities -> cities" in finding(own)[1]


@pytest.mark.parametrize(
    ("severity", "set_aside", "sets_aside"),
    [("critical", None, True), ("critical", False, False), ("warning", None, False), ("warning", True, True)],
)
def test_rows_that_fail_a_critical_condition_are_set_aside_unless_it_says_otherwise(
    severity, set_aside, sets_aside
):
    said = {"name": "it", "severity": severity, "rows": {"condition": "a > b", "set_aside": set_aside}}
    assert Expectation.model_validate(said).sets_aside is sets_aside


def test_a_partition_as_a_whole_cannot_be_set_aside():
    said = {"name": "it", "severity": "critical", "row_count": {"between": [1, None]}}
    assert not Expectation.model_validate(said).sets_aside


def test_ten_years_of_history_and_any_count_may_be_asked_for():
    history = {"within": 0.5, "days": 3660, "same_weekday": True, "at_least": 522}
    said = {"name": "it", "row_count": {"between": [0, 10**12], "history": history}}
    assert Expectation.model_validate(said).row_count.between == (0, 10**12)
