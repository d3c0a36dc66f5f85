"""What a check said about exactly one content of one partition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One answer of one check.

    blocking: nothing may be built on the partition when it failed. error: a failure is an error and
    not a warning, also where it blocks nothing.
    """

    check: str
    passed: bool
    reason: str
    blocking: bool = False
    error: bool = False
