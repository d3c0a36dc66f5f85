"""Predictions as they were answered: appended before the answer, and read back whole.

A segment has one writer and is only added to: a line for each request, its CRC-32, its number, its record as JSON.
One ``write`` brings a line to the kernel, so that a killed process loses nothing of it; a thread brings it to disk.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from mlops_assets.errors import LogDamaged, LogUnwritable
from mlops_assets.stores.held import hold, is_left

MAX_BYTES, MAX_SECONDS, SYNC_SECONDS = 64 * 2**20, 60.0, 0.05
OPEN, CLOSED = ".open", ".closed"
# One that was not whole and stays until somebody has looked at it.
DAMAGED = ".damaged"
# Of failures to bring records to disk, so many of the newest are known: who waited for older ones has been told.
MOST_DOUBTFUL = 1000
NAMED = re.compile(r"(?P<run>[0-9a-f]{16}-\d+)-(?P<first>\d{12})\.(open|closed)")
_spelled = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=datetime.isoformat).encode


def log_folder(home: Path, model: str) -> Path:
    """Where the predictions of a model are written down."""
    return home / "predictions" / model


def windows_folder(home: Path, model: str) -> Path:
    """Where what became of a model's requests is written down minute by minute, a folder for each day of UTC."""
    return home / "windows" / model


def shadow_folder(home: Path, model: str) -> Path:
    """Where the scores of versions that are tried in a shadow are written down."""
    return home / "shadows" / model


@dataclass
class _Segment:
    """A file that is appended to. size: of its whole lines, in bytes."""

    path: Path
    descriptor: int
    since: float
    size: int = 0
    is_new: bool = True


