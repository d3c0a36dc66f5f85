"""What a gate may answer, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal["promote", "hold", "not enough data"]


@dataclass(frozen=True)
class Reason:
    """What one gate says. answer: ``promote`` when it has no objection."""

    gate: str
    answer: Answer
    sentence: str
