"""Rows in a file answer as the same rows in memory do."""

import gc
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from mlops_assets.data.fingerprint import fingerprint
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.spooled import BATCH, Rows, Spooled, concatenated, spooled
from mlops_assets_tests.stores.commits import by, opened_lake, values

MANY = 2 * BATCH + 5
TABLE = pa.table(
    {
        "partition": ["a"] * (BATCH + 1) + ["b"] * (MANY - BATCH - 1),
        "x": range(MANY),
        "text": [None if n % 7 == 0 else f"ü{n}" for n in range(MANY)],
        "reasons": pa.array([["one", "two"][: n % 3] for n in range(MANY)], pa.list_(pa.string())),
    }
)


def in_a_file(table: pa.Table, folder: Path) -> Rows:
    # In pieces that are not those of the file.
    return spooled(table.schema, table.to_batches(max_chunksize=3 * BATCH // 2), folder, in_memory=0)


@pytest.fixture
def lake(tmp_path):
    return opened_lake(tmp_path / "lake", f"sqlite:///{tmp_path}/records.db")


def test_few_rows_stay_in_memory_and_many_do_not(tmp_path):
    batches = TABLE.to_batches()
    assert spooled(TABLE.schema, batches, tmp_path) == TABLE
    assert isinstance(spooled(TABLE.schema, batches, tmp_path, in_memory=1000), Spooled)
    assert spooled(TABLE.schema, [], tmp_path) == TABLE.schema.empty_table()


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, MANY), (0, 0), (3, 5), (BATCH - 1, 2), (BATCH, BATCH), (BATCH + 1, MANY), (MANY, 1)],
)
def test_any_part_of_the_rows_in_a_file_is_that_part_of_the_table(tmp_path, offset, length):
    wanted, found = TABLE.slice(offset, length), in_a_file(TABLE, tmp_path).slice(offset, length)
    assert found.num_rows == wanted.num_rows
    assert pa.Table.from_batches(found.to_batches(), found.schema) == wanted
    assert all(found.column(name) == wanted.column(name) for name in TABLE.column_names)
    assert fingerprint(found) == fingerprint(wanted)


def test_the_file_has_no_name_and_outlives_its_folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    found = in_a_file(TABLE, folder)
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    part = found.slice(1, 2)
    del found
    gc.collect()
    assert part.column("x").to_pylist() == [1, 2]


def test_rows_in_a_file_are_written_as_those_in_memory_are(lake, tmp_path):
    plain = TABLE.drop_columns(["reasons"])
    first = lake.write("t", Produced(plain, ["a", "b", "c"]), by("one"))
    read = values(lake, tmp_path)
    second = lake.write("t", Produced(in_a_file(plain, tmp_path), ["a", "b", "c"]), by("two"))
    assert {key: (one.rows, one.fingerprint) for key, one in first.items()} == {
        key: (one.rows, one.fingerprint) for key, one in second.items()
    }
    assert values(lake, tmp_path) == read


def test_rows_in_a_file_whose_partitions_are_not_together_are_refused(lake, tmp_path):
    mixed = pa.concat_tables([TABLE, TABLE.slice(0, 1)])
    with pytest.raises(ValueError, match="rows of partition 'a' are not adjacent"):
        lake.write("t", Produced(in_a_file(mixed, tmp_path), ["a", "b"]), by("one"))


def test_parts_are_one_and_a_column_that_one_lacks_is_null(tmp_path):
    less = TABLE.drop_columns(["text"])
    wanted = pa.concat_tables([less, TABLE], promote_options="default")
    found = concatenated([in_a_file(less, tmp_path), TABLE], tmp_path)
    assert found.column_names == wanted.column_names
    assert fingerprint(found) == fingerprint(wanted)
