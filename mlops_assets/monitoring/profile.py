"""What a set of rows looked like: counts per column in fixed cells, in total and block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlops_assets.errors import OtherVersion
from mlops_assets.monitoring.cells import Categories, Cells, Edges, Watched
from mlops_assets.monitoring.sketch import Sketch

IntArray: TypeAlias = npt.NDArray[np.int64]

# Of a kept profile; another one when columns are counted or watched otherwise.
FORMAT = 2
# Cells per block of a numeric column: enough to see it wander, few enough to keep many blocks.
BLOCK_CELLS = 16


@dataclass(frozen=True)
class ColumnProfile:
    """The counts of one column.

    counts: rows per cell. missing: rows without a value. nonfinite: NaN and infinities of a
    numeric column. blocks: block -> rows per coarse cell, then the rows without a usable value;
    the names of blocks sort in the order of time. others: the values of a category column that have
    no cell of their own, all of them or a sample; None of a numeric column.
    """

    watched: Watched
    cells: Cells
    counts: tuple[int, ...]
    missing: int
    nonfinite: int
    blocks: Mapping[str, tuple[int, ...]]
    others: Sketch | None = None

    @property
    def usable(self) -> int:
        """Rows with a category or a finite number."""
        return sum(self.counts)

    @property
    def unusable(self) -> int:
        return self.missing + self.nonfinite

    @property
    def outside(self) -> float:
        """The share of usable rows with a number beyond the outer edges; nought of categories."""
        if not isinstance(self.cells, Edges) or not self.cells.edges or not self.usable:
            return 0.0
        return (self.counts[0] + self.counts[-1]) / self.usable

    def block_counts(self) -> IntArray:
        """Shape (blocks, coarse cells + 1), oldest block first; the last column has no usable value."""
        ordered = [self.blocks[block] for block in sorted(self.blocks)]
        width = len(coarse(np.zeros(len(self.cells), dtype=np.int64), self.cells)) + 1
        return np.array(ordered, dtype=np.int64).reshape(-1, width)


@dataclass(frozen=True)
class Profile:
    """The counts of all watched columns over the same rows."""

    rows: int
    columns: Mapping[str, ColumnProfile]

    @property
    def cells(self) -> dict[Watched, Cells]:
        """Where the columns were counted: what a batch needs to be counted alike."""
        return {column.watched: column.cells for column in self.columns.values()}

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; a hundred columns in sixty blocks take about half a megabyte."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "columns": [_column_to_dict(column) for column in self.columns.values()],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Profile:
        """Raises OtherVersion when it was written by a version that counted otherwise."""
        if body.get("format") != FORMAT:
            raise OtherVersion(f"found a profile of format {body.get('format', 1)}, expected {FORMAT}")
        columns = [_column_from_dict(column) for column in body["columns"]]
        return cls(body["rows"], {column.watched.name: column for column in columns})


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of the rows of both. Raises ValueError when they were counted in different cells.

    Blocks of the same name become one.
    """
    if first.cells != second.cells:
        unlike = sorted({watched.name for watched, _ in set(first.cells.items()) ^ set(second.cells.items())})
        raise ValueError(f"profiles counted in different cells cannot be merged: {', '.join(unlike)}")
    columns = {name: _merged(column, second.columns[name]) for name, column in first.columns.items()}
    return Profile(first.rows + second.rows, columns)


def coarse(counts: IntArray, cells: Cells) -> IntArray:
    """Counts of neighbouring cells added up for a block; categories stay apart.

    Takes and gives arrays whose last axis is the cells.
    """
    if isinstance(cells, Categories) or len(cells) <= BLOCK_CELLS:
        return counts
    starts = np.linspace(0, len(cells), BLOCK_CELLS, endpoint=False).astype(np.int64)
    return np.add.reduceat(counts, starts, axis=-1)


def column_profile(
    watched: Watched,
    cells: Cells,
    counts: IntArray,
    missing: IntArray,
    nonfinite: IntArray,
    names: list[str],
    others: Sketch | None = None,
) -> ColumnProfile:
    """From counts per block. counts: shape (blocks, cells); missing, nonfinite: one value per block."""
    unusable = (missing + nonfinite)[:, np.newaxis]
    by_block = np.concatenate([coarse(counts, cells), unusable], axis=1)
    return ColumnProfile(
        watched=watched,
        cells=cells,
        counts=tuple(counts.sum(axis=0).tolist()),
        missing=int(missing.sum()),
        nonfinite=int(nonfinite.sum()),
        blocks={name: tuple(row) for name, row in zip(names, by_block.tolist(), strict=True)},
        others=others,
    )


def _merged(first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    blocks = dict(first.blocks)
    for block, counts in second.blocks.items():
        blocks[block] = _sum(blocks[block], counts) if block in blocks else counts
    return ColumnProfile(
        watched=first.watched,
        cells=first.cells,
        counts=_sum(first.counts, second.counts),
        missing=first.missing + second.missing,
        nonfinite=first.nonfinite + second.nonfinite,
        blocks={block: blocks[block] for block in sorted(blocks)},
        others=first.others.merged(second.others) if first.others and second.others else None,
    )


def _sum(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(first, second, strict=True))


def _column_to_dict(column: ColumnProfile) -> dict[str, Any]:
    cells = column.cells
    return {
        "name": column.watched.name,
        "kind": column.watched.kind,
        "role": column.watched.role,
        "cells": list(cells.edges if isinstance(cells, Edges) else cells.values),
        "counts": list(column.counts),
        "missing": column.missing,
        "nonfinite": column.nonfinite,
        "blocks": {block: list(counts) for block, counts in column.blocks.items()},
        "others": column.others and column.others.to_dict(sorted(column.blocks)),
    }


def _column_from_dict(body: Mapping[str, Any]) -> ColumnProfile:
    cells: Cells = (
        Edges(tuple(body["cells"])) if body["kind"] == "number" else Categories(tuple(body["cells"]))
    )
    return ColumnProfile(
        watched=Watched(body["name"], body["kind"], body["role"]),
        cells=cells,
        counts=tuple(body["counts"]),
        missing=body["missing"],
        nonfinite=body["nonfinite"],
        blocks={block: tuple(counts) for block, counts in body["blocks"].items()},
        others=body["others"] and Sketch.from_dict(body["others"], sorted(body["blocks"])),
    )
