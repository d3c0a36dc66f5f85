"""A table at one version: which partitions, which files, and exactly what they held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlops_assets.data.moments import earlier, later
from mlops_assets.data.sql import PARTITION, WHOLE
from mlops_assets.errors import NotMaterialized

if TYPE_CHECKING:
    import pyarrow as pa

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Content:
    """What a partition held when it was last written. version: of the table, at that write."""

    table: str
    partition: str
    version: int
    rows: int
    fingerprint: str


@dataclass(frozen=True)
class Pinned:
    """Partitions of a table as of one table version; reading it later reads the same.

    contents: one per partition that exists, ordered by partition. absent: asked for, never written.
    """

    table: str
    version: int
    schema: pa.Schema
    files: tuple[str, ...]
    contents: tuple[Content, ...]
    absent: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(content.rows for content in self.contents)

    def among(self, partitions: Iterable[str]) -> tuple[Content, ...]:
        """The contents of these partitions, those that exist."""
        wanted = frozenset(partitions)
        return tuple(content for content in self.contents if content.partition in wanted)

    def only(self, partitions: Iterable[str]) -> Pinned:
        """The same version with none but these partitions."""
        kept = self.among(partitions)
        # Each partition has a folder of its own, as Hive names it.
        folders = {f"{PARTITION}={content.partition}" for content in kept}
        files = tuple(file for file in self.files if file.rsplit("/", 2)[-2] in folders)
        return replace(self, files=files, contents=kept, absent=())

    def between(self, first: datetime, last: datetime) -> Pinned:
        """The same version with none but the partitions that can hold rows of this span of time.

        A day is a date of some time zone.
        """
        begin, end = f"{earlier(first, DAY).date()}", f"{later(last, DAY).date()}"
        names = (content.partition for content in self.contents)
        return self.only(one for one in names if one == WHOLE or begin <= one <= end)

    def require(self, partitions: Iterable[str]) -> None:
        """Raise NotMaterialized, naming the partitions, unless all of these were written."""
        have = {content.partition for content in self.contents}
        missing = sorted(set(partitions) - have)
        if missing:
            shown = ", ".join(missing[:5]) + (f", … ({len(missing)} in all)" if len(missing) > 5 else "")
            raise NotMaterialized(f"{self.table} has no partition {shown}; materialize it first")
