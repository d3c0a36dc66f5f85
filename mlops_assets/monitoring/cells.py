"""The cells into which the values of a column are counted: fixed by the reference, kept for every batch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "category"]
Role: TypeAlias = Literal["feature", "score", "label"]

# Cells of a numeric column hold about 1/128 of the reference each.
QUANTILES = 128
# Categories beyond the most frequent ones are counted together, as others.
CATEGORIES = 30


@dataclass(frozen=True)
class Watched:
    """A column that is watched. Booleans are categories; so are integers that only name things."""

    name: str
    kind: Kind
    role: Role = "feature"


@dataclass(frozen=True)
class Edges:
    """Right-closed numeric cells: up to the first edge, between edges, above the last.

    edges: finite and strictly increasing; none when the reference held no finite number, and
        then one cell holds every number.
    """

    edges: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.edges) + 1


@dataclass(frozen=True)
class Categories:
    """A cell for each of the reference's frequent categories, and a last one for all others."""

    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values) + 1


Cells: TypeAlias = Edges | Categories


def edges_from(quantiles: Sequence[float]) -> Edges:
    """Edges at the distinct ``quantiles`` (ascending, from the minimum to the maximum).

    A value that fills more than one quantile gets a cell of its own, so that the distribution
    function is known on both sides of its jump: binned Kolmogorov-Smirnov then misses nothing
    of it. The first cell holds what lies below the minimum.

    >>> edges_from([1.0, 2.0, 3.0]).edges == (math.nextafter(1.0, 0), 1.0, 2.0, 3.0)
    True
    >>> edges_from([0.0, 0.0, 0.0]).edges == (math.nextafter(0.0, -1), 0.0)
    True
    """
    edges: set[float] = set()
    for position, value in enumerate(quantiles):
        if position == 0 or quantiles[position - 1] == value:
            edges.add(math.nextafter(value, -math.inf))
        edges.add(value)
    return Edges(tuple(sorted(edge for edge in edges if math.isfinite(edge))))


def categories_from(counts: Mapping[str, int], most: int = CATEGORIES) -> Categories:
    """The ``most`` frequent categories, most frequent first, equals by name.

    >>> categories_from({"b": 1, "a": 1, "c": 5}, most=2).values
    ('c', 'a')
    """
    ranked = sorted(Counter(counts).items(), key=lambda item: (-item[1], item[0]))
    return Categories(tuple(value for value, _ in ranked[:most]))
