"""What else is measured of a model than its metrics, and what of that may hold a release."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.declaration.base import Declaration, Name, Number, Whole, refusal

Direction = Literal["increasing", "decreasing"]
Share = Annotated[Number, Field(ge=0, le=1)]
Threshold = Annotated[Number, Field(gt=0, lt=1)]


class Evaluation(Declaration):
    """What the evaluation report looks at. Columns are inputs of the model, or others of the label's table.

    slices: columns by whose values the rows are cut; numbers of many values by their quartiles.
    groups: columns whose values must be treated alike: shares selected, and selected of those that are positive.
    threshold: a row is selected when its probability is this or more.
    at_least_rows: smaller slices and groups are listed, and nothing is said of them.
    invariances: input -> by how much a probability may change when the input takes another row's value.
    directions: input that is a number -> which way the probability may go when it grows.
    """

    slices: tuple[Name, ...] = ()
    groups: tuple[Name, ...] = ()
    threshold: Threshold = 0.5
    at_least_rows: Annotated[Whole, Field(ge=2)] = 100
    invariances: dict[Name, Share] = {}
    directions: dict[Name, Direction] = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for field in ("slices", "groups"):
            named = getattr(self, field)
            for index, name in enumerate(named):
                if name in named[:index]:
                    raise refusal((field, index), f"column {name!r} is listed twice", name)
        return self


class SliceGate(Declaration):
    """In no slice may the model be surely worse than the baseline or the champion by more than ``margin``.

    Compared day by day within the slice; with many slices each must be surer (Holm 1979), so that a model that is
    worse in none is held with a probability of at most one less ``confidence``.
    """

    against: Literal["baseline", "champion"] = "baseline"
    metric: Literal["log_loss", "brier"] = "log_loss"
    margin: Annotated[Number, Field(ge=0)] = 0.0
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95


class StabilityGate(Declaration):
    """How much the answers may differ from the champion's on the same rows.

    churn_at_most: the share of rows of which the selection changes. jensen_shannon_at_most: the distance of the
    two distributions of probabilities (base 2, the root of the divergence), from 0 to 1.
    """

    churn_at_most: Share = 1.0
    jensen_shannon_at_most: Share = 1.0


class FairnessGate(Declaration):
    """Of every declared group column, whether its values are surely not treated alike.

    selection_ratio_at_least: the smallest share selected over the greatest (four fifths: EEOC 1978).
    opportunity_gap_at_most: the greatest less the smallest share selected of positives (Hardt et al. 2016).
    A limit holds a release when the whole 95% interval of the figure is beyond it; where there is none (fewer than
    seven days, or too few rows in all groups but one) the answer is "not enough data". The interval holds for all
    pairs of groups at once, so that many small groups do not look unlike each other by chance.
    """

    selection_ratio_at_least: Share = 0.0
    opportunity_gap_at_most: Share = 1.0


class BehaviourGate(Declaration):
    """Of each declared invariance and direction at most this share of the rows tried may go against it."""

    violations_at_most: Share = 0.0
