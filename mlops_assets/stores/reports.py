"""Pages for people, one file each, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True)
class Reports:
    """Pages below one root folder. A page can be made again from what is recorded, so it is no record."""

    root: Path

    def save(self, name: str, page: str) -> Path:
        """Write a page (``model/2013-04-01/drift.html``), replacing an earlier one; where it is."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{uuid4().hex}")
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
        return target