class PredictionLog:
    """The log of one process, in segments that are ``.closed`` after so many bytes or seconds.

    A record is a JSON object with the ``id`` of its request; moments are spelled as ISO 8601 has them.

    Raises LogUnwritable when the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_seconds: float = SYNC_SECONDS,
        max_bytes: int = MAX_BYTES,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._folder, self._max_bytes, self._max_seconds = folder, max_bytes, max_seconds
        self._run = f"{time.time_ns():016x}-{os.getpid()}"
        self._current: _Segment | None = None
        self._retired: list[_Segment] = []
        self._written = self._synced = 0
        self._appending, self._syncing = threading.Lock(), threading.Lock()
        # Records of which nobody knows whether they are on disk: the kernel tells so once, to whoever asks first.
        self._doubtful: deque[range] = deque(maxlen=MOST_DOUBTFUL)
        self._failures = 0
        self._closing = threading.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnwritable(f"the log of predictions {folder} cannot be made: {error}") from error
        self._thread = threading.Thread(target=self._keep_synced, args=(sync_seconds,), daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """How often a line could not be written, or not be brought to disk."""
        return self._failures

    def append(self, record: Mapping[str, Any]) -> int:
        """Write a record down and return its number. Raises LogUnwritable, and then nothing of it is there."""
        body = _spelled(record)
        with self._appending:
            number = self._written + 1
            numbered = f"{number} {body}".encode()
            line = b"%08x %s\n" % (crc32(numbered), numbered)
            try:
                segment = self._current = self._current or self._begin(number)
                _write_whole(segment, line)
            except OSError as error:
                self._failures += 1
                # What was written of the line is cut off, or is the torn last line of its segment.
                self._retire()
                raise LogUnwritable(
                    f"a prediction could not be written to {self._folder}: {error}"
                ) from error
            self._written = number
            if segment.size >= self._max_bytes:
                self._retire()
        return number

    def sync_up_to(self, number: int) -> None:
        """Wait until a record, and all before it, are on disk. Raises LogUnwritable when that fails."""
        with self._syncing:
            if self._synced < number:
                self._sync()
            if any(number in one for one in self._doubtful):
                raise LogUnwritable(f"record {number} of {self._folder} may not have been brought to disk")

    def close(self) -> None:
        """Bring everything to disk and close the last segment."""
        self._closing.set()
        self._thread.join()
        with self._syncing:
            with self._appending:
                self._retire()
            self._sync()

    def _begin(self, number: int) -> _Segment:
        path = self._folder / f"{self._run}-{number:012}{OPEN}"
        return _Segment(path, hold(path, os.O_WRONLY | os.O_APPEND), time.monotonic())

    def _retire(self) -> None:
        """End the current segment. One that holds nothing is gone at once: the next attempt has its name."""
        current, self._current = self._current, None
        if current is None:
            return
        if current.size:
            self._retired.append(current)
        else:
            with suppress(OSError):
                current.path.unlink()
            os.close(current.descriptor)

    def _keep_synced(self, seconds: float) -> None:
        while not self._closing.wait(seconds):
            with self._appending:
                current = self._current
                if current and time.monotonic() - current.since >= self._max_seconds:
                    self._retire()
            # A failure is counted; who waits for the disk is told by sync_up_to.
            with self._syncing, suppress(LogUnwritable):
                if self._synced < self._written or self._retired:
                    self._sync()

    def _sync(self) -> None:
        with self._appending:
            written, retired, current = self._written, self._retired, self._current
            self._retired = []
        try:
            for segment in (*retired, *([current] if current else [])):
                self._bring_to_disk(segment)
        except OSError as error:
            with self._appending:
                self._failures += 1
                self._doubtful.append(range(self._synced + 1, written + 1))
                # The kernel may have dropped what it could not write: what follows goes to another file.
                self._retire()
            raise LogUnwritable(f"{self._folder} could not be brought to disk: {error}") from error
        finally:
            for segment in retired:
                self._close(segment)
        self._synced = written

    def _close(self, segment: _Segment) -> None:
        """Close a segment under its other name, so that nobody takes it for one that is written to."""
        try:
            segment.path.rename(segment.path.with_suffix(CLOSED))
        except OSError:
            # Under its old name it is one that its writer left, and is read all the same.
            self._failures += 1
        finally:
            os.close(segment.descriptor)

    def _bring_to_disk(self, segment: _Segment) -> None:
        os.fdatasync(segment.descriptor)
        if segment.is_new:
            sync_folder(self._folder)
            segment.is_new = False


@dataclass(frozen=True)
class Reading:
    """What a segment holds. records: those that are as they were written, in order. damage: what is not, in sentences.

    follows: the number of the record after its last one.
    """

    records: list[dict[str, Any]]
    damage: tuple[str, ...]
    follows: int


@dataclass(frozen=True)
class Segment:
    """A file of the log. run: its writer's process. first: the number of its first record."""

    path: Path
    run: str
    first: int

    def records(self) -> list[dict[str, Any]]:
        """What was appended, in order; a last line that was torn is left out.

        Raises LogDamaged when any other line is not the next one, or not as it was written.
        """
        return [self.record(number, line) for number, line in enumerate(self.lines(), self.first)]

    def read(self) -> Reading:
        """The same, with what is not so told beside what is. Raises FileNotFoundError once it is forgotten."""
        records: list[dict[str, Any]] = []
        damage: list[str] = []
        expected = self.first
        for line in self.lines():
            number, record = _read_line(line)
            if record is None:
                damage.append(self._changed(expected))
                expected += 1
                continue
            if number != expected:
                damage.append(self._lacking(number, expected))
            expected = number + 1
            records.append(record)
        return Reading(records, tuple(damage), expected)

    def whole(self) -> Iterator[dict[str, Any]]:
        """The records that are as they were written, one at a time. Raises FileNotFoundError once it is forgotten."""
        for line in self.lines():
            _, record = _read_line(line)
            if record is not None:
                yield record

    def forget(self, *, damaged: bool) -> None:
        """Remove the file, whose records are kept elsewhere; one that is damaged stays, under another name."""
        if damaged:
            self.path.rename(self.path.with_suffix(DAMAGED))
        else:
            self.path.unlink()

    @property
    def last(self) -> int:
        """The number of the last whole record by now; one less than the first where there is none."""
        return self.first + len(self.lines()) - 1

    def lines(self, position: int = 0) -> list[bytes]:
        """The whole lines from a position on, in bytes, that is where a line begins."""
        *lines, _torn = self._bytes(position).split(b"\n")
        return lines

    def record(self, number: int, line: bytes) -> dict[str, Any]:
        """What a line says. Raises LogDamaged when it has another number, or is not as it was written."""
        found, record = _read_line(line)
        if record is None:
            raise LogDamaged(self._changed(number))
        if found != number:
            raise LogDamaged(self._lacking(found, number))
        return record

    def _bytes(self, position: int) -> bytes:
        try:
            stream = self.path.open("rb")
        except FileNotFoundError:
            # Its writer has closed it since it was listed.
            stream = self.path.with_suffix(CLOSED).open("rb")
        with stream:
            stream.seek(position)
            return stream.read()

    def _changed(self, number: int) -> str:
        return f"{self.path}: record {number} has been changed since it was written"

    def _lacking(self, found: int, expected: int) -> str:
        return f"{self.path}: found record {found}, expected {expected}: lines are missing"


