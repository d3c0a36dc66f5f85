"""What is fitted: a classifier of scikit-learn, or one that a function of your own puts together."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Whole, refusal
from mlops_assets.declaration.importable import import_problem
from mlops_assets.errors import nearest_only

# What a declaration may name as an estimator. Anything importable would be a way to run anything.
ESTIMATOR_PREFIXES = ("sklearn.",)
DOTTED = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"


class Calibration(Declaration):
    """A map from scores to probabilities, learned on ``folds`` blocks of time that a fit on the others has scored.

    method: ``isotonic``, ``sigmoid`` (Platt 1999) or ``temperature`` (Guo et al. 2017).
    """

    method: Literal["isotonic", "sigmoid", "temperature"]
    folds: Annotated[Whole, Field(ge=2, le=20)] = 5


class Estimator(Declaration):
    """A scikit-learn classifier by its import path, and how columns are prepared for it.

    path: the class. function: instead of it, the dotted path of a function of your own that takes ``seed`` and
        the parameters by name and returns an unfitted classifier made of scikit-learn's parts.
    parameters: as the class or function takes them; classes are weighted by its ``class_weight``.
    categories: ``ordinal`` codes (unseen and missing become missing) or ``one_hot``.
    numbers: ``as_is`` keeps missing values for estimators that take them; ``standardized``
        fills the median and scales.
    calibration: by default its own probabilities are taken as they are.
    """

    path: Annotated[str, Field(pattern=DOTTED)] | None = None
    function: Annotated[str, Field(pattern=DOTTED)] | None = None
    parameters: dict[str, Any] = {}
    categories: Literal["ordinal", "one_hot"] = "ordinal"
    numbers: Literal["as_is", "standardized"] = "as_is"
    calibration: Calibration | None = None

    @property
    def made_by(self) -> str:
        """The dotted path of the class or function."""
        return self.path or self.function or ""

    @property
    def own_code(self) -> tuple[str, ...]:
        """The modules of yours that decide what is fitted."""
        return () if self.function is None else (self.function.rpartition(".")[0],)

    def with_parameters(self, parameters: dict[str, Any]) -> Estimator:
        """The same with some parameters set otherwise."""
        return self.model_copy(update={"parameters": {**self.parameters, **parameters}})

    @field_validator("path")
    @classmethod
    def _is_allowed(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(ESTIMATOR_PREFIXES):
            allowed = " or ".join(f"{prefix}…" for prefix in ESTIMATOR_PREFIXES)
            close = nearest_only(value.split(".")[0], (prefix.rstrip(".") for prefix in ESTIMATOR_PREFIXES))
            expected = f"found {value!r}, expected the import path of an estimator in {allowed}"
            raise ValueError(f"{expected}. {close}" if close else expected)
        problem = import_problem(value)
        if problem is not None:
            raise ValueError(f"found {value!r}, expected the import path of an estimator: {problem}")
        return value

    @field_validator("function")
    @classmethod
    def _is_there(cls, value: str | None) -> str | None:
        problem = import_problem(value) if value is not None else None
        if problem is not None:
            raise ValueError(f"found {value!r}, expected the path of a function: {problem}")
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.path is None) == (self.function is None):
            found = "neither" if self.path is None else "both"
            raise refusal(("path",), f"expected a path or a function, found {found}", self.path)
        return self
