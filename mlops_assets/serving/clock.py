"""What time it is for a service: the true time, unless days of the past are replayed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from mlops_assets.errors import BadEnvironment

# Answers with this moment, in UTC.
Clock: TypeAlias = Callable[[], datetime]


def true_time() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def begun_at(moment: datetime) -> Clock:
    """A clock that shows a moment now (without a zone: UTC), and goes on as fast as time does."""
    ahead = _with_zone(moment) - true_time()
    return lambda: true_time() + ahead


def told_by(path: Path) -> Clock:
    """A clock that somebody else moves: it shows what a file says, in ISO 8601.

    Who moves it replaces the file whole. Raises BadEnvironment when it says no moment now.
    """

    def clock() -> datetime:
        return _with_zone(datetime.fromisoformat(path.read_text(encoding="utf-8").strip()))

    try:
        clock()
    except (OSError, ValueError) as error:
        raise BadEnvironment(f"the clock {path} does not say what time it is: {error}") from error
    return clock


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
