"""What a step hands to the lake. Light to import: the graph names it when the code location loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.pinned import Content

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Produced:
    """What an asset made: the whole of some partitions of its table.

    rows: with a ``partition`` column; a partition in ``partitions`` without rows becomes empty.
    reads: for each partition, the exact contents it was made from.
    verdicts: for each partition, what its checks said.
    volatile: columns that name places or moments and so are left out of the fingerprint.
    """

    rows: pa.Table
    partitions: Sequence[str]
    reads: Mapping[str, tuple[Content, ...]] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()


def together(parts: Sequence[Produced]) -> Produced:
    """Partitions that were made one by one, as one."""
    # Imported by runs only: the code location loads without it.
    import pyarrow as pa

    return Produced(
        pa.concat_tables([part.rows for part in parts], promote_options="default"),
        [partition for part in parts for partition in part.partitions],
        reads={key: read for part in parts for key, read in part.reads.items()},
        verdicts={key: said for part in parts for key, said in part.verdicts.items()},
    )
