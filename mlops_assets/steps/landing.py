"""What has landed and was not read yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.source import LandedFile, Source, Table
from mlops_assets.steps.ingestion import digest_now
from mlops_assets.stores.files import Files
from mlops_assets.stores.stores import Stores

DAY = "{day}"
# A file that was changed within so many nanoseconds before the newest one is looked at again: clocks are coarse.
SLACK = 2_000_000_000


@dataclass(frozen=True)
class Landed:
    """A file that holds something else than its partition was read from. digest: of its bytes."""

    table: str
    partition: str
    digest: str


def landed(stores: Stores, source: Source, since: int) -> tuple[list[Landed], int]:
    """The files of a source to be read, by table and partition, and the moment to ask since the next time.

    since: only files changed since then are opened; 0 for all of them. The moment is the inode's (``st_ctime_ns``),
    which a copy that keeps its dates, or a file that is moved into place, cannot hide. What a file holds is compared
    with what is recorded of its partition, so nothing is asked for twice and nothing is missed, whenever it is asked.
    """
    found, newest = [], since
    for table in source.tables:
        if not isinstance(table.reads, LandedFile):
            continue
        recorded = stores.records.files_read(f"raw/{table.name}")
        for partition, path in _files(stores.files, source, table, table.reads):
            changed = path.stat().st_ctime_ns
            if changed < since:
                continue
            newest = max(newest, changed - SLACK)
            digest = digest_now(stores, table.reads, partition if table.reads.is_daily else None)
            if digest is not None and digest != recorded.get(partition):
                found.append(Landed(table.name, partition, digest))
    return sorted(found, key=lambda one: (one.table, one.partition)), newest


def _files(files: Files, source: Source, table: Table, reads: LandedFile) -> Iterator[tuple[str, Path]]:
    """Every landed file of a table with its partition; days before the source begins or after it ends are not its."""
    if not reads.is_daily:
        path = files.landing / reads.landing
        # One file of many days says nothing of a single one of them.
        if path.is_file() and not table.is_daily:
            yield WHOLE, path
        return
    first, last = source.start.isoformat(), source.end.isoformat() if source.end else "9999-12-31"
    before, *after = (re.escape(part) for part in reads.landing.split(DAY))
    pattern = re.compile(before + r"(\d{4}-\d{2}-\d{2})" + r"\1".join(after))
    for path in sorted(files.landing.glob(reads.landing.replace(DAY, "*"))):
        named = pattern.fullmatch(path.relative_to(files.landing).as_posix())
        if named and path.is_file() and first <= named[1] <= last:
            yield named[1], path
