"""What services counted of a rollout: a file of each process, so that all of them judge what all of them saw.

A killed process leaves what it wrote last; the one after it counts in a file of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mlops_assets.governance.rollout import Beside, together


class Tallies:
    """The counts of one rollout. home: of the platform. This process is one of those that count."""

    def __init__(self, home: Path, model: str, number: int) -> None:
        self._folder = home / "rollouts" / model / str(number)
        self._own = f"{time.time_ns():016x}-{os.getpid()}.json"

    def keep(self, counted: Sequence[Beside]) -> None:
        """What this process counted until now, in place of what it said before. Raises OSError when it cannot be."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{self._own}"
        unfinished.write_text(json.dumps([one.to_dict() for one in counted]), encoding="utf-8")
        unfinished.replace(self._folder / self._own)

    def all(self) -> list[Beside]:
        """What all processes counted, by the share at which they did."""
        found: list[Beside] = []
        for path in sorted(self._folder.glob("[!.]*.json")):
            with suppress(FileNotFoundError):
                found += [Beside.of(one) for one in json.loads(path.read_text(encoding="utf-8"))]
        return together(found)