def segments(folder: Path, *, finished: bool = False) -> list[Segment]:
    """The files of a log, by writer and in order. finished: only those to which nothing will be added any more."""
    # A segment that is closed while names are listed may be there under both of its names.
    found = {match["run"] + match["first"]: match for match in map(NAMED.fullmatch, _names(folder)) if match}
    listed = [
        Segment(folder / match[0], match["run"], int(match["first"])) for _, match in sorted(found.items())
    ]
    return [one for one in listed if one.path.suffix == CLOSED or is_left(one.path)] if finished else listed


def set_aside(folder: Path) -> list[Path]:
    """The files of a log that were not whole."""
    return [folder / name for name in _names(folder) if name.endswith(DAMAGED)]


def readings(found: Sequence[Segment]) -> Iterator[tuple[Segment, Reading]]:
    """What each segment holds, in their order; that one is missing before it is damage of it.

    One that is forgotten meanwhile is left out.
    """
    before, follows = "", 0
    for segment in found:
        try:
            reading = segment.read()
        except FileNotFoundError:
            before = ""
            continue
        if segment.run == before and segment.first != follows:
            missing = (
                f"{segment.path} begins with record {segment.first}, expected {follows}: a segment or the end of one "
                "is missing"
            )
            reading = replace(reading, damage=(missing, *reading.damage))
        before, follows = segment.run, reading.follows
        yield segment, reading


def read_log(found: Sequence[Segment]) -> Iterator[dict[str, Any]]:
    """Every record of some segments in their order, each request once: by its id, the first counts.

    Raises LogDamaged when a line was changed, or a segment is missing between two of a writer.
    """
    known: set[str] = set()
    for _, reading in readings(found):
        if reading.damage:
            raise LogDamaged(reading.damage[0])
        for record in reading.records:
            if record["id"] not in known:
                known.add(record["id"])
                yield record


def _read_line(line: bytes) -> tuple[int, dict[str, Any] | None]:
    """The number and the record of a line; none when it is not as it was written."""
    crc, _, numbered = line.partition(b" ")
    if crc != b"%08x" % crc32(numbered):
        return 0, None
    number, _, body = numbered.partition(b" ")
    return int(number), json.loads(body)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _write_whole(segment: _Segment, line: bytes) -> None:
    """Append a line, or raise OSError and leave nothing of it."""
    written = 0
    try:
        written = os.write(segment.descriptor, line)
        if written < len(line):
            raise OSError(f"found room for {written} of {len(line)} bytes")
    except OSError:
        if written:
            os.ftruncate(segment.descriptor, segment.size)
        raise
    segment.size += len(line)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
