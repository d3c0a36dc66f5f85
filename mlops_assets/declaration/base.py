"""The manners every declaration shares: frozen, nothing unknown, errors that name the right word."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, LiteralString
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from mlops_assets.errors import nearest, nearest_only

# Names become asset keys, SQL identifiers and folders, so they are kept to what all three accept.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
# What a table or a view may not be called besides: an asset that reads it takes it by that name.
TAKEN_INPUTS = frozenset(keyword.kwlist) | {
    *("arg_dict", "bool", "conf", "config", "context", "dict", "float", "input", "input_arg_dict", "int"),
    *("labelled_events", "meta", "output", "output_arg_dict", "stores", "str", "type"),
}


def _is_free(value: str) -> str:
    if value in TAKEN_INPUTS:
        raise ValueError(
            f"found {value!r}, which Dagster, Python or the platform has taken; expected another"
        )
    return value


InputName = Annotated[Name, AfterValidator(_is_free)]
Owner = Annotated[str, StringConstraints(pattern=r"^(team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+)$")]

# Python takes true for 1, and pydantic "1" too; who writes that means something else. NaN is no number.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]

_DURATION = re.compile(r"^(\d+)\s*(s|m|h|d)$")
# A century: what goes further back or ahead is a mistake, and ends where calendars do.
LONGEST_DAYS = 36_500
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> Any:
    """A whole number and a unit as a time span: ``90m``, ``2h``, ``7d``.

    >>> parse_duration("90m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        return value
    # A bare number is refused too: it does not say its unit, and YAML reads 1:30 as the number 90.
    found = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"found {value!r}, expected a whole number and a unit: 30s, 90m, 2h or 7d")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > LONGEST_DAYS * _SECONDS["d"]:
        raise ValueError(f"found {value!r}, expected a time span of at most {LONGEST_DAYS}d")
    return timedelta(seconds=seconds)


def spell_duration(value: timedelta) -> str:
    """The shortest declared spelling of a time span.

    >>> spell_duration(timedelta(hours=48)), spell_duration(timedelta(seconds=90))
    ('2d', '90s')
    """
    seconds = int(value.total_seconds())
    unit = next(u for u in ("d", "h", "m", "s") if seconds % _SECONDS[u] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(spell_duration, return_type=str)
]


def _time_zone_exists(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"unknown time zone {value!r}. {nearest_only(value, available_timezones())}")
    return value


TimeZone = Annotated[str, AfterValidator(_time_zone_exists)]


def _is_a_range(value: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = value
    if low is None and high is None:
        raise ValueError("found no limit on either side, expected a number on one of them; or leave it out")
    if low is not None and high is not None and low > high:
        raise ValueError(f"'between' is empty: {low:g} is above {high:g}")
    return value


# Null leaves a side open.
Between = Annotated[tuple[Number | None, Number | None], AfterValidator(_is_a_range)]
# The same of what is counted.
Count = Annotated[Whole, Field(ge=0)]
Counts = Annotated[tuple[Count | None, Count | None], AfterValidator(_is_a_range)]


class Declaration(BaseModel):
    """Something a team may choose: immutable, and strict about its own vocabulary."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_field(cls, data: Any) -> Any:
        """Refuse unknown fields at their own place, saying which field was probably meant."""
        if not isinstance(data, dict):
            return data
        known = set(cls.model_fields)
        findings = [_unknown_field(key, data[key], known) for key in data if key not in known]
        findings += [_template(place, text) for place, text in _templates(data, ())]
        if findings:
            raise ValidationError.from_exception_data(cls.__name__, findings)
        return data


def refusal(place: tuple[str | int, ...], message: str, found: Any) -> ValidationError:
    """What a validator of a whole raises to point at one part of it."""
    return ValidationError.from_exception_data("refused", [_finding("refused", message, place, found)])


def _unknown_field(key: Any, value: Any, known: set[str]) -> InitErrorDetails:
    return _finding(
        "unknown_field", f"unknown field {str(key)!r}. {nearest(str(key), known)}", (str(key),), value
    )


def _template(place: tuple[str | int, ...], text: str) -> InitErrorDetails:
    message = f"found {text!r}: a declaration holds no environment; where things live is set in resources"
    return _finding("environment", message, place, text)


def _templates(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in ``value`` that a template engine would fill in, and where it stands."""
    if isinstance(value, str) and "{{" in value:
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, (*place, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _templates(inner, (*place, index))


def _finding(kind: LiteralString, message: str, place: tuple[str | int, ...], value: Any) -> InitErrorDetails:
    # Without a context pydantic takes the message as it is, braces included.
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=value)
