"""Equal rows in equal order give equal text; anything else gives another."""

import math
import os
import struct
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.data.fingerprint import fingerprint

VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(codec="utf-8"), max_size=5),
    pa.date32(): st.dates(),
    pa.timestamp("us", tz="UTC"): st.datetimes(timezones=st.just(UTC)),
    pa.list_(pa.string()): st.lists(st.none() | st.text(max_size=3), max_size=3),
    pa.list_(pa.float64()): st.lists(st.none() | st.floats(), max_size=3),
}


@st.composite
def columns(draw):
    kind = draw(st.sampled_from(list(VALUES)))
    return pa.array(draw(st.lists(st.none() | VALUES[kind], max_size=12)), type=kind)


def of(values, kind=None):
    return fingerprint(pa.table({"a": pa.array(values, type=kind)}))


def bits(value):
    """A value such that equal means equal bits: NaN is itself, and 0.0 is not -0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("d", value)
    return [bits(one) for one in value] if isinstance(value, list) else value


@given(column=columns(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_chunking_does_not_count(column, cuts):
    ends = sorted(min(cut, len(column)) for cut in cuts)
    spans = zip([0, *ends], [*ends, len(column)], strict=True)
    chunks = [column.slice(first, last - first) for first, last in spans]
    chunked = pa.table({"a": pa.chunked_array(chunks, type=column.type)})
    assert fingerprint(chunked) == fingerprint(pa.table({"a": column}))


@given(column=columns(), first=st.integers(0, 12), length=st.integers(0, 12))
def test_a_slice_has_the_fingerprint_of_a_copy(column, first, length):
    cut = column.slice(min(first, len(column)), length)
    copy = pa.array(cut.to_pylist(), type=cut.type)
    assert fingerprint(pa.table({"a": cut})) == fingerprint(pa.table({"a": copy}))


@given(one=columns(), other=columns())
def test_equal_fingerprints_mean_equal_columns(one, other):
    equal = one.type == other.type and bits(one.to_pylist()) == bits(other.to_pylist())
    assert (fingerprint(pa.table({"a": one})) == fingerprint(pa.table({"a": other}))) == equal


def test_a_table_without_chunks_is_the_empty_table():
    none = pa.table({"a": pa.chunked_array([], type=pa.string())})
    assert fingerprint(none) == of([], pa.string())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(of([1, None]), of([None, 1]), id="order"),
        pytest.param(of([0, 1]), of([None, 1]), id="null is not zero"),
        pytest.param(of([math.nan]), of([None], pa.float64()), id="null is not NaN"),
        pytest.param(of([0.0]), of([-0.0]), id="minus zero"),
        pytest.param(of([""]), of([None], pa.string()), id="null is not the empty text"),
        pytest.param(of(["ab", "c"]), of(["a", "bc"]), id="where one text ends"),
        pytest.param(of([["a"], ["b"]]), of([["a", "b"], []]), id="where one list ends"),
        pytest.param(of([[None]]), of([[]], pa.list_(pa.null())), id="a list of a null"),
        pytest.param(
            of([[], None], pa.list_(pa.int64())), of([None, []], pa.list_(pa.int64())), id="no list"
        ),
        pytest.param(of([1]), of([1], pa.int32()), id="type"),
        pytest.param(of([1]), of([1.0]), id="integer or float"),
        pytest.param(of([1]), fingerprint(pa.table({"b": [1]})), id="name"),
        pytest.param(of(["é"]), of(["e\u0301"]), id="normal form"),
        pytest.param(
            fingerprint(pa.table({"a": [1], "b": [1]})),
            fingerprint(pa.table({"b": [1], "a": [1]})),
            id="order of columns",
        ),
        pytest.param(of([None, None], pa.null()), of([None], pa.null()), id="how many nulls"),
    ],
)
def test_what_differs_has_another_fingerprint(one, other):
    assert one != other


def test_physical_variants_of_text_and_lists_count_as_one():
    texts = ["a", None, "ö" * 20]
    assert of(texts, pa.string()) == of(texts, pa.large_string()) == of(texts, pa.string_view())
    lists = [["a"], None, []]
    assert of(lists, pa.list_(pa.string())) == of(lists, pa.large_list(pa.large_string()))


def test_what_lies_under_a_null_does_not_count():
    validity = pa.py_buffer(b"\x01")
    hidden = [pa.py_buffer(np.array([7, garbage], dtype=np.int64).tobytes()) for garbage in (0, 99)]
    one, other = (pa.Array.from_buffers(pa.int64(), 2, [validity, data]) for data in hidden)
    assert fingerprint(pa.table({"a": one})) == fingerprint(pa.table({"a": other})) == of([7, None])


def test_a_list_under_a_null_does_not_count():
    inner = pa.array(["a", "hidden", "b"])
    offsets = pa.array([0, 1, 2, 3], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, inner, mask=pa.array([False, True, False]))
    assert fingerprint(pa.table({"a": lists})) == of([["a"], None, ["b"]])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([Decimal("1.50")]),
        pa.array([b"bytes"]),
        pa.array(["a"]).dictionary_encode(),
        pa.array([{"a": 1}]),
    ],
)
def test_a_type_that_would_be_hashed_by_its_address_is_refused(column):
    with pytest.raises(TypeError, match=r"has no fingerprint; cast it"):
        fingerprint(pa.table({"a": column}))


SAMPLE = pa.table(
    {
        "text": ["ä", None, ""],
        "number": [1.5, math.nan, None],
        "flag": [True, None, False],
        "day": [date(2013, 1, 1), None, date(1969, 12, 31)],
        "clock": [time(1, 2), None, time(0)],
        "moment": [datetime(2013, 3, 10, 7, tzinfo=UTC), None, datetime(1960, 1, 1, tzinfo=UTC)],
        "names": [["a", None], None, []],
    }
)


def test_another_process_gives_the_same_fingerprint():
    script = (
        "import sys, pyarrow as pa; from mlops_assets.data.fingerprint import fingerprint;"
        "print(fingerprint(pa.ipc.open_stream(sys.stdin.buffer.read()).read_all()))"
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SAMPLE.schema) as writer:
        writer.write_table(SAMPLE)
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=sink.getvalue().to_pybytes(),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
        for seed in ("1", "2")
    }
    assert found == {fingerprint(SAMPLE)}


def test_the_fingerprint_is_the_one_of_yesterday():
    # Recorded fingerprints are compared for years, so a change of this text is a migration.
    assert fingerprint(SAMPLE) == "c8d54905b5ee5d86221d0e8d20e64131"
