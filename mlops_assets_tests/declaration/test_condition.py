"""A condition is true, false or unknown of each row by itself; anything else is refused."""

import pytest

from mlops_assets.declaration.condition import columns_used, require_condition
from mlops_assets.errors import DeclarationError

COLUMNS = {"delay": "integer", "dest": "string", "cancelled": "boolean", "event_time": "timestamp"}
FIELD = ("label", "positive")


@pytest.mark.parametrize(
    "condition",
    [
        "delay >= 15",
        "cancelled",
        "flights.delay > 15 OR cancelled IS NULL",
        "dest IN ('JFK', 'LGA') AND NOT cancelled",
        "CASE WHEN cancelled THEN NULL ELSE delay > 15 END",
        "hour(event_time AT TIME ZONE 'America/New_York') < 6",
        "regexp_matches(dest, '^J')",
        "delay > 15\nAND\ndest <> 'JFK'\n",
        "cancelled -- always",
        "cancelled;\n",
    ],
)
def test_what_is_true_or_false_of_a_row_is_a_condition(condition):
    require_condition(condition, "flights", COLUMNS)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("delay", "expected a condition that is true or false: its type is BIGINT"),
        ("'yes'", "its type is VARCHAR"),
        ("NULL", "its type is"),
        ("delay > 1, cancelled", "its type is TUPLE"),
        ("sum(delay) > 1", "expected a condition of one row of 'flights': it cannot contain aggregates"),
        ("row_number() OVER (ORDER BY delay) = 1", "it cannot contain window functions"),
        ("is_late(delay)", "Scalar Function with name is_late does not exist"),
        ("delay IN (SELECT 1)", "of one row of 'flights': it holds a query of its own"),
        ("EXISTS (SELECT 1)", "it holds a query of its own"),
        ("cancelled AND unnest([true])", "UNNEST not supported here"),
        ("delay > 15 AND (", "expected a condition in SQL: syntax error"),
        ("delay >> > 15", "expected a condition in SQL: syntax error"),
        ("", "expected a condition"),
        ("delay > 1) OR (cancelled", "expected a condition in SQL: syntax error"),
        ("delay > 1; SELECT 2", "expected a condition in SQL and nothing besides"),
        ("cancelled FROM flights", "expected a condition of one row of 'flights': syntax error"),
        ("regexp_matches(dest, '[')", "missing ]"),
    ],
)
def test_anything_else_is_refused_with_what_was_found_and_expected(condition, said):
    with pytest.raises(DeclarationError) as refused:
        require_condition(condition, "flights", COLUMNS, field=FIELD)
    assert str(refused.value).startswith(f"found {condition!r}, expected a condition ")
    assert said in str(refused.value)
    assert refused.value.field == FIELD


def test_a_condition_is_asked_of_the_table_alone(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    with pytest.raises(DeclarationError, match="it holds a query of its own"):
        require_condition(f"delay IN (SELECT x FROM '{file}')", "flights", COLUMNS)


def test_the_columns_of_a_condition_are_named_once_in_order():
    assert columns_used("dest = 'a' OR flights.delay > 1 AND dest <> upper(origin)") == [
        "dest",
        "delay",
        "origin",
    ]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("event_time < now()", "now()"),
        ("delay > 1 AND RANDOM() < 0.5", "random()"),
        ("event_time < current_timestamp", "current_timestamp"),
        ("hour(localtime) < 5", "localtime"),
    ],
)
def test_what_is_not_the_same_of_the_same_row_each_time_is_refused(condition, found):
    with pytest.raises(DeclarationError) as refused:
        require_condition(condition, "flights", COLUMNS, field=FIELD)
    expected = "expected SQL that says the same of the same rows each time"
    assert str(refused.value) == f"found {found} in {condition!r}, {expected}"
    assert refused.value.field == FIELD
