"""RFC 8785: the numbers of its appendix B, the order of its names, and what it refuses."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.governance.canonical import LARGEST, canonical, plain

# Appendix B: the bits of a double, and how it is spelled.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@pytest.mark.parametrize(("bits", "spelled"), NUMBERS.items())
def test_numbers_are_spelled_as_the_standard_lists_them(bits, spelled):
    assert canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == spelled


def test_names_are_in_the_order_of_utf_16():
    names = ["€", "\r", "\ufb33", "1", "\U0001f600", "\x80", "ö"]
    assert list(json.loads(canonical(dict.fromkeys(names)))) == [
        "\r",
        "1",
        "\x80",
        "ö",
        "€",
        "\U0001f600",
        "\ufb33",
    ]


def test_texts_are_escaped_only_where_they_must_be():
    assert canonical('€$\x0f\nA\'B"\\"/') == '"€$\\u000f\\nA\'B\\"\\\\\\"/"'


@given(PLAIN)
def test_what_is_spelled_means_the_same_and_is_spelled_the_same_again(value):
    spelled = canonical(value)
    read = json.loads(spelled, parse_int=number)
    assert read == value
    assert canonical(read) == spelled


def number(said):
    """As ECMAScript reads it, whose numbers are doubles."""
    return int(said) if abs(int(said)) <= LARGEST else float(said)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, "\ud800", object(), {1: 2}])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        canonical(value)


def test_what_json_cannot_say_has_a_plain_word():
    assert canonical(plain({"a": [math.nan, -math.inf, 2**60, True]})) == (
        '{"a":["nan","-inf","1152921504606846976",true]}'
    )
