"""How a model's inputs, scores and labels are watched once it reigns."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Name, Number, Whole, refusal
from mlops_assets.declaration.importable import import_problem

CALIBRATED = "calibrated"
Share = Annotated[Number, Field(gt=0, lt=1)]


class Season(Declaration):
    """Compare with earlier windows instead of the training data: ``periods`` of them, ``every_days`` apart.

    With ``every_days: 7`` and a window of one day, a Monday is compared with the Mondays before it.
    """

    every_days: Annotated[Whole, Field(ge=1, le=366)]
    periods: Annotated[Whole, Field(ge=1, le=52)] = 4


class DriftLimits(Declaration):
    """Limits of the ``calibrated`` policy; a warning may not ask for more than an error.

    warn_at, error_at: the share of rows that surely moved. missing_warn_at, missing_error_at: by how
    much the share of missing values surely changed. unseen_warn_at: the share of rows with values that
    the model never saw. columns: column -> its own ``warn_at``.
    rows_at_least: with fewer rows the answer is "not enough data".
    """

    warn_at: Share = 0.03
    error_at: Share = 0.075
    missing_warn_at: Share = 0.01
    missing_error_at: Share = 0.03
    unseen_warn_at: Share = 0.05
    columns: dict[Name, Share] = {}
    rows_at_least: Annotated[Whole, Field(ge=30)] = 500

    @model_validator(mode="after")
    def _warn_before_they_fail(self) -> Self:
        for warn, error in (("warn_at", "error_at"), ("missing_warn_at", "missing_error_at")):
            lower, upper = getattr(self, warn), getattr(self, error)
            if lower > upper:
                said = warn if warn in self.model_fields_set else error
                message = (
                    f"{warn} is {lower:g} and {error} is {upper:g}: expected {warn} to be at most {error}"
                )
                raise refusal((said,), message, getattr(self, said))
        for column, lower in self.columns.items():
            if lower > self.error_at:
                message = f"found {lower:g}, expected at most error_at, which is {self.error_at:g}"
                raise refusal(("columns", column), message, lower)
        return self


class Drift(Declaration):
    """One batch is the ``window_days`` before an as-of date, as the champion of that time saw them.

    policy: ``calibrated``, ``article`` (its literal rules), or the dotted path of a function of your
        own that takes the reference profile, the batch's, and earlier reports, and returns a report.
    season: what to compare with; by default the rows the champion was trained on.
    """

    policy: Annotated[
        str, Field(pattern=r"^(calibrated|article|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+)$")
    ] = CALIBRATED
    window_days: Annotated[Whole, Field(ge=1, le=366)] = 7
    season: Season | None = None
    limits: DriftLimits = DriftLimits()

    @field_validator("policy")
    @classmethod
    def _is_there(cls, value: str) -> str:
        problem = import_problem(value) if "." in value else None
        if problem is not None:
            raise ValueError(f"found {value!r}, expected the path of a function: {problem}")
        return value

    @model_validator(mode="after")
    def _windows_lie_apart(self) -> Self:
        if self.season is not None and self.season.every_days < self.window_days:
            found = f"windows of {self.window_days} days, {self.season.every_days} days apart, overlap"
            raise refusal(
                ("season", "every_days"),
                f"{found}: a batch would be compared with itself; expected {self.window_days} or more",
                self.season.every_days,
            )
        return self

    @model_validator(mode="after")
    def _only_calibrated_has_limits(self) -> Self:
        if self.policy != CALIBRATED and self.limits != DriftLimits():
            raise refusal(("limits",), f"only the policy 'calibrated' has limits, found {self.policy!r}", "")
        return self

    @property
    def days(self) -> int:
        """How many days before the as-of date are read."""
        if self.season is None:
            return self.window_days
        return self.season.every_days * self.season.periods + self.window_days
