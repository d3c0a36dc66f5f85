"""What a step hands to the lake. Light to import: the graph names it when the code location loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.pinned import Content

if TYPE_CHECKING:
    from mlops_assets.stores.spooled import Rows


@dataclass(frozen=True)
class Produced:
    """What an asset made: the whole of some partitions of its table.

    rows: with a ``partition`` column; spooled ones have those of each partition together, and moments in
    microseconds. A partition in ``partitions`` without rows becomes empty.
    reads: for each partition, the exact contents it was made from.
    verdicts: for each partition, what its checks said.
    refused: partitions that could not be made, each with the blocking verdict that says why; they keep what they hold.
    volatile: columns that name places or moments and so are left out of the fingerprint.
    """

    rows: Rows
    partitions: Sequence[str]
    reads: Mapping[str, tuple[Content, ...]] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)
    refused: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()


def together(parts: Sequence[Produced], folder: Path) -> Produced:
    """Partitions that were made one by one, as one. folder: where rows are put that are too many for memory."""
    # Imported by runs only: the code location loads without it.
    from mlops_assets.stores.spooled import concatenated

    # A part that made nothing has no say in the columns.
    made = [part for part in parts if part.partitions] or parts[:1]
    return Produced(
        concatenated([part.rows for part in made], folder),
        [partition for part in parts for partition in part.partitions],
        reads={key: read for part in parts for key, read in part.reads.items()},
        verdicts={key: said for part in parts for key, said in part.verdicts.items()},
        refused={key: said for part in parts for key, said in part.refused.items()},
    )
