"""The manners of every declaration."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mlops_assets.declaration.base import (
    TAKEN_INPUTS,
    Declaration,
    Duration,
    InputName,
    Name,
    Owner,
    parse_duration,
    spell_duration,
)


class Inner(Declaration):
    carrier: str = "AA"


class Outer(Declaration):
    name: Name = "x"
    inner: Inner = Inner()
    listed: tuple[str, ...] = ()
    tags: dict[str, str] = {}


def findings(value):
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(value)
    return [(one["loc"], one["msg"]) for one in refused.value.errors()]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        (" 7 d ", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "found", ["", "2", "h", "1.5h", "-1h", "2w", "2h30m", "P1D", "1:30", 90, 1.5, True, None]
)
def test_any_other_duration_is_refused_with_an_example(found):
    with pytest.raises(ValueError, match=r"expected a whole number and a unit: 30s, 90m, 2h or 7d"):
        parse_duration(found)


@pytest.mark.parametrize("found", ["36501d", "800000d", "99999999999999d"])
def test_a_duration_longer_than_a_century_is_refused(found):
    with pytest.raises(ValueError, match=f"found '{found}', expected a time span of at most 36500d"):
        parse_duration(found)


@given(seconds=st.integers(0, 10**9))
def test_a_spelled_duration_is_read_as_the_same(seconds):
    span = timedelta(seconds=seconds)
    assert parse_duration(spell_duration(span)) == span
    assert TypeAdapter(Duration).dump_python(span) == spell_duration(span)


@pytest.mark.parametrize("name", ["a", "flights_2013", "a" * 63])
def test_a_name_is_one_that_assets_sql_and_folders_take(name):
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "ä", "a.b", "a/b", "a\n", "a" * 64, 1])
def test_no_other_name_is_taken(name):
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


@pytest.mark.parametrize("name", sorted(TAKEN_INPUTS))
def test_what_assets_read_is_not_called_like_something_else_they_are_given(name):
    with pytest.raises(ValidationError, match=r"expected another|should match pattern"):
        TypeAdapter(InputName).validate_python(name)


@pytest.mark.parametrize("owner", ["team:data", "team:a-B_1", "a@b.org"])
def test_an_owner_is_a_team_or_an_address(owner):
    assert TypeAdapter(Owner).validate_python(owner) == owner


@pytest.mark.parametrize("owner", ["", "team:", "data", "team:a b", "a@", "@b", "a b@c.org", "a@b@c"])
def test_nobody_else_is_an_owner(owner):
    with pytest.raises(ValidationError):
        TypeAdapter(Owner).validate_python(owner)


def test_a_declaration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Outer().name = "y"


def test_an_unknown_field_is_refused_where_it_stands_with_the_nearest_one():
    assert findings({"inner": {"carier": "UA"}}) == [
        (("inner", "carier"), "unknown field 'carier'. Did you mean 'carrier'? Known: carrier.")
    ]


def test_all_unknown_fields_are_named_at_once():
    assert [place for place, _ in findings({"nam": "x", "tag": {}, "inner": {"x": 1}})] == [
        ("nam",),
        ("tag",),
    ]


@pytest.mark.parametrize("key", ["{day}", "{0}", "{", "%s", True, 1])
def test_an_unknown_field_is_quoted_as_it_is(key):
    assert findings({key: "x"})[0][1].startswith(f"unknown field {str(key)!r}.")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"name": "{{ env.NAME }}"}, ("name",)),
        ({"inner": {"carrier": "{{ env('CARRIER') }}"}}, ("inner", "carrier")),
        ({"listed": ["a", "x{{ b }}"]}, ("listed", 1)),
        ({"tags": {"team": "{{ team }}"}}, ("tags", "team")),
    ],
)
def test_a_template_is_refused_wherever_it_stands(value, place):
    ((found, message),) = findings(value)
    assert found == place
    assert "a declaration holds no environment; where things live is set in resources" in message


def test_what_is_no_mapping_is_no_declaration():
    assert "valid dictionary" in findings(["name"])[0][1]
