"""One spelling of a value: JSON canonicalized as RFC 8785 (JCS) says, so that who hashes it later hashes the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from json.encoder import encode_basestring as spell_text
from typing import Any

# Beyond it a double, which is all that JSON's numbers are to others, skips whole numbers.
LARGEST = 2**53


def canonical(value: Any) -> str:
    """Plain values (None, bool, int, float, str, list, tuple, mappings with text as keys) in their one spelling.

    Raises ValueError for a number that JSON cannot say (not finite, or whole beyond 2**53), for a text that is not
    Unicode, and TypeError for anything else.

    >>> canonical({"b": [1.0, 1e21, 0.000001], "a": "€"})
    '{"a":"€","b":[1,1e+21,0.000001]}'
    """
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            value.encode()  # half a character has no bytes that could be hashed
            return spell_text(value)
        case int():
            return _whole(value)
        case float():
            return _number(value)
        case list() | tuple():
            return f"[{','.join(map(canonical, value))}]"
        case Mapping():
            # The standard sorts by UTF-16 code units, not by code points.
            names = sorted(value) if "".join(value).isascii() else sorted(value, key=_utf_16)
            return f"{{{','.join(f'{canonical(name)}:{canonical(value[name])}' for name in names)}}}"
    raise TypeError(f"found {type(value).__name__}, expected what JSON can say")


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """The same value in words that ``canonical`` has: a number that JSON cannot say becomes its text.

    >>> plain({"a": float("nan"), "b": (2**60,)})
    {'a': 'nan', 'b': ['1152921504606846976']}
    """
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= LARGEST else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple():
            return [plain(one) for one in value]
        case Mapping():
            return {name: plain(one) for name, one in value.items()}
    return value


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _whole(value: int) -> str:
    if abs(value) > LARGEST:
        raise ValueError(f"found {value}, expected a whole number up to 2**53; say it as a text")
    return str(value)


def _number(value: float) -> str:
    """As ECMAScript spells it: the fewest digits that mean this double, and an exponent only far from zero."""
    if not math.isfinite(value):
        raise ValueError(f"found {value}, which JSON cannot say; say it as a text")
    if value == 0:
        return "0"
    # Python spells the same digits, where it needs no exponent for them.
    spelled = repr(value)
    if "e" not in spelled:
        return spelled.removesuffix(".0")
    sign, figures, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, minus = "".join(map(str, figures)), "-" if sign else ""
    point = len(digits) + int(exponent)
    if 0 < point <= 21:
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return f"{minus}{whole}{'.' if rest else ''}{rest}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if digits[1:] else ""
    return f"{minus}{digits[0]}{rest}e{point - 1:+d}"
