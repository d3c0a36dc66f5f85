"""The tally of a stream is what numpy counts of the whole, however the stream is cut and its blocks are mixed."""

from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlops_assets.monitoring.cells import Categories, Edges, Watched
from mlops_assets.monitoring.counting import by_column, values_query
from mlops_assets.monitoring.profile import Profile
from mlops_assets.monitoring.tally import tally
from mlops_assets_tests.monitoring.counted import NUMBER, number_cells, profile

CATEGORY = Watched("c", "category")
ROWS = 6_000
RANDOM = np.random.default_rng(11)
GREATEST = np.finfo(np.float64).max
EDGY = np.array([0.0, -0.0, 5e-324, -5e-324, np.inf, -np.inf, np.nan, GREATEST, -GREATEST, 1e-300])
NUMBERS = {
    "normal": RANDOM.normal(size=ROWS),
    "lognormal": np.exp(8 * RANDOM.normal(size=ROWS)),
    "Cauchy": RANDOM.standard_cauchy(ROWS),
    "ties": RANDOM.integers(-5, 20, ROWS).astype(np.float64),
    "constant": np.full(ROWS, 7.0),
    "edgy": RANDOM.choice(EDGY, ROWS),
    "normal and edgy": np.where(
        RANDOM.random(ROWS) < 0.3, RANDOM.choice(EDGY, ROWS), RANDOM.normal(size=ROWS)
    ),
    "never finite": RANDOM.choice(EDGY[4:7], ROWS),
}


def counted(rows: pa.Table, cells, *, size: int = 1_000) -> Profile:
    """size: rows of a batch."""
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        values = connection.sql(values_query("rows", cells, block=by_column("block"))).to_arrow_table()
    return tally(values.to_batches(max_chunksize=size), cells)


def in_order(rows: int, blocks: int) -> np.ndarray:
    """The blocks of ``counted.profile``."""
    parts = np.array_split(np.arange(rows), blocks)
    return np.concatenate([[f"{number:04d}"] * len(part) for number, part in enumerate(parts)])


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("size", [1, 700, ROWS])
def test_numbers_of_any_distribution_and_batches_of_any_size(name, size):
    values = NUMBERS[name][:: ROWS // 100] if size == 1 else NUMBERS[name]
    for cells in ({NUMBER: number_cells(values)}, {NUMBER: number_cells(NUMBERS["normal"])}):
        rows = pa.table({"x": values, "block": in_order(len(values), 4)})
        assert counted(rows, cells, size=size) == profile({NUMBER: values}, cells, blocks=4)


@pytest.mark.parametrize("blocks", [2, 300])
def test_blocks_may_be_mixed(blocks):
    values = NUMBERS["normal and edgy"]
    categories = RANDOM.choice(np.array(["a", "b", "new", None], dtype=object), ROWS)
    cells = {NUMBER: number_cells(values), CATEGORY: Categories(("a", "never", "b"))}
    rows = pa.table({"x": values, "c": categories.tolist(), "block": in_order(ROWS, blocks)})
    expected = profile({NUMBER: values, CATEGORY: categories}, cells, blocks=blocks)
    mixed = counted(rows.take(RANDOM.permutation(ROWS)), cells)
    assert mixed == counted(rows, cells)
    for name in ("x", "c"):
        assert mixed.columns[name].counts == expected.columns[name].counts
        assert mixed.columns[name].blocks == expected.columns[name].blocks


def test_what_is_missing_is_no_number_in_its_own_block():
    rows = pa.table(
        {"x": [None, 1.0, None, float("nan"), 2.0, None], "block": ["a", "b", "b", "a", "b", "a"]}
    )
    column = counted(rows, {NUMBER: Edges((1.0,))}).columns["x"]
    assert (column.counts, column.missing, column.nonfinite) == ((1, 1), 3, 1)
    assert column.blocks == {"a": (0, 0, 3), "b": (1, 1, 1)}


@pytest.mark.parametrize(
    ("values", "edges", "counts"),
    [
        (pa.array([2**53 - 1, 2**53, 2**53 + 1, 2**62, None]), (float(2**53),), (3, 1)),
        (pa.array([Decimal("0.1"), Decimal("0.2"), None]), (0.1,), (1, 1)),
        (pa.array([True, False, None]), (0.0,), (1, 1)),
        (pa.array([0.1, 0.2], type=pa.float32()), (0.1,), (0, 2)),
        (pa.nulls(3), (0.0,), (0, 0)),
    ],
    ids=["integers that no double holds", "decimals", "booleans", "single precision", "no type"],
)
def test_numbers_of_every_type_are_doubles(values, edges, counts):
    column = counted(pa.table({"x": values, "block": [0] * len(values)}), {NUMBER: Edges(edges)}).columns["x"]
    assert (column.counts, column.missing) == (counts, values.null_count)


def test_more_categories_than_a_byte_can_number():
    cells = {CATEGORY: Categories(tuple(str(number) for number in range(300)))}
    column = counted(pa.table({"c": range(305), "block": [0] * 305}), cells).columns["c"]
    assert column.counts == (*[1] * 300, 5)


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(rows):
    cells = {NUMBER: Edges((0.0,)), CATEGORY: Categories(())}
    made = counted(pa.table({"x": [1.0], "c": ["a"], "block": ["b"]}).slice(0, rows), cells)
    assert made.rows == rows
    assert made.columns["x"].counts == (0, rows)
    assert made.columns["c"].counts == (rows,)
    assert list(made.columns["x"].blocks) == ["b"] * rows


def test_no_batch_at_all_is_a_profile_of_no_rows():
    assert tally([], {NUMBER: Edges(())}).columns["x"].counts == (0,)
