"""When there is reason to train a challenger."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.declaration.base import Declaration, Number, Whole, refusal

Days = Annotated[Whole, Field(ge=1, le=3650)]


class Retraining(Declaration):
    """Each trigger is a reason by itself; without any, only people ask for a training.

    The defaults train at most once a quarter where nothing changes. Where the world is known to change, an age is the
    better trigger: what a fresh model would gain shows in fresh models only.

    drift: the inputs, scores or labels of the newest window moved at this severity or a worse one.
    decay: the champion's loss on newest days with known labels surely grew by more than this since it was
        evaluated, in nats of log loss.
    age_days: so long after the last training, whatever the others say.
    looks, of_looks: drift or decay must have been said at so many of the newest looks.
    cool_down_days: after a training nothing is a reason for so long; times ``back_off`` for each training in a row,
        the newest among them, whose model was not promoted, but no longer than a quarter. So what gives a false
        reason again and again costs a training a quarter; with 1 every wait is the same.
    a_month: so many trainings in thirty days at most.
    """

    drift: Literal["warn", "error"] | None = "error"
    decay: Annotated[Number, Field(ge=0)] | None = 0.0
    age_days: Days | None = None
    looks: Annotated[Whole, Field(ge=1, le=30)] = 1
    of_looks: Annotated[Whole, Field(ge=1, le=30)] = 1
    cool_down_days: Annotated[Whole, Field(ge=0, le=3650)] = 7
    back_off: Annotated[Number, Field(ge=1, le=100)] = 14.0
    a_month: Annotated[Whole, Field(ge=1, le=1000)] = 4

    @model_validator(mode="after")
    def _so_many_can_say_so(self) -> Self:
        if self.looks > self.of_looks:
            message = (
                f"{self.looks} of the newest {self.of_looks} looks cannot say so; expected of_looks or fewer"
            )
            raise refusal(("looks",), message, self.looks)
        return self
