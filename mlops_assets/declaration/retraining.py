"""When there is reason to train a challenger."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Flag, Number, TimeZone, Whole, refusal

Days = Annotated[Whole, Field(ge=1, le=3650)]
# The characters of a cron expression; whether its numbers are moments Dagster tells when definitions load.
_CRON = re.compile(r"[0-9A-Za-z*,/\- ]+")
DriftOf = Literal["inputs", "scores", "labels"]
DRIFTS: tuple[DriftOf, ...] = ("inputs", "scores", "labels")
_HOUR_AND_MINUTE = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _as_on_a_clock(value: Any) -> Any:
    """Hours and minutes, and nothing else that could be taken for a time."""
    if isinstance(value, time) or (isinstance(value, str) and _HOUR_AND_MINUTE.fullmatch(value)):
        return value
    # YAML reads 22:00 as the number 1320, which would be 22 minutes past midnight.
    raise ValueError(f"found {value!r}, expected hours and minutes in quotes, such as '22:00' or '06:30'")


ClockTime = Annotated[time, BeforeValidator(_as_on_a_clock)]


class QuietHours(Declaration):
    """Hours of the day in which no training is launched; what is asked for meanwhile waits, and nothing of it is lost.

    begin, end: as ``"22:00"`` and ``"06:00"``, in quotes; an end that is not after its begin is on the next day.
    """

    begin: ClockTime
    end: ClockTime
    timezone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _leave_hours(self) -> Self:
        if self.begin == self.end:
            message = (
                f"quiet hours from {self.begin:%H:%M} to {self.end:%H:%M} leave no hour; expected two times"
            )
            raise refusal(("end",), message, str(self.end))
        return self

    def hold(self, moment: datetime) -> bool:
        """Whether a moment (with its time zone) is in them."""
        now = moment.astimezone(ZoneInfo(self.timezone)).time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


class Verification(Declaration):
    """How a release is looked at again, on days that nobody knew when it was released.

    after_days: at so many days with known labels it is compared with the version that reigned before; at the
        last of them it is kept for good.
    confidence: a version that is no worse is taken back with a probability of at most one less this, all looks
        together.
    rollback: whether the version before reigns again at once when the new one surely loses more; else it is told.
    """

    after_days: tuple[Annotated[Whole, Field(ge=3, le=3650)], ...] = Field((14, 21, 28), min_length=1)
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95
    rollback: Flag = True

    @field_validator("after_days")
    @classmethod
    def _in_order(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"found {list(value)}, expected days from the fewest to the most, each once")
        return value


class Retraining(Declaration):
    """Each trigger is a reason by itself; without any, only people ask for a training.

    The defaults train at most once a quarter where nothing changes. Where the world is known to change, an age is the
    better trigger: what a fresh model would gain shows in fresh models only.

    drift: the newest window moved at this severity or a worse one.
    drift_of: what counts as having moved. Without ``inputs`` an input counts by its weight in the model, since one
        that the model hardly uses cannot move its scores.
    decay: the champion's loss on the newest mature days (``label.mature_at``) surely grew by more than this since
        it was evaluated, in nats of log loss.
    new_labels: so many labels that were not known when the champion was made, of the days before the as-of date that
        a training would see.
    age_days: so long after the last training, whatever the others say.
    schedule: a clock that asks whatever the others say, as a cron expression in ``UTC``, as ``0 6 1 * *``.
    looks, of_looks: drift or decay must have been said at so many of the newest looks.
    cool_down_days: after a training nothing that looks or restated days tell is a reason for so long; times
        ``back_off`` for each training in a row, the newest among them, whose model was not promoted, but no longer
        than a quarter. So what gives a false
        reason again and again costs a training a quarter; with 1 every wait is the same.
    a_month: so many trainings in thirty days, after which such a reason waits too. Neither holds back what people
        decide: a person's word, a clock, a changed definition.
    changed: the features or the label of the champion mean something else by now.
    restated: days that the champion was trained on hold other rows by now, also when labels came late; where these
        land by writing their days again, ``new_labels`` is the trigger to declare.
    quiet_hours: when no training is launched.
    verification: how what was released is looked at again.
    """

    drift: Literal["warn", "error"] | None = "error"
    drift_of: tuple[DriftOf, ...] = Field(DRIFTS, min_length=1)
    decay: Annotated[Number, Field(ge=0)] | None = 0.0
    new_labels: Annotated[Whole, Field(ge=1)] | None = None
    age_days: Days | None = None
    schedule: str | None = None
    looks: Annotated[Whole, Field(ge=1, le=30)] = 1
    of_looks: Annotated[Whole, Field(ge=1, le=30)] = 1
    cool_down_days: Annotated[Whole, Field(ge=0, le=3650)] = 7
    back_off: Annotated[Number, Field(ge=1, le=100)] = 14.0
    a_month: Annotated[Whole, Field(ge=1, le=1000)] = 4
    changed: Flag = True
    restated: Flag = False
    quiet_hours: QuietHours | None = None
    verification: Verification = Verification()

    @field_validator("schedule")
    @classmethod
    def _is_a_clock(cls, value: str | None) -> str | None:
        # Five fields as cron has them, and no name such as @daily, which says less.
        if value is not None and (len(value.split()) != 5 or not _CRON.fullmatch(value)):
            raise ValueError(
                f"found {value!r}, expected minute, hour, day of the month, month and day of the week, as '0 6 1 * *'"
            )
        return value

    @model_validator(mode="after")
    def _so_many_can_say_so(self) -> Self:
        if self.looks > self.of_looks:
            message = (
                f"{self.looks} of the newest {self.of_looks} looks cannot say so; expected of_looks or fewer"
            )
            raise refusal(("looks",), message, self.looks)
        return self
