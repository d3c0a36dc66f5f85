"""What a check said about exactly one content of one partition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One answer of one check. blocking: nothing may be built on the partition when it failed."""

    check: str
    passed: bool
    reason: str
    blocking: bool = False


def refusals(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts that forbid using what they speak about.

    >>> refusals([Verdict("types", False, "3 rows"), Verdict("schema", False, "no key", blocking=True)])
    (Verdict(check='schema', passed=False, reason='no key', blocking=True),)
    """
    return tuple(verdict for verdict in verdicts if verdict.blocking and not verdict.passed)
