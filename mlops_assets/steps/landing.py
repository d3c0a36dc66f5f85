"""What has landed and was not read yet."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path, PurePosixPath

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.source import LandedFile, Source, Table
from mlops_assets.steps.ingestion import digest_now
from mlops_assets.stores.files import Files
from mlops_assets.stores.stores import Stores

DAY = "{day}"
# A file that changed so few nanoseconds ago is opened again the next time: clocks are coarse, and not all the same.
SLACK = 60_000_000_000


@dataclass(frozen=True)
class Landed:
    """A file that holds something else than its partition was read from.

    digest: of its bytes. replaces: the version of the raw table that holds what was read before; -1 for none. So a
    file that is as it was before the last reading is news again.
    """

    table: str
    partition: str
    digest: str
    replaces: int


def landed(
    stores: Stores, source: Source, since: int, waiting: Iterable[Landed], *, now: datetime
) -> tuple[list[Landed], int]:
    """The files of a source to be read, by table and partition, and the moment to ask since the next time.

    since: of partitions that were read before, only files that changed since then are opened; 0 for all of them. The
    moment is the inode's (``st_ctime_ns``), which a copy that keeps its dates, or a file that is moved into place,
    cannot hide. waiting: what this said before. What a file holds is compared with what is recorded of its partition,
    so nothing is asked for twice and nothing is missed, whenever it is asked. now: with its time zone.
    """
    known = {(one.table, one.partition): one.digest for one in waiting}
    found, newest = [], since
    for table in source.tables:
        if not table.lands:
            continue
        assert isinstance(table.reads, LandedFile)
        read = stores.records.files_read(f"raw/{table.name}")
        version = {one.partition: one.version for one in stores.records.contents(f"raw/{table.name}")}
        for partition, changed in _files(stores.files, source, table.reads, now):
            newest = max(newest, changed + 1)
            before = known.get((table.name, partition))
            if changed < since and before is None and read.get(partition) is not None:
                continue
            digest = before if before is not None and changed < since else _digest(stores, table, partition)
            if digest is not None and digest != read.get(partition):
                found.append(Landed(table.name, partition, digest, version.get(partition, -1)))
    settled = int(now.timestamp() * 1e9) - SLACK
    return sorted(found, key=lambda one: (one.table, one.partition)), max(since, min(newest, settled))


def _digest(stores: Stores, table: Table, partition: str) -> str | None:
    assert isinstance(table.reads, LandedFile)
    return digest_now(stores, table.reads, partition if table.reads.is_daily else None)


def _files(files: Files, source: Source, reads: LandedFile, now: datetime) -> Iterator[tuple[str, int]]:
    """Every landed file of a table with its partition, and when it was put there.

    Days that are not over, that are none, or that the source does not have are not its.
    """
    if not reads.is_daily:
        path = files.landing / reads.landing
        changed = _changed(path, path.relative_to(files.landing).parts)
        if changed is not None:
            yield WHOLE, changed
        return
    first, last = source.start, now.astimezone(source.zone).date() - timedelta(days=1)
    last = min(last, source.end) if source.end else last
    for named, path in _of_days(files, reads):
        day = _day(named)
        if day is None or not first <= day <= last:
            continue
        parts = path.relative_to(files.landing).parts
        of_the_day = next(index for index, part in enumerate(parts) if named in part)
        changed = _changed(path, parts[of_the_day:])
        if changed is not None:
            yield named, changed


def _of_days(files: Files, reads: LandedFile) -> Iterator[tuple[str, Path]]:
    """The files that are named as declared, each with its day; by name."""
    before, *after = PurePosixPath(reads.landing).as_posix().split(DAY)
    pattern = re.compile(
        re.escape(before)
        + "(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
        + "(?P=day)".join(re.escape(one) for one in after)
    )
    for path in sorted(files.landing.glob("????-??-??".join(glob.escape(one) for one in (before, *after)))):
        named = pattern.fullmatch(path.relative_to(files.landing).as_posix())
        if named:
            yield named["day"], path


def _day(named: str) -> date | None:
    try:
        return date.fromisoformat(named)
    except ValueError:
        return None


def _changed(path: Path, own: tuple[str, ...]) -> int | None:
    """When a file was put there, or one of its ``own`` folders was: the innermost parts of its path. None: it is gone.

    A link may lead to an old file, and a folder that is moved into place brings old files.
    """
    places = [path, *path.parents][: len(own)]
    try:
        if not path.is_file():
            return None
        return max(path.stat().st_ctime_ns, *(one.lstat().st_ctime_ns for one in places))
    except FileNotFoundError:
        return None
