"""What a model promises to those who call it, and what it needs where it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.declaration.base import Declaration, Number, Whole

# What answers later is no answer; nor would anybody be told, for a longer time is not measured.
LONGEST_MS = 60_000.0


class Objectives(Declaration):
    """What the prediction service keeps to. error_rate: the share of requests it may fail."""

    p95_ms: Annotated[Number, Field(gt=0, lt=LONGEST_MS)] = 500.0
    error_rate: Annotated[Number, Field(ge=0, lt=1)] = 0.01


class Resources(Declaration):
    """What one instance of the service needs: memory in MiB, processor in thousandths of a core."""

    memory_mb: Annotated[Whole, Field(ge=1)] = 512
    cpu_millicores: Annotated[Whole, Field(ge=1)] = 500


class Terms(Declaration):
    """The declared part of a model's contract.

    edition: counts the breaking changes. A model that breaks the champion's contract is released only
        in a later edition: then those who call it have been asked.
    prediction_log: whether a prediction that cannot be written down is refused, or answered and counted.
    """

    edition: Annotated[Whole, Field(ge=1)] = 1
    objectives: Objectives = Objectives()
    resources: Resources = Resources()
    prediction_log: Literal["required", "wanted"] = "required"
