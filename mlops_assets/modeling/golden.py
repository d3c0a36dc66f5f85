"""Rows with what a version answered when it was made: where it is served it must answer them so again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlops_assets.errors import ArtifactMismatch
from mlops_assets.modeling.inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

    from mlops_assets.modeling.frames import Scores

GOLDEN = "golden.json"
ROWS = 32
# Sums of floats in another order, on another processor.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Golden:
    """rows: prepared inputs, missing ones None; probabilities: of each row.

    reference: a row in the middle of all that it learned from: medians of numbers, and of text what is most frequent.
    """

    rows: list[Mapping[str, str | float | None]]
    probabilities: list[float]
    reference: Mapping[str, str | float | None]

    @classmethod
    def made(cls, model: Any, inputs: Inputs, rows: pd.DataFrame, *, seed: int) -> Self:
        """So many of the rows that a model learned from."""
        # Who reads golden rows needs none of these.
        from mlops_assets.modeling.behaviour import sample
        from mlops_assets.modeling.frames import frame, probabilities

        prepared = frame(rows, inputs)
        chosen = sample(prepared, seed=seed, most=ROWS)
        return cls(
            [_told(row) for row in chosen.to_dict("records")],
            probabilities(model, chosen).tolist(),
            _told({column: _middle(prepared[column]) for column in inputs.columns}),
        )

    def to_files(self) -> dict[str, bytes]:
        """As files of a model."""
        return {GOLDEN: json.dumps(asdict(self), indent=2).encode()}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """What the files of a model hold. Raises ArtifactMismatch when they hold no such rows."""
        if GOLDEN not in files:
            raise ArtifactMismatch("the files of this model hold no rows to try it with: train it again")
        return cls(**json.loads(files[GOLDEN]))

    def largest_difference(self, scores: Callable[[Sequence[Mapping[str, Any]]], Scores]) -> float:
        """By how much something answers otherwise than the model did when it was made."""
        return float(np.max(np.abs(scores(self.rows) - np.array(self.probabilities)), initial=0.0))


def _middle(values: pd.Series[Any]) -> Any:
    if values.dtype == object:
        return next(iter(values.mode()), None)
    return values.median()


def _told(row: Mapping[Any, Any]) -> dict[str, str | float | None]:
    import pandas as pd

    return {str(column): None if pd.isna(value) else value for column, value in row.items()}
