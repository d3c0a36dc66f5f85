"""How a model's service is watched once it answers; what it promises in time and errors its contract says."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops_assets.declaration.base import Declaration, Number, Whole

Share = Annotated[Number, Field(ge=0, le=1)]


class Serving(Declaration):
    """Limits of the report on a day of answers.

    class_shift: the Jensen-Shannon divergence, in bits, between the classes that were answered within an hour and
        those that the version answered when it was evaluated.
    differing: the share of a feature's served values that may be others than what was known offline.
    requests_at_least: of a minute whose latency, and of an hour whose errors are judged. rows_at_least: of an hour
        whose classes are; with fewer nothing is said.
    """

    class_shift: Share = 0.15
    differing: Share = 0.01
    requests_at_least: Annotated[Whole, Field(ge=1)] = 20
    rows_at_least: Annotated[Whole, Field(ge=1)] = 50
