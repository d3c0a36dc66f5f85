"""Which parameters are tried before a model is trained."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mlops_assets.declaration.base import Declaration, Whole, refusal
from mlops_assets.declaration.metrics import Metric


class Search(Declaration):
    """Every combination of ``over`` is fitted on the days before each of ``folds`` blocks of days and measured on it.

    The training window is cut into one more block of days than there are folds, and of the days before a block
    only labels that were known when it begins are learned from. The best mean wins, of equals the first.
    over: parameter of the estimator -> the values it may have. at_most: of more combinations so many are drawn
        with the model's seed.
    """

    over: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]
    metric: Metric = "log_loss"
    folds: Annotated[Whole, Field(ge=2, le=20)] = 3
    at_most: Annotated[Whole, Field(ge=2, le=1000)] = 30

    @property
    def combinations(self) -> int:
        return math.prod(len(values) for values in self.over.values())

    @model_validator(mode="after")
    def _has_a_choice(self) -> Self:
        if self.combinations < 2:
            raise refusal(("over",), "expected two combinations of parameters or more, found one", self.over)
        for name, values in self.over.items():
            for index, value in enumerate(values):
                if value in values[:index]:
                    raise refusal(("over", name, index), f"{value!r} is listed twice", value)
        return self
