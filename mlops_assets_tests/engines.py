"""What it takes to ask both engines the same: rows of every kind, SQL of chance, and what counts as one answer."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_assets.stores.pinned import Content, Pinned

# Sums of DOUBLE depend, in their last digits, on the order in which an engine adds.
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
    "ünï",
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
    0.5 - 2**-54,
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
    """An id, two groups (k, g), integers (i, small), numbers (d, tame), text, truth and moments (t, moment).

    All but the id have nulls and ties. i, d and t hold extremes; small, tame and moment what features are made of.
    """
    random = np.random.default_rng(seed)
    minutes = [
        datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=int(m)) for m in random.integers(0, 9000, 120)
    ]

    def some(values, null=0.15):
        return [
            None if random.random() < null else values[int(random.integers(len(values)))] for _ in range(rows)
        ]

    moment = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "k": pa.array(some(["a", "b", "日", ""]), pa.string()),
            "g": pa.array(some([1, 2, 3], null=0.05), pa.int64()),
            "i": pa.array(some(INTEGERS), pa.int64()),
            "small": pa.array(some(list(range(-9, 10))), pa.int64()),
            "d": pa.array(some(NUMBERS), pa.float64()),
            "tame": pa.array(some(random.normal(0, 50, 60).tolist()), pa.float64()),
            "s": pa.array(some(TEXTS), pa.string()),
            "b": pa.array(some([True, False]), pa.bool_()),
            "t": pa.array(some(MOMENTS), moment),
            "moment": pa.array(some(minutes), moment),
        }
    )


def pinned(folder: Path, table: str, rows: pa.Table, *parts: pa.Table) -> Pinned:
    """Rows as a pinned table of one partition, a file for each part."""
    place = folder / table / "partition=all"
    place.mkdir(parents=True)
    files = [str(place / f"part-{number}.parquet") for number in range(1 + len(parts))]
    for file, part in zip(files, (rows, *parts), strict=True):
        pq.write_table(part, file)
    schema = rows.schema.append(pa.field("partition", pa.string()))
    return Pinned(table, 0, schema, tuple(files), (Content(table, "all", 0, rows.num_rows, ""),))


def difference(one: pa.Table, other: pa.Table) -> str:
    """Where two answers are not one: in names, count, order or values; numbers to CLOSE, NaN is NaN."""
    if one.column_names != other.column_names or one.num_rows != other.num_rows:
        return f"{one.num_rows} rows of {one.column_names} are not {other.num_rows} of {other.column_names}"
    for name in one.column_names:
        for row, (a, b) in enumerate(zip(_values(one[name]), _values(other[name]), strict=True)):
            if not _same(a, b):
                return f"{name}, row {row}: {a!r} is not {b!r}"
    return ""


def _values(column: pa.ChunkedArray) -> list[object]:
    """A moment without a time zone is one in UTC."""
    kind = column.type
    return (column.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(kind) else column).to_pylist()


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=CLOSE) or (math.isnan(a) and math.isnan(b))
    return a == b


class Chance:
    """Writes expressions over ``rows_of_every_kind``, of every kind put into every other."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def expression(self, depth: int = 3) -> str:
        kind = self._one(["integer", "number", "truth", "text", "moment"])
        return str(getattr(self, kind)(depth))

    def integer(self, depth: int) -> str:
        if depth == 0:
            return self._one(["small", "g", "3", "-2", "0"])
        a, b, n, m = (
            self.integer(depth - 1),
            self.integer(depth - 1),
            self.number(depth - 1),
            self.moment(depth - 1),
        )
        text, truth, unit = (
            self.text(depth - 1),
            self.truth(depth - 1),
            self._one(["second", "minute", "hour", "day"]),
        )
        part = self._one(
            ["year", "month", "day", "hour", "minute", "second", "dow", "isodow", "doy", "quarter"]
        )
        return self._one(
            [
                *(
                    f"({a} + {b})",
                    f"({a} - {b})",
                    f"({a} * 3)",
                    f"({a} // 7)",
                    f"({a} % 5)",
                    f"abs({a})",
                    f"(-({a}))",
                ),
                *(f"coalesce({a}, {b})", f"nullif({a}, {b})", f"greatest({a}, {b})", f"least({a}, {b})"),
                *(
                    f"CASE WHEN {truth} THEN {a} ELSE {b} END",
                    f"if({truth}, {a}, NULL)",
                    f"({truth})::BIGINT",
                ),
                *(f"length({text})", f"strpos({text}, 'b')", f"extract({part} FROM {m})"),
                *(f"date_diff('{unit}', {m}, moment)", f"round(least(greatest({n}, -1e9), 1e9))::BIGINT"),
            ]
        )

    def number(self, depth: int) -> str:
        if depth == 0:
            return self._one(["d", "tame", "0.1", "2.5", "1e3"])
        a, b, n, truth = (
            self.number(depth - 1),
            self.number(depth - 1),
            self.integer(depth - 1),
            self.truth(depth - 1),
        )
        return self._one(
            [
                *(
                    f"({a} + {b})",
                    f"({a} - {b})",
                    f"({a} * 0.5)",
                    f"({n} * 0.1)",
                    f"({n} / 7)",
                    f"({a} / nullif({n}, 0))",
                ),
                *(f"abs({a})", f"floor({a})", f"ceil({a})", f"round({a})", f"sqrt(abs({a}))", f"(-({a}))"),
                *(
                    f"coalesce({a}, {n})",
                    f"greatest({a}, {b})",
                    f"CASE WHEN {truth} THEN {a} ELSE {n} END",
                    f"({n})::DOUBLE",
                ),
            ]
        )

    def truth(self, depth: int) -> str:
        if depth == 0:
            return self._one(["b", "true", "small > 0", "s = 'a'", "t IS NULL"])
        a, b, compare = (
            self.truth(depth - 1),
            self.truth(depth - 1),
            self._one(["=", "<>", "<", "<=", ">", ">="]),
        )
        same = self._one([self.integer, self.number, self.text, self.moment])
        x, y = same(depth - 1), same(depth - 1)
        return self._one(
            [
                *(f"({a} AND {b})", f"({a} OR {b})", f"(NOT {a})", f"({x} {compare} {y})", f"({x} IS NULL)"),
                *(f"({x} IS DISTINCT FROM {y})", f"({x} BETWEEN {y} AND {x})", f"({x} IN ({y}, {x}, NULL))"),
                *(
                    f"({a} IS NOT TRUE)",
                    f"({self.text(depth - 1)} LIKE 'a%')",
                    f"starts_with({self.text(depth - 1)}, 'a')",
                ),
            ]
        )

    def text(self, depth: int) -> str:
        if depth == 0:
            return self._one(["s", "k", "'it''s'", "''"])
        a, b, n, truth = (
            self.text(depth - 1),
            self.text(depth - 1),
            self.integer(depth - 1),
            self.truth(depth - 1),
        )
        return self._one(
            [
                *(
                    f"({a} || {b})",
                    f"coalesce({a}, {b})",
                    f"least({a}, {b})",
                    f"nullif({a}, {b})",
                    f"trim({a})",
                ),
                *(
                    f"substring({a}, 2, 3)",
                    f"left({a}, 2)",
                    f"right({a}, 2)",
                    f"({n})::VARCHAR",
                    f"({truth})::VARCHAR",
                ),
                *(
                    f"CASE WHEN {truth} THEN {a} ELSE {b} END",
                    f"strftime({self.moment(depth - 1)}, '%Y-%m-%d %H')",
                ),
            ]
        )

    def moment(self, depth: int) -> str:
        if depth == 0:
            return self._one(["t", "moment", "TIMESTAMPTZ '2013-03-10 07:00:00'"])
        a, b, truth = self.moment(depth - 1), self.moment(depth - 1), self.truth(depth - 1)
        unit = self._one(["second", "minute", "hour", "day", "week", "month", "quarter", "year"])
        return self._one(
            [
                *(f"({a} + INTERVAL 90 MINUTES)", f"({a} - INTERVAL 2 DAYS)", f"date_trunc('{unit}', {a})"),
                *(f"coalesce({a}, {b})", f"greatest({a}, {b})", f"CASE WHEN {truth} THEN {a} ELSE {b} END"),
                *(
                    f"(({a})::TIMESTAMPTZ AT TIME ZONE 'America/New_York')::TIMESTAMPTZ",
                    f"({a})::DATE::TIMESTAMPTZ",
                ),
            ]
        )

    def _one(self, of: list):
        return of[int(self._random.integers(len(of)))]
