"""What a column is computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class SourceColumn:
    """A column of a table."""

    table: str
    column: str


@dataclass(frozen=True)
class Derivation:
    """The columns that the values of one column are computed from.

    why: when there are none, why: that it is a constant, or what keeps them from being known.
    """

    columns: frozenset[SourceColumn] = frozenset()
    why: str = ""

    @classmethod
    def of(cls, *columns: SourceColumn) -> Derivation:
        return cls(frozenset(columns))

    @property
    def is_unknown(self) -> bool:
        """Whether it could not be told; a constant is known to come from no column."""
        return self.why.startswith(UNKNOWN)


UNKNOWN = "unknown: "
CONSTANT = Derivation(why="a constant")


def unknown(reason: str) -> Derivation:
    """A derivation that cannot be told, and why."""
    return Derivation(why=f"{UNKNOWN}{reason}")


def together(parts: Iterable[Derivation]) -> Derivation:
    """What a value computed from all of these is computed from; unknown when one of them is."""
    columns: frozenset[SourceColumn] = frozenset()
    why = CONSTANT.why
    for part in parts:
        if part.is_unknown:
            return part
        columns |= part.columns
        if part.why and part != CONSTANT:
            why = part.why
    return Derivation(columns, "" if columns else why)
