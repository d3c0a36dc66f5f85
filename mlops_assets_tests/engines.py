"""What it takes to ask both engines the same: rows of every kind, and what counts as the same answer."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_assets.stores.pinned import Content, Pinned

# Sums of DOUBLE depend on the order in which they are added, by a few units in the last place of what was added.
CLOSE = 1e-12
TEXTS = [
    "",
    " ",
    "a",
    "B",
    "ab",
    "it's",
    "a\\b",
    " x ",
    "ünïcode",
    "日本語",
    "\U0001f6eb\U0001f6ec",
    "%_",
    "\t",
    "Zz",
    "ß",
]
NUMBERS = [
    0.0,
    -0.0,
    1.5,
    -2.5,
    2.5,
    0.1,
    1e300,
    -1e-300,
    math.inf,
    -math.inf,
    math.nan,
    2.0**53,
    0.49999999999999994,
]
INTEGERS = [0, 1, -1, 7, -7, 2**31, -(2**31), 2**53 + 1]
MOMENTS = [
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2013, 3, 10, 6, 59, 59, tzinfo=UTC),
    datetime(2013, 3, 10, 7, tzinfo=UTC),
    datetime(2013, 11, 3, 5, 30, tzinfo=UTC),
    datetime(2016, 2, 29, 12, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 0, 0, 1, UTC),
]


def rows_of_every_kind(seed: int, rows: int = 400) -> pa.Table:
    """Ids in order; groups ``k`` and ``g``; integers, numbers, texts, truths and moments, each with nulls and ties.

    small, tame: integers and numbers whose sums stay small; order: unique within everything.
    """
    random = np.random.default_rng(seed)
    moment = datetime(2013, 1, 1, tzinfo=UTC)

    def some(values, share=0.15):
        return [
            None if random.random() < share else values[int(random.integers(len(values)))]
            for _ in range(rows)
        ]

    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "k": pa.array(some(["a", "b", "日", ""]), pa.string()),
            "g": pa.array(some([1, 2, 3], share=0.05), pa.int64()),
            "i": pa.array(some(INTEGERS), pa.int64()),
            "small": pa.array(some(list(range(-9, 10))), pa.int64()),
            "d": pa.array(some(NUMBERS), pa.float64()),
            "tame": pa.array(some([float(x) for x in random.normal(0, 50, 60)]), pa.float64()),
            "s": pa.array(some(TEXTS), pa.string()),
            "b": pa.array(some([True, False]), pa.bool_()),
            "t": pa.array(some(MOMENTS), pa.timestamp("us", "UTC")),
            "moment": pa.array(
                some([moment + timedelta(minutes=int(m)) for m in random.integers(0, 9000, 120)]),
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def pinned(folder: Path, table: str, rows: pa.Table) -> Pinned:
    """Rows as a pinned table of one partition."""
    place = folder / table / "partition=all"
    place.mkdir(parents=True)
    pq.write_table(rows, place / "part-0.parquet")
    schema = rows.schema.append(pa.field("partition", pa.string()))
    content = Content(table, "all", 0, rows.num_rows, "")
    return Pinned(table, 0, schema, (str(place / "part-0.parquet"),), (content,))


def differences(one: pa.Table, other: pa.Table) -> list[str]:
    """Where two answers are not the same: names, types, order, and values; numbers to CLOSE of the column's size."""
    if one.schema.remove_metadata() != other.schema.remove_metadata():
        return [f"{one.schema.to_string()}\nis not\n{other.schema.to_string()}"]
    if one.num_rows != other.num_rows:
        return [f"{one.num_rows} rows are not {other.num_rows}"]
    return [f"{name}: {found}" for name in one.column_names if (found := _first(one[name], other[name]))]


def _first(one: pa.ChunkedArray, other: pa.ChunkedArray) -> str:
    left, right = one.to_pylist(), other.to_pylist()
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        if not _same(a, b):
            return f"row {row}: {a!r} is not {b!r}"
    return ""


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=CLOSE, abs_tol=0) or (math.isnan(a) and math.isnan(b))
    return a == b
