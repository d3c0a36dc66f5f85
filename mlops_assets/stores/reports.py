"""Pages for people, one file each, written whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile


@dataclass(frozen=True)
class Reports:
    """Pages below one root folder. A page can be made again from what is recorded, so it is no record."""

    root: Path

    def save(self, name: str, page: str) -> Path:
        """Write a page (``model/2013-04-01/drift.html``), replacing an earlier one; where it is."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=target.parent, delete=False, encoding="utf-8") as stream:
            stream.write(page)
        os.replace(stream.name, target)
        return target
