"""A request is what the contract says, or is refused with row and field; nothing else can happen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.serving.fields import Field, fields_of
from mlops_assets.serving.request import MOST_ROWS, Refused, read_request
from mlops_assets_tests.serving.world import ROW, asked, contract_of, trained

MODEL, TAUGHT = trained(1)
FIELDS = fields_of(contract_of(MODEL, TAUGHT, "2024-05-01"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["2024-01-01T00:00:00Z", "web"])
)
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
NEARLY = st.fixed_dictionaries(
    {"rows": st.lists(st.fixed_dictionaries(dict.fromkeys(ROW, ANY)), max_size=3)},
    optional={"explain": ANY, "request_id": ANY, "more": ANY},
)


def refused(body):
    with pytest.raises(Refused) as caught:
        read_request(body, FIELDS)
    return caught.value


def with_field(name, spelled):
    """A row in which a field is spelled so in JSON."""
    return asked({**ROW, name: "HERE"}).replace(b'"HERE"', spelled.encode())


def test_the_fields_of_a_row_are_keys_and_inputs_of_the_request():
    assert {name: one.type for name, one in FIELDS.items()} == {
        "coupon": "number",
        "customer_id": "integer",
        "amount": "number",
        "channel": "string",
        "gift": "boolean",
        "ordered": "timestamp",
    }


def test_a_row_is_read_as_models_and_keys_have_it():
    request = read_request(asked({**ROW, "customer_id": 7.0}, request_id="a.b-c:1", explain=True), FIELDS)
    assert (request.id, request.explain, request.warnings) == ("a.b-c:1", True, [])
    (row,) = request.rows
    assert row["customer_id"] == 7
    assert type(row["customer_id"]) is int
    assert row["ordered"].isoformat() == "2024-04-20T10:00:00+00:00"
    assert read_request(asked(), FIELDS).id != read_request(asked(), FIELDS).id


@given(ANY | NEARLY)
def test_any_json_is_read_or_refused_with_a_reason(body):
    try:
        request = read_request(json.dumps(body).encode(), FIELDS)
    except Refused as error:
        status, told = error.status, error.told("id")
    else:
        assert [set(row) for row in request.rows] == [set(FIELDS)] * len(body["rows"])
        status, told = 200, [one.told("message") for one in request.warnings]
    assert status in (200, 400, 422)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@given(st.binary())
def test_any_bytes_are_read_or_refused(body):
    assert refused(body).status in (400, 422)


@pytest.mark.parametrize(
    ("name", "spelled", "expected"),
    [
        ("customer_id", "7.5", "an integer of 64 bits"),
        ("customer_id", "true", "an integer of 64 bits"),
        ("customer_id", '"7"', "an integer of 64 bits"),
        ("customer_id", "9223372036854775808", "an integer of 64 bits"),
        ("customer_id", "1e30", "an integer of 64 bits"),
        ("amount", "true", "a number"),
        ("amount", '"1"', "a number"),
        ("amount", "1e999", "a finite number"),
        ("amount", "1" + "0" * 400, "a finite number"),
        # Beyond the limit as it is spelled, and the nearest double is the limit.
        ("amount", "-17976931348623157" + "0" * 291 + "1", "a finite number"),
        ("amount", "[1]", "a number"),
        ("channel", "1", "a string"),
        ("channel", '"\\ud800"', "no half of a surrogate pair"),
        ("channel", json.dumps("x" * 1001), "a string of 1000 characters at most"),
        ("gift", "1", "true or false"),
        ("gift", '"true"', "true or false"),
        ("ordered", '"2024-04-20T10:00:00"', "a moment of 1700 to 2199 with its zone"),
        ("ordered", '"2024-04-20"', "a moment of 1700 to 2199 with its zone"),
        ("ordered", '"9999-12-31T23:59:59-12:00"', "a moment of 1700 to 2199 with its zone"),
        ("ordered", "1713600000", "a moment of 1700 to 2199 with its zone"),
    ],
)
def test_a_value_of_another_type_is_refused_by_row_and_field(name, spelled, expected):
    error = refused(with_field(name, spelled))
    (found,) = error.findings
    assert (error.status, found.row, found.field) == (422, 0, name)
    assert expected in found.message
    assert len(found.found) <= 81


@pytest.mark.parametrize("spelled", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_have_is_refused(spelled):
    error = refused(with_field("amount", spelled))
    assert error.status == 400
    assert f"found {spelled}, which JSON does not have" in str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"rows": [], "rows": []}', "says a name twice"),
        (b'{"rows": ' + b"1" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_cannot_be_read_is_a_400(body, message):
    error = refused(body)
    assert error.status == 400
    assert message in str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "the body is a list, expected an object"),
        (b'{"rows": [], "extra": 1}', 'the body has "extra", expected rows, request_id, explain'),
        (b"{}", "rows is null, expected a list of 1 to 1000 objects"),
        (b'{"rows": []}', "rows is 0 rows"),
        (json.dumps({"rows": [{}] * (MOST_ROWS + 1)}).encode(), "rows is 1001 rows"),
        (asked(explain=1), "explain is 1, expected true or false"),
        (asked(*[ROW] * 51, explain=True), "explain is true for 51 rows, expected 50 at most"),
        (asked(request_id=None), "request_id is null"),
        (asked(request_id="a b"), 'request_id is "a b"'),
        (asked(request_id="a\n"), "request_id is"),
        (asked(request_id="x" * 65), "request_id is"),
    ],
)
def test_a_body_of_another_form_is_a_422(body, message):
    error = refused(body)
    assert error.status == 422
    assert message in str(error)


def test_every_wrong_field_of_every_row_is_named_and_many_are_counted():
    lacking = {name: value for name, value in ROW.items() if name != "amount"}
    error = refused(asked(ROW, {**lacking, "amonut": 3}, 4))
    assert [(one.row, one.field, one.found) for one in error.findings] == [
        (1, "amount", "nothing"),
        (1, "amonut", "a field"),
        (2, "", "4"),
    ]
    many = refused(asked(*[{**ROW, "amount": "x"}] * 50)).told("id")
    assert (len(many["errors"]), many["errors_in_all"]) == (20, 50)


def test_what_training_never_saw_is_a_warning():
    odd = {**ROW, "channel": "fax", "amount": 1e6, "gift": None, "ordered": "1999-01-01T00:00:00Z"}
    request = read_request(asked({**odd, "customer_id": None}), FIELDS)
    assert [(one.field, one.message.split(",")[0]) for one in request.warnings] == [
        ("amount", "is outside of what training saw"),
        ("channel", "is a value that training never saw"),
        ("gift", "is null"),
        ("ordered", "is outside of what training saw"),
    ]
    # Of channels training saw some missing, and of keys it says nothing.
    assert read_request(asked({**ROW, "channel": None}), FIELDS).warnings == []


def test_a_flag_that_training_saw_one_of_is_told_by_its_name():
    seen = FIELDS["gift"].seen.__class__("boolean", "request", categories=("false",))
    field = Field("gift", "boolean", seen)
    assert field.oddity(False) == ""
    assert field.oddity(True) == "is a value that training never saw"
