"""How far a replay of the past has come: its clock, and what was found on each day; files below the home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_assets.errors import BadEnvironment


@dataclass(frozen=True)
class ReplayedDay:
    """What became of one day. answers: version -> requests that it answered. refused: status of HTTP -> requests.

    milliseconds: of the service for an answer, the half and the 95% of the requests that took no longer. scores: their
    mean. drift: the severity of the look when the day was over, empty for none. grown: by how much the daily loss of
    days with known labels surely grew since the champion was evaluated; None where it cannot be told. decision: why a
    challenger was asked for, or was not. verdict: of its gate, empty without one. champion: the version that reigns
    after it. seconds: that it took. tried: what was seen of a version beside the champion, in sentences.
    """

    day: str
    answers: dict[int, int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    milliseconds: tuple[float, float] | None = None
    scores: float | None = None
    drift: str = ""
    grown: float | None = None
    decision: str = ""
    verdict: str = ""
    champion: int = 0
    seconds: float = 0.0
    tried: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        return sum(self.answers.values())


@dataclass(frozen=True)
class Replays:
    """One replay of a model. Every file is replaced whole, so that who is killed leaves none half written."""

    folder: Path

    @classmethod
    def below(cls, home: Path, model: str) -> Replays:
        """That of a model; made if need be."""
        folder = home / "live" / model
        try:
            (folder / "days").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadEnvironment(f"{folder} cannot be made: {error}") from error
        return cls(folder)

    @property
    def clock(self) -> Path:
        """The file that a service reads what time it is from."""
        return self.folder / "clock"

    def now(self) -> datetime | None:
        """What the clock shows; None before it was ever set."""
        try:
            return datetime.fromisoformat(self.clock.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def set_clock(self, moment: datetime) -> None:
        """Let it be this moment, unless it was later already."""
        before = self.now()
        if before is None or before < moment:
            _replace(self.clock, moment.isoformat())

    def keep(self, found: ReplayedDay) -> None:
        """Write down that a day is done."""
        _replace(self.folder / "days" / f"{found.day}.json", json.dumps(asdict(found), indent=1))

    def days(self) -> list[ReplayedDay]:
        """Those that are done, in their order."""
        paths = sorted((self.folder / "days").glob("*.json"))
        return [_read(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def _read(said: dict[str, Any]) -> ReplayedDay:
    """As it was kept; JSON has no numbers as names, and no tuples."""
    counted = {
        name: {int(one): count for one, count in said[name].items()} for name in ("answers", "refused")
    }
    took, tried = said["milliseconds"], tuple(said.get("tried", ()))
    return ReplayedDay(**{**said, **counted, "tried": tried, "milliseconds": took and (took[0], took[1])})


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
