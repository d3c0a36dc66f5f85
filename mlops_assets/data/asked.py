"""What a caller's frame asks: moments and keys of any spelling as the one type each that features are joined by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.data.moments import as_utc
from mlops_assets.errors import BadRequest

MOMENT = pa.timestamp("us", tz="UTC")
# A float tells integers apart up to here.
EXACT = 2**53
LONG = 2**63


def moments_of(column: pd.Series[Any]) -> pa.Array:
    """Moments in UTC, each as the microsecond it lies in; null where one is missing, UTC where it has no zone.

    Moments may be pandas', NumPy's or Python's, dates, or text in ISO 8601, also side by side. Raises BadRequest
    for anything else: a number does not say in which unit it counts.
    """
    expected = "a moment such as 2013-04-01T12:00+00:00"
    if not pd.api.types.is_datetime64_any_dtype(column):
        return pa.array(_each(column, _moment, expected), MOMENT)
    stored = pa.chunked_array(pa.Array.from_pandas(column))
    if stored.type.unit == "ns":
        stored = pc.floor_temporal(stored, unit="microsecond")
    try:
        found = stored.cast(pa.timestamp("us", stored.type.tz)).cast(MOMENT).combine_chunks()
        pc.min_max(found).as_py()
    except (pa.ArrowInvalid, OverflowError) as error:
        raise BadRequest(
            f"column {column.name!r} of entity_df has a moment beyond the years 1 to 9999"
        ) from error
    return found


def keys_of(column: pd.Series[Any], kind: str) -> pa.Array:
    """The keys of entities, of a declared type; null where one is missing.

    A whole number is an integer in whatever type it comes, as pandas makes floats of integers of which one is
    missing. Raises BadRequest for another type, which would be the key of nobody or of another entity.
    """
    if kind == "string":
        return pa.array(_each(column, _string, "a string"), pa.string())
    if pd.api.types.is_signed_integer_dtype(column):
        return pa.chunked_array(pa.Array.from_pandas(column)).cast(pa.int64()).combine_chunks()
    return pa.array(_each(column, _integer, "an integer"), pa.int64())


def held(frame: pd.DataFrame) -> pa.Table:
    """The columns as they are. Raises BadRequest for one that a table cannot hold."""
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError) as error:
        told = ", ".join(str(one) for one in error.args)
        raise BadRequest(
            f"entity_df has a column whose values have no one type that a table can hold: {told}; leave it out, "
            "and put it beside the answer, whose rows are in the same order"
        ) from error


def _each(column: pd.Series[Any], read: Callable[[Any], Any], expected: str) -> list[Any]:
    found = []
    for row, value in enumerate(column.astype(object)):
        try:
            found.append(None if _is_missing(value) else read(value))
        except (ValueError, ArithmeticError, BadRequest) as error:
            raise BadRequest(
                f"column {column.name!r} of entity_df is {_shown(value)} in row {row}, expected {expected}"
            ) from error
    return found


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, (float, np.floating)) and value != value
    return value is None or value is pd.NA or value is pd.NaT or is_nan


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except NotImplementedError:
        # Pandas does not spell a moment beyond the years 1 to 9999.
        return f"a {type(value).__name__} beyond the years 1 to 9999"


def _moment(value: Any) -> datetime | None:
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
        if value is pd.NaT:
            return None
    if isinstance(value, str):
        value = as_utc(value)
    elif isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(value)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _integer(value: Any) -> int:
    """A bool is an int to Python, and no key."""
    is_float = isinstance(value, (float, np.floating))
    is_number = is_float or (isinstance(value, (Decimal, Integral)) and not isinstance(value, bool))
    if not is_number or not -LONG <= value < LONG or value != int(value) or (is_float and abs(value) > EXACT):
        raise ValueError(value)
    return int(value)
