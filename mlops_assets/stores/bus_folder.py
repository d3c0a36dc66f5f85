"""A folder as a bus: a file of JSON lines for each writer, which others read or mount, and no service at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Self

from mlops_assets.errors import BadEnvironment, BadRequest, NotShipped
from mlops_assets.stores.bus import Event
from mlops_assets.stores.prediction_log import sync_folder


@dataclass(frozen=True)
class FolderBus:
    """Files that are only added to, on disk before a delivery ends."""

    folder: Path

    @classmethod
    def at(cls, path: str) -> Self:
        """Raises BadRequest for a path that is not absolute, BadEnvironment for one that cannot be a folder."""
        folder = Path(path)
        if not folder.is_absolute():
            raise BadRequest(f"the folder is {path!r}, expected an absolute path")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadEnvironment(f"{folder} cannot be made: {error}") from error
        return cls(folder)

    def deliver(self, events: Sequence[Event]) -> None:
        try:
            for writer, of_writer in groupby(events, key=lambda event: event.writer):
                self._append(
                    self.folder / f"{writer}.jsonl", b"".join(event.spelled() + b"\n" for event in of_writer)
                )
        except OSError as error:
            raise NotShipped(f"{self.folder} does not take events: {error}") from error

    def _append(self, path: Path, lines: bytes) -> None:
        is_new = not path.exists()
        with path.open("a+b") as stream:
            _drop_torn(stream)
            stream.write(lines)
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            sync_folder(self.folder)


def _drop_torn(stream: BinaryIO) -> None:
    """Cut off what a delivery that was killed left of a line."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        return
    stream.seek(size - 1)
    if stream.read(1) != b"\n":
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
