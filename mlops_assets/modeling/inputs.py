"""The columns that a model takes. Light to import: who answers with a model need not have scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """The model's input columns in order, by how they are prepared."""

    categories: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        return [*self.categories, *self.numbers]

    def without(self, dropped: Sequence[str]) -> Inputs:
        return Inputs(
            tuple(column for column in self.categories if column not in dropped),
            tuple(column for column in self.numbers if column not in dropped),
        )
