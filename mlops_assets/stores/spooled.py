"""Rows that memory need not hold at once: few stay an Arrow table, many lie in a file without a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import numpy as np
import pyarrow as pa

# Bytes of rows that are kept in memory, and rows of one batch in a file: so few that reading a small
# partition reads little else.
IN_MEMORY = 64 * 2**20
BATCH = 8192


class Spooled:
    """Rows in a file, read a column or a batch at a time; what they answer is named as in ``pa.Table``.

    The file has no name, so it is gone with its last reader.
    """

    def __init__(
        self,
        file: pa.NativeFile,
        schema: pa.Schema,
        ends: np.ndarray[tuple[int], np.dtype[np.int64]],
        among: range,
    ) -> None:
        """ends: the number of rows up to the end of each batch in the file. among: which rows these are."""
        self._file = file
        self._ends = ends
        self._among = among
        self.schema = schema

    @property
    def num_rows(self) -> int:
        return len(self._among)

    @property
    def column_names(self) -> list[str]:
        names: list[str] = self.schema.names
        return names

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, in memory."""
        index = self.schema.get_field_index(name)
        chunks = [batch.column(0) for batch in self._read([index])]
        return pa.chunked_array(chunks, self.schema.field(index).type)

    def slice(self, offset: int, length: int) -> Spooled:
        """Some of the rows, of the same file."""
        return Spooled(self._file, self.schema, self._ends, self._among[offset : offset + length])

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in their order, at most ``BATCH`` at a time."""
        return self._read(None)

    def _read(self, columns: list[int] | None) -> Iterator[pa.RecordBatch]:
        if not self._among:
            return
        options = pa.ipc.IpcReadOptions(included_fields=columns)
        reader = pa.ipc.open_file(self._file, options=options)
        first, last = np.searchsorted(self._ends, [self._among.start, self._among.stop - 1], "right")
        for index in range(int(first), int(last) + 1):
            begins = int(self._ends[index - 1]) if index else 0
            batch = reader.get_batch(index)
            skipped = max(self._among.start - begins, 0)
            yield batch.slice(skipped, self._among.stop - begins - skipped)


Rows: TypeAlias = pa.Table | Spooled


def spooled(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], folder: Path, *, in_memory: int = IN_MEMORY
) -> Rows:
    """The rows of ``batches``: a table, or beyond so many bytes a file in ``folder``, which may go before it."""
    few, size, rest = [], 0, iter(batches)
    for batch in rest:
        few.append(batch)
        size += batch.nbytes
        if size > in_memory:
            return _in_a_file(schema, _chained(few, rest), folder)
    return pa.Table.from_batches(few, schema)


def concatenated(parts: Sequence[Rows], folder: Path) -> Rows:
    """The rows of all parts in their order; a column that a part lacks is null there."""
    nothing = pa.concat_tables([part.schema.empty_table() for part in parts], promote_options="default")
    batches = (
        whole
        for part in parts
        for batch in part.to_batches()
        for whole in pa.concat_tables(
            [nothing, pa.Table.from_batches([batch])], promote_options="default"
        ).to_batches()
    )
    return spooled(nothing.schema, batches, folder)


def _chained(few: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    few.reverse()
    while few:
        yield few.pop()
    yield from rest


def _in_a_file(schema: pa.Schema, batches: Iterator[pa.RecordBatch], folder: Path) -> Spooled:
    path, rows = folder / uuid4().hex, []
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "w") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
        for batch in batches:
            for first in range(0, batch.num_rows, BATCH):
                part = batch.slice(first, BATCH)
                writer.write_batch(part)
                rows.append(part.num_rows)
    file, ends = pa.OSFile(str(path), "r"), np.cumsum(rows)
    # What is open stays; its name would stay too if this process were killed.
    path.unlink()
    return Spooled(file, schema, ends, range(int(ends[-1])))
