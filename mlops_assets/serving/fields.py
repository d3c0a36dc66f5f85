"""The fields of a row, as the contract has them: what each takes, and what training saw of it."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlops_assets.governance.contract import Contract, Input

# Of text, in characters: longer than any word that is a category or a key.
LONGEST_TEXT = 1000
LEAST, MOST = -(2**63), 2**63 - 1
# The largest finite double.
MOST_NUMBER = sys.float_info.max
# The same as it is spelled in JSON, which is a little less.
MOST_INTEGER = int(Decimal(repr(MOST_NUMBER)))
# RFC 3339, of years that moments in nanoseconds can be of.
MOMENT = re.compile(
    r"(1[7-9]|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class Unfit(Exception):
    """A value that a field does not take; the text says what it takes."""


@dataclass(frozen=True)
class Field:
    """One field of a row. seen: what training saw of it; None of a key that is no input of the model."""

    name: str
    type: str
    seen: Input | None = None

    def read(self, value: Any) -> Any:
        """The value as models and keys have it; None stays None. Raises Unfit."""
        return None if value is None else READ[self.type](value)

    def oddity(self, value: Any) -> str:
        """What training never saw of a value, in a sentence; empty for nothing. value: as it was read."""
        seen = self.seen
        if seen is None:
            return ""
        if value is None:
            return "" if seen.missing else "is null, which it never was in training"
        if self.type in ("string", "boolean"):
            spelled = str(value).lower() if self.type == "boolean" else value
            known = seen.categories is None or spelled in seen.categories
            return "" if known else "is a value that training never saw"
        if seen.low is None or seen.high is None:
            return ""
        number = value.timestamp() if isinstance(value, datetime) else value
        within = seen.low <= number <= seen.high
        return "" if within else f"is outside of what training saw, {seen.low:g} to {seen.high:g}"


def fields_of(contract: Contract) -> dict[str, Field]:
    """What a row of a request consists of, by name: keys first, then the other inputs."""
    sent = {name: one for name, one in contract.inputs.items() if one.origin == "request"}
    keys = {name: Field(name, kind, sent.get(name)) for name, kind in contract.keys.items()}
    return keys | {name: Field(name, one.type, one) for name, one in sent.items() if name not in keys}


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Unfit("a string")
    if len(value) > LONGEST_TEXT:
        raise Unfit(f"a string of {LONGEST_TEXT} characters at most")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit("a string of Unicode characters, and no half of a surrogate pair") from None
    return value


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not LEAST <= value <= MOST:
        raise Unfit("an integer of 64 bits")
    return int(value)


def _number(value: Any) -> float:
    # A bool is an int to Python, and no number.
    if type(value) not in (int, float):
        raise Unfit("a number")
    # Of an integer all digits count: one may be beyond the limit of which the nearest float is not.
    finite = abs(value) <= MOST_INTEGER if type(value) is int else math.isfinite(value)
    if not finite:
        raise Unfit("a finite number")
    return float(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Unfit("true or false")
    return value


def _moment(value: Any) -> datetime:
    expected = "a moment of 1700 to 2199 with its zone, such as 2013-04-01T12:00:00Z"
    if type(value) is not str or not MOMENT.fullmatch(value):
        raise Unfit(expected)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise Unfit(expected) from None


READ: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _flag,
    "timestamp": _moment,
}
