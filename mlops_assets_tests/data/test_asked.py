"""Moments and keys of a caller's frame are what they mean, in whatever type they come, or are refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.data.asked import held, keys_of, moments_of
from mlops_assets.errors import BadRequest

NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)
STAMP = pd.Timestamp(NOON)
EAST = NOON.astimezone(timezone(timedelta(hours=5)))


def column(values, dtype=None):
    return pd.Series(values, dtype=dtype, name="c")


@pytest.mark.parametrize(
    "said",
    [
        column([NOON, NOON]),
        column([NAIVE, NAIVE]),
        *(column([STAMP, STAMP]).dt.as_unit(unit) for unit in ("s", "ms", "us", "ns")),
        column([NAIVE, NAIVE]).dt.as_unit("s"),
        column([STAMP, STAMP]).astype("timestamp[us, tz=UTC][pyarrow]"),
        column([STAMP, STAMP]).astype("category"),
        column([NOON.isoformat(), "2024-03-10 12:00:00"]),
        column(["2024-03-10T12:00Z", "2024-03-10T14:00+02:00"], "string"),
        column([NAIVE, NOON], object),
        column([STAMP.tz_convert("Europe/Berlin"), STAMP.tz_convert("America/New_York")], object),
        column([EAST, str(NOON)], object),
        column([np.datetime64("2024-03-10T12", "h"), np.datetime64("2024-03-10T12:00:00.000000000")], object),
        column([STAMP + pd.Timedelta(nanoseconds=999), STAMP.tz_localize(None)], object),
        column([STAMP + pd.Timedelta(nanoseconds=999), STAMP]),
    ],
)
def test_moments_of_any_spelling_are_one(said):
    assert moments_of(said).to_pylist() == [NOON, NOON]


def test_a_moment_is_the_microsecond_it_lies_in_before_1970_too():
    just_before = pd.Timestamp("1960-01-01", tz="UTC") - pd.Timedelta(nanoseconds=1)
    expected = [datetime(1959, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    assert moments_of(column([just_before])).to_pylist() == expected
    assert moments_of(column([just_before], object)).to_pylist() == expected


@pytest.mark.parametrize("dtype", [None, object])
def test_a_missing_moment_is_null_and_a_date_is_its_midnight(dtype):
    assert moments_of(column([None, pd.NaT], dtype)).to_pylist() == [None, None]
    assert moments_of(column([pd.NaT, STAMP], dtype)).to_pylist() == [None, NOON]
    assert moments_of(column([date(2024, 3, 10), np.nan, np.datetime64("NaT")], object)).to_pylist() == [
        datetime(2024, 3, 10, tzinfo=UTC), None, None
    ]  # fmt: skip


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_the_last_year_are_moments(year):
    far = datetime(year, 6, 1, tzinfo=UTC)
    assert moments_of(column([far], object)).to_pylist() == [far]
    assert moments_of(column(np.array([f"{year:04}-06-01"], "datetime64[s]"))).to_pylist() == [far]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (column([STAMP, "soon"], object), "'soon' in row 1"),
        (column(["01/02/2024"]), "'01/02/2024' in row 0"),
        (column([1710072000]), "1710072000 in row 0"),
        (column([1710072000.5]), "in row 0"),
        (column([True]), "True in row 0"),
        (column([NAIVE]).dt.to_period("D"), "Period"),
        (column([[NOON]]), "in row 0"),
        (column(np.array(["19999-01-01"], "datetime64[s]")), "has a moment beyond the years 1 to 9999"),
        (
            column([pd.Timestamp(np.datetime64("19999-01-01", "s"), tz="UTC")], object),
            "beyond the years 1 to 9999",
        ),
        (column([datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))], object), "datetime"),
    ],
)
def test_what_is_no_moment_is_refused(said, found):
    with pytest.raises(BadRequest, match=f"column 'c' of entity_df .*{found}"):
        moments_of(said)


@pytest.mark.parametrize(
    "said",
    [
        column([1, 2, None], "Int64"),
        column([1.0, 2.0, np.nan]),
        column([1, 2.0, None], object),
        column([np.int8(1), np.uint64(2), pd.NA], object),
        column([Decimal(1), Decimal("2.0"), None]),
        column([1, 2, None], "Int64").astype("category"),
        column([1, 2, None], "int64[pyarrow]"),
        column([1, 2, None], "UInt8"),
    ],
)
def test_whole_numbers_of_any_type_are_integers(said):
    assert keys_of(said, "integer").to_pylist() == [1, 2, None]


@pytest.mark.parametrize(
    "said",
    [
        column(["a", "é", None]),
        column(["a", "é", None], "string"),
        column(["a", "é", None], "category"),
        column([np.str_("a"), "é", np.nan], object),
        column(["a", "é", None], pd.ArrowDtype(pa.string())),
    ],
)
def test_texts_of_any_type_are_strings(said):
    assert keys_of(said, "string").to_pylist() == ["a", "é", None]


@pytest.mark.parametrize("kind", ["integer", "string"])
def test_keys_that_are_all_missing_or_of_no_rows_have_their_type(kind):
    stored = {"integer": pa.int64(), "string": pa.string()}[kind]
    assert keys_of(column([None, None], object), kind) == pa.nulls(2, stored)
    assert keys_of(column([]), kind) == pa.nulls(0, stored)


@pytest.mark.parametrize(
    ("said", "kind", "found"),
    [
        (column(["1"]), "integer", "'1' in row 0, expected an integer"),
        (column([1, "2"], object), "integer", "'2' in row 1"),
        (column(["1"], "category"), "integer", "'1'"),
        (column([1.0, 1.5]), "integer", r"1\.5 in row 1"),
        (column([np.inf]), "integer", "inf"),
        (column([float(2**53 + 2)]), "integer", "9007199254740994"),
        (column([Decimal("1.5")]), "integer", r"Decimal\('1\.5'\)"),
        (column([Decimal("1e999999")]), "integer", "Decimal"),
        (column([Decimal("NaN")]), "integer", "Decimal"),
        (column([2**63], "uint64"), "integer", "9223372036854775808"),
        (column([2**70], object), "integer", str(2**70)),
        (column([True]), "integer", "True"),
        (column([b"1"]), "integer", "b'1'"),
        (column([STAMP]), "integer", "Timestamp"),
        (column([[1]]), "integer", r"\[1\]"),
        (column([1]), "string", "1 in row 0, expected a string"),
        (column(["a", 1], object), "string", "1 in row 1"),
        (column([b"a"]), "string", "b'a'"),
        (column([1.0]), "string", r"1\.0"),
    ],
)
def test_a_key_of_another_type_is_refused(said, kind, found):
    with pytest.raises(BadRequest, match=f"column 'c' of entity_df is .*{found}"):
        keys_of(said, kind)


@pytest.mark.parametrize("values", [[1, "a"], [1j, 2j], [object(), object()], [2**70, 1]])
def test_a_column_that_no_table_can_hold_is_refused(values):
    with pytest.raises(BadRequest, match=r"no one type that a table can hold: .*; leave it out"):
        held(pd.DataFrame({"c": pd.Series(values, dtype=None if isinstance(values[0], complex) else object)}))
