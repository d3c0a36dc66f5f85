"""How a model's service is watched once it answers, and how another version comes to answer.

What it promises in time and errors its contract says.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from mlops_assets.declaration.base import Declaration, Duration, Number, Whole

# Who answers more of the requests than these is no canary.
MOST_SHARE = 0.5
Share = Annotated[Number, Field(ge=0, le=1)]


class Canary(Declaration):
    """A version that is released answers a part of the requests first, and reigns once these say that it may.

    share: of the requests. at_least: of its own, and lasts: since it began, before it may reign. apart: it is stopped
        when its scores surely lie further from the champion's, as a Jensen-Shannon divergence in bits.
    """

    share: Annotated[Number, Field(gt=0, le=MOST_SHARE)] = 0.1
    at_least: Annotated[Whole, Field(ge=1)] = 1000
    lasts: Duration = timedelta(0)
    apart: Share = 0.15


class Serving(Declaration):
    """Limits of the report on a day of answers, and what comes before a released version reigns.

    class_shift: the Jensen-Shannon divergence, in bits, between the classes that were answered within an hour and
        those that the version answered when it was evaluated.
    differing: the share of a feature's served values that may be others than what was known offline.
    requests_at_least: of a minute whose latency, and of an hour whose errors are judged. rows_at_least: of an hour
        whose classes are; with fewer nothing is said.
    canary: without one a released version reigns at once, as it does where no service answers.
    """

    class_shift: Share = 0.15
    differing: Share = 0.01
    requests_at_least: Annotated[Whole, Field(ge=1)] = 20
    rows_at_least: Annotated[Whole, Field(ge=1)] = 50
    canary: Canary | None = None
