"""What the proof that nothing leaks found, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from mlops_assets.data.legible import in_markdown
from mlops_assets.governance.verdicts import Verdict

NO_LEAK = "no_leak"
CHECKS = {
    NO_LEAK: "No cell holds what could not be known when it was asked: the world is cut at moments of the "
    "window and computed again, rows are planted in its future, each cell is traced to when it was "
    "known, and labels are held against the start of evaluation."
}
# cut: other in the world as it stood. canary: other when the future is. knowledge: a cell that was
# not the newest known and alive. label: known too late, used twice, or given away.
Test = Literal["cut", "canary", "knowledge", "label"]


@dataclass(frozen=True)
class Leak:
    """What one test found in one place. where: ``view.feature``, a view, or a column. rows: how many, of those seen."""

    test: Test
    where: str
    rows: int
    reason: str


def verdict(leaks: Sequence[Leak], looked_at: str) -> Verdict:
    """Blocking. looked_at: what a passing sentence tells."""
    if not leaks:
        return Verdict(NO_LEAK, True, f"nothing leaks: {looked_at}", blocking=True)
    first = leaks[0]
    places = list(dict.fromkeys(leak.where for leak in leaks))
    others = f"; also {', '.join(places[1:6])}{' …' if len(places) > 6 else ''}" if places[1:] else ""
    return Verdict(
        NO_LEAK, False, f"{first.where} ({first.rows:,} rows): {first.reason}{others}", blocking=True
    )


def could_not_run(reason: str) -> Verdict:
    """A proof that cannot be made is none."""
    return Verdict(NO_LEAK, False, f"could not run: {reason}", blocking=True)


def table(leaks: Sequence[Leak]) -> str:
    """Markdown: every leak."""
    if not leaks:
        return "Nothing leaks."
    lines = [f"| {one.test} | {one.where} | {one.rows:,} | {in_markdown(one.reason)} |" for one in leaks]
    return "\n".join(["| test | where | rows | |", "|---|---|--:|---|", *lines])


def told(value: Any) -> str:
    """A value, or the columns that name a row, as people read them; moments are UTC.

    >>> told({"customer": 7, "event_time": datetime(2024, 3, 1, 12, tzinfo=UTC)})
    'customer=7, event_time=2024-03-01 12:00:00Z'
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={told(one)}" for key, one in value.items())
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ") + "Z"
    return str(value)
