"""On-demand features: a declared function of one row, run for many, and held to what it declares."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlops_assets.declaration.features import FeatureRepository
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.declaration.python_code import FUNCTION
from mlops_assets.errors import TransformFailed, nearest

STORED: dict[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
# The type of a column must not depend on whether one of its rows is missing; integers and flags in plain
# NumPy would become floats and objects.
GIVEN = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
IS_A: dict[str, Callable[[Any], bool]] = {
    "string": lambda kind: pd.api.types.is_object_dtype(kind) or isinstance(kind, pd.StringDtype),
    "integer": pd.api.types.is_integer_dtype,
    "number": lambda kind: pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind),
    "boolean": pd.api.types.is_bool_dtype,
    "timestamp": lambda kind: isinstance(kind, pd.DatetimeTZDtype),
}
DTYPES = {
    "string": "text (object or string)",
    "integer": "whole numbers (int64, or Int64 where some are missing)",
    "number": "numbers (float64)",
    "boolean": "flags (bool, or boolean where some are missing)",
    "timestamp": "moments with a time zone (datetime64[us, UTC])",
}
# As many rows as tell whether a row depends on others, and as many of them as are asked alone.
PROBED_ROWS = 1000
ALONE = 32
FEW_ROWS = 10_000
# What code of a declaration is called in a traceback.
FILE = "<on-demand transform"

Function = Callable[[pd.DataFrame], pd.DataFrame]
Columns = Mapping[str, str]
Places: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Values: TypeAlias = "pd.Series[Any] | pa.ChunkedArray"


def apply_on_demand(repository: FeatureRepository, service: str, rows: pa.Table) -> pa.Table:
    """The rows with what a service delivers: on-demand features added, inputs that only they need left out.

    rows: with all that the service joins (``view__feature``) and the columns of the request. Their order
    and all other columns stay. Raises TransformFailed.
    """
    transforms = repository.on_demand_of(service)
    if not transforms:
        return rows
    joined = {column for one in repository.joined(service).values() for column in one.columns.values()}
    computed = rows
    for transform in transforms:
        function = loaded(transform.python, transform.name)
        for feature, values in _run(repository, transform, rows, function).items():
            computed = computed.append_column(f"{transform.name}__{feature}", values)
    carried = [column for column in rows.column_names if column not in joined]
    return computed.select([*carried, *(one.column for one in repository.served(service))])


def require_row_wise(repository: FeatureRepository, service: str, rows: pa.Table) -> None:
    """Raise TransformFailed when an on-demand feature of a row depends on which other rows are asked for.

    Such a feature is one value in training, among all rows, and another when it is served alone. The code is
    loaded anew for each company, so that what it keeps of one shows in the next.
    """
    for transform in repository.on_demand_of(service):
        takes = list(repository.input_types(transform))
        telling = _telling(rows.select(takes))
        some = rows.take(np.unique([*telling, *_spread(len(rows), PROBED_ROWS)]).astype(int))
        first = load(transform.python, transform.name)
        whole = _run(repository, transform, some, first)
        everyone = np.arange(len(some))
        asked = [(everyone, first)]
        alone = {*_telling(some.select(takes)), *_spread(len(some), ALONE)}
        for chosen in (*_companies(everyone), *(np.array([row]) for row in sorted(alone))):
            asked.append((chosen, load(transform.python, transform.name)))
        for chosen, function in asked:
            again = _run(repository, transform, some.take(chosen), function)
            for feature, values in whole.items():
                _require_equal(transform, feature, values.take(chosen), again[feature])


def computed(
    function: Function, rows: pd.DataFrame, takes: Columns, gives: Columns, *, called: str
) -> pd.DataFrame:
    """What a transform returns for rows, in the declared order and types; it is given only what it takes.

    takes, gives: each column with its declared type. Whole numbers and flags are given as Int64 and boolean,
    numbers as float64 with NaN where missing, text as objects with None, moments as datetime64[us, UTC].
    Raises TransformFailed.
    """
    # Feast adds features under their short names, one of which may be a column of the request.
    inputs = {column: rows.loc[:, rows.columns == column].iloc[:, 0] for column in takes}
    found = _computed(function, inputs, len(rows), takes, gives, called)
    frame = _frame(pa.table(found))
    frame.index = rows.index
    return frame


def load(code: str, called: str, function: str = FUNCTION) -> Function:
    """The function of that name that code defines, with nothing in it of earlier calls."""
    file = f"{FILE} {called}>"
    # So that a traceback can quote it.
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": file}
    exec(compile(code, file, "exec"), namespace)  # noqa: S102 - code of the repository, like any module
    found: Function = namespace[function]
    return found


# The same, once for each code.
loaded = lru_cache(load)


def _run(
    repository: FeatureRepository, transform: OnDemandTransform, rows: pa.Table, function: Function
) -> Mapping[str, pa.Array]:
    takes = repository.input_types(transform)
    gives = {name: feature.type for name, feature in transform.features.items()}
    inputs = {column: rows[column] for column in takes}
    return _computed(function, inputs, len(rows), takes, gives, transform.called)


def _computed(
    function: Function, inputs: Mapping[str, Values], rows: int, takes: Columns, gives: Columns, called: str
) -> dict[str, pa.Array]:
    if rows == 0:
        return {feature: pa.array([], STORED[kind]) for feature, kind in gives.items()}
    given = pa.table({column: _given(inputs[column], column, kind, called) for column, kind in takes.items()})
    try:
        # A frame of its own, so that what a function does to it stays in it.
        found = function(_frame(given))
    except Exception as error:
        raise TransformFailed(f"{called}: {type(error).__name__}: {error}{_place(error)}") from error
    _require_shape(found, rows, gives, called)
    return {feature: _stored(found[feature], feature, kind, called) for feature, kind in gives.items()}


def _given(values: Values, column: str, kind: str, called: str) -> pa.Array | pa.ChunkedArray:
    try:
        stored = pa.Array.from_pandas(values) if isinstance(values, pd.Series) else values
        return stored.cast(STORED[kind])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TransformFailed(f"{called}: its input {column!r} is no {kind}: {error}") from error


def _frame(table: pa.Table) -> pd.DataFrame:
    # For few rows, waking threads takes longer than converting them.
    threads = table.num_rows > FEW_ROWS
    frame: pd.DataFrame = table.to_pandas(types_mapper=GIVEN.get, use_threads=threads)
    return frame


def _require_shape(found: Any, rows: int, gives: Columns, called: str) -> None:
    if not isinstance(found, pd.DataFrame):
        raise TransformFailed(f"{called} returns {type(found).__name__}, expected a pandas frame")
    if len(found) != rows or not found.index.equals(pd.RangeIndex(rows)):
        raise TransformFailed(
            f"{called} returns {len(found)} rows for {rows}, or in another order; expected a row for each, "
            "with the index of its inputs"
        )
    for column in gives:
        if list(found.columns).count(column) != 1:
            told = nearest(column, [str(one) for one in found.columns])
            raise TransformFailed(f"{called} does not return {column!r} once. {told}")
    for column in found.columns:
        if column not in gives:
            raise TransformFailed(
                f"{called} returns {column!r}, which is not declared. {nearest(str(column), gives)}"
            )


def _stored(values: pd.Series[Any], feature: str, kind: str, called: str) -> pa.Array:
    if not IS_A[kind](values.dtype):
        raise TransformFailed(
            f"{called} returns {feature!r} as {values.dtype}, expected {DTYPES[kind]}: it is declared {kind}"
        )
    if kind == "number" and np.isinf(infinite := values.to_numpy("float64", na_value=np.nan)).any():
        raise TransformFailed(
            f"{called} returns {feature!r} with {int(np.isinf(infinite).sum())} infinite values; "
            "expected a number, or none where there is none"
        )
    try:
        stored = pa.Array.from_pandas(values, type=STORED[kind])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TransformFailed(f"{called} returns {feature!r}, which is no {kind}: {error}") from error
    return stored.combine_chunks() if isinstance(stored, pa.ChunkedArray) else stored


def _companies(rows: Places) -> Iterator[Places]:
    """All rows shuffled, each twice, in two halves, and every second from behind."""
    yield np.random.default_rng(0).permutation(rows)
    yield np.repeat(rows, 2)
    yield rows[: len(rows) // 2]
    yield rows[len(rows) // 2 :]
    yield rows[::-2].copy()


def _telling(rows: pa.Table) -> list[int]:
    """The first row in which each column is missing, is least and is most: what only few rows show.

    A rare one would hardly be among others.
    """
    found = []
    for column in rows.columns:
        if column.null_count:
            found.append(int(np.argmax(column.is_null())))
        if column.null_count < len(column):
            ends = pc.min_max(column)
            found += [pc.index(column, ends[end]).as_py() for end in ("min", "max")]
    return [row for row in found if row >= 0]


def _spread(rows: int, most: int) -> Places:
    """At most so many places among the rows, the first and the last among them."""
    return np.linspace(0, max(rows - 1, 0), min(most, rows), dtype=int)


def _require_equal(transform: OnDemandTransform, feature: str, among: pa.Array, again: pa.Array) -> None:
    left, right = among.to_pandas(), again.to_pandas()
    same = (left == right) | (left.isna() & right.isna())
    if transform.features[feature].type == "number":
        # The last bit may depend on where a row stands in a processor's register.
        same |= np.isclose(left, right, rtol=1e-12, atol=0.0)
    if not same.all():
        first = int(np.argmin(same))
        raise TransformFailed(
            f"{transform.called} gives one row {feature!r} as {left[first]!r} among some rows and as "
            f"{right[first]!r} among {len(again)} of them; expected each row by itself: no means, ranks or shifts"
        )


def _place(error: Exception) -> str:
    """The line of the declared code that an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if frame.filename.startswith(FILE)]
    return f", in: {lines[-1]}" if lines else ""
