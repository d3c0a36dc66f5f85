"""How far a log of predictions has been shipped, to each place; nothing is forgotten before all of them have it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from mlops_assets.errors import BadRequest, LogDamaged
from mlops_assets.stores.prediction_log import Segment, segments, sync_folder

# The folder of them, in that of the log.
SHIPPED = "shipped"


@dataclass(frozen=True)
class Shipment:
    """What one place has of a log. to: its address. delivered: writer -> the number of its last record there."""

    path: Path
    to: str
    delivered: Mapping[str, int]

    def reached(self, delivered: Mapping[str, int]) -> Shipment:
        """The same with what was delivered by now, on disk; writers of which no segment is left are left out."""
        there = {one.run for one in segments(self.path.parents[1])}
        new = replace(self, delivered={run: last for run, last in sorted(delivered.items()) if run in there})
        new._keep()
        return new

    def _keep(self) -> None:
        partial = self.path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            json.dump({"to": self.to, "delivered": dict(self.delivered)}, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)
        sync_folder(self.path.parent)


@contextmanager
def shipment(log: Path, to: str) -> Iterator[Shipment]:
    """The shipment of a log to an address, begun if it is new, by this process alone.

    From its beginning on the log keeps what was not shipped there. Raises BadRequest when another process ships there.
    """
    path = _path(log, to)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=0):
            found = _read(path) if path.exists() else Shipment(path, to, {})
            if not path.exists():
                found._keep()
            yield found
    except Timeout as error:
        raise BadRequest(f"another process ships {log.name} to {to} already") from error


def end_shipment(log: Path, to: str) -> None:
    """Hold nothing for an address any more. Raises BadRequest when nothing is shipped there."""
    known = {one.to for one in _shipments(log)}
    if to not in known:
        raise BadRequest(
            f"{log.name} is not shipped to {to}; it is to {', '.join(sorted(known)) or 'no place'}"
        )
    with shipment(log, to) as found:
        found.path.unlink()


def forgettable(found: Sequence[Segment]) -> list[Segment]:
    """Of segments to which nothing will be added, those that every place has to which their log is shipped.

    Whoever removes segments asks this before each time. Raises LogDamaged when it is not known what a place has.
    """
    shipments = cache(_shipments)
    return [
        one
        for one in found
        if all(shipped.delivered.get(one.run, 0) >= one.last for shipped in shipments(one.path.parent))
    ]


def _shipments(log: Path) -> list[Shipment]:
    return [_read(path) for path in sorted((log / SHIPPED).glob("*.json"))]


def _read(path: Path) -> Shipment:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Shipment(path, said["to"], said["delivered"])
    except (ValueError, KeyError, TypeError) as error:
        raise LogDamaged(
            f"{path} does not say how far the log was shipped: {error}; remove it to ship all of it again"
        ) from error


def _path(log: Path, to: str) -> Path:
    return log / SHIPPED / f"{hashlib.sha256(to.encode()).hexdigest()[:16]}.json"
