"""The SQL and the tally count what numpy counts, on values that are hard on both."""

import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlops_assets.monitoring.cells import Categories, Edges, Watched
from mlops_assets.monitoring.counting import (
    by_column,
    cells_from,
    cells_query,
    values_query,
)
from mlops_assets.monitoring.profile import merge
from mlops_assets.monitoring.tally import ROWS, tally
from mlops_assets_tests.monitoring.counted import profile

NUMBER = Watched("x", "number")
CATEGORY = Watched("c", "category")


def ask(sql: str, rows: pa.Table) -> pa.Table:
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return connection.sql(sql).to_arrow_table()


def cells(rows: pa.Table, *columns: Watched, sample: int = 100_000):
    return cells_from(ask(cells_query("rows", columns, sample=sample), rows), columns)


def counted(rows: pa.Table, found, block: str = "''"):
    return tally(ask(values_query("rows", found, block=block), rows).to_batches(max_chunksize=ROWS), found)


FIFTHS = "printf('%04d', i // 1000)"


def test_sql_and_numpy_count_alike():
    random = np.random.default_rng(5)
    x = np.round(random.normal(size=5000), 1) * random.choice([0, 1, 1e-300, 1e300], size=5000)
    x[:40] = np.repeat([np.nan, np.inf, -np.inf, 1e308], 10)
    c = random.choice(np.array(["a", "", "other", "naïve", "'quoted'", None], dtype=object), size=5000)
    rows = pa.table({"x": x, "c": pa.array(c.tolist()), "i": np.arange(5000)})
    found = cells(rows, NUMBER, CATEGORY)
    assert counted(rows, found, FIFTHS).columns["x"].counts == (
        profile({NUMBER: x}, found).columns["x"].counts
    )
    expected = profile({NUMBER: x, CATEGORY: c}, found, blocks=5)
    made = counted(rows, found, FIFTHS)
    for name in ("x", "c"):
        assert made.columns[name].counts == expected.columns[name].counts
        assert made.columns[name].unusable == expected.columns[name].unusable
        assert list(made.columns[name].blocks.values()) == list(expected.columns[name].blocks.values())


def test_missing_and_not_finite_are_counted_apart():
    rows = pa.table({"x": [None, float("nan"), float("inf"), -float("inf"), 1.0]})
    column = counted(rows, cells(rows, NUMBER)).columns["x"]
    assert (column.missing, column.nonfinite, column.usable) == (1, 3, 1)


def test_blocks_are_the_values_of_a_column():
    rows = pa.table({"x": [1.0, 2.0, 3.0], "partition": ["2013-01-02", "2013-01-01", "2013-01-01"]})
    column = counted(rows, cells(rows, NUMBER), by_column("partition")).columns["x"]
    assert {day: sum(counts) for day, counts in column.blocks.items()} == {"2013-01-01": 2, "2013-01-02": 1}


def test_partitions_counted_apart_merge_to_the_whole():
    rows = pa.table({"x": np.arange(100.0), "partition": [f"{n % 4}" for n in range(100)]})
    found = cells(rows, NUMBER)
    parts = [rows.filter(pa.array([n % 4 == part for n in range(100)])) for part in range(4)]
    merged = counted(parts[0], found, by_column("partition"))
    for part in parts[1:]:
        merged = merge(merged, counted(part, found, by_column("partition")))
    assert merged == counted(rows, found, by_column("partition"))


@pytest.mark.parametrize(
    ("values", "type_", "cells_counted"),
    [
        ([7.0] * 50, pa.float64(), [50]),
        ([None] * 50, pa.float64(), []),
        ([2**62, 2**62 + 1, -(2**62)] * 10, pa.int64(), [10, 20]),
        ([True, False, True], pa.bool_(), [1, 2]),
        ([1.7976931348623157e308, -1.7976931348623157e308], pa.float64(), [1, 1]),
    ],
    ids=["constant", "all null", "huge integers", "boolean as number", "greatest doubles"],
)
def test_degenerate_numbers_have_cells(values, type_, cells_counted):
    rows = pa.table({"x": pa.array(values, type=type_)})
    column = counted(rows, cells(rows, NUMBER)).columns["x"]
    assert [count for count in column.counts if count] == cells_counted


def test_a_constant_column_that_moves_a_little_is_seen():
    found = cells(pa.table({"x": [0.0] * 10}), NUMBER)
    moved = counted(pa.table({"x": [-1e-300] * 10}), found).columns["x"]
    assert moved.counts == (10, 0, 0)


@pytest.mark.parametrize(
    ("values", "known"),
    [([True, False, True], ("true", "false")), ([3, 3, 5], ("3", "5"))],
    ids=["boolean", "integer"],
)
def test_categories_are_known_by_their_text(values, known):
    assert cells(pa.table({"c": values}), CATEGORY)[CATEGORY] == Categories(known)


def test_unseen_categories_join_the_others():
    found = cells(pa.table({"c": ["a", "a", "b"]}), CATEGORY)
    batch = counted(pa.table({"c": ["b", "日本", "", None]}), found).columns["c"]
    assert (batch.counts, batch.missing) == ((0, 1, 2), 1)


def test_a_category_column_that_is_all_null_has_only_others():
    rows = pa.table({"c": pa.array([None, None], type=pa.string())})
    column = counted(rows, cells(rows, CATEGORY)).columns["c"]
    assert (column.counts, column.missing) == ((0,), 2)


def test_an_empty_batch_has_nought_everywhere():
    rows = pa.table({"x": [1.0, 2.0], "c": ["a", "b"]})
    empty = counted(rows.slice(0, 0), cells(rows, NUMBER, CATEGORY))
    assert empty.rows == 0
    assert {column.usable for column in empty.columns.values()} == {0}


def test_cells_come_from_a_sample_that_is_the_same_every_time():
    rows = pa.table({"x": np.random.default_rng(2).normal(size=200_000)})
    once, again = (cells(rows, NUMBER, sample=20_000)[NUMBER] for _ in range(2))
    assert once == again
    exact = np.quantile(rows.column("x").to_numpy(), np.arange(129) / 128)
    assert isinstance(once, Edges)
    assert np.abs(np.array(once.edges[1:])[10:-10] - exact[10:-10]).max() < 0.05


def test_names_are_quoted_and_cannot_clash_with_those_of_the_query():
    watched = [
        Watched(each, "category") for each in ('a "quoted" name', "block", "position", "rows", "v0", "m1")
    ]
    rows = pa.table({column.name: ["it's", "ours"] for column in watched})
    found = cells(rows, *watched)
    made = counted(rows, found, by_column("block"))
    for column in watched:
        assert found[column] == Categories(("it's", "ours"))
        assert made.columns[column.name].counts == (1, 1, 0)
        assert list(made.columns[column.name].blocks) == ["it's", "ours"]


def test_edges_survive_json_and_sql_to_the_last_bit():
    values = np.random.default_rng(3).normal(size=500) * 10.0 ** np.arange(-250, 250)
    rows = pa.table({"x": values})
    found = cells(rows, NUMBER)
    edges = found[NUMBER].edges
    assert tuple(json.loads(json.dumps(edges))) == edges
    assert counted(rows, found).columns["x"].counts == profile({NUMBER: values}, found).columns["x"].counts
