"""Are two answers to one question the same?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

# Sums of DOUBLE depend, in their last digits, on the order in which an engine adds.
CLOSE = 1e-12


def difference(one: pa.Table, other: pa.Table) -> str:
    """The first place where rows differ in names, types, count, order or values; empty when they are the same.

    Numbers are the same within CLOSE of themselves; NaN is NaN, and null is null only.

    >>> difference(pa.table({"x": [1.0, None]}), pa.table({"x": [1.0 + 1e-15, None]}))
    ''
    >>> difference(pa.table({"x": [1.0, None]}), pa.table({"x": [1.0, 0.0]}))
    'x, row 1: None is not 0.0'
    """
    if one.schema.remove_metadata() != other.schema.remove_metadata():
        return f"{_columns(one)} are not {_columns(other)}"
    if one.num_rows != other.num_rows:
        return f"{one.num_rows} rows are not {other.num_rows}"
    for name in one.column_names:
        differs = np.flatnonzero(~_same(one[name], other[name]))
        if len(differs):
            row = int(differs[0])
            return f"{name}, row {row}: {one[name][row].as_py()!r} is not {other[name][row].as_py()!r}"
    return ""


def _columns(rows: pa.Table) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in rows.schema)


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    import pyarrow.compute as pc

    equal = pc.fill_null(pc.equal(one, other), False).to_numpy()
    null, nothing = (pc.is_null(column).to_numpy() for column in (one, other))
    if pa.types.is_floating(one.type):
        a, b = (column.to_numpy() for column in (one, other))
        with np.errstate(invalid="ignore"):
            close = np.abs(a - b) <= CLOSE * np.maximum(np.abs(a), np.abs(b))
        equal = equal | (close & np.isfinite(a) & np.isfinite(b)) | (np.isnan(a) & np.isnan(b))
    same: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.where(null | nothing, null & nothing, equal)
    return same
