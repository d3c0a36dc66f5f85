"""Is there reason to train a challenger? A pure answer, with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from mlops_assets.declaration.retraining import Retraining

SEVERITIES = {"warn": 1, "error": 2}
# Days of the month that trainings are counted in.
MONTH = timedelta(days=30)
# The longest that a wait may grow to, in days: a quarter.
LONGEST = 92.0


@dataclass(frozen=True)
class Seen:
    """What one look at a champion saw. drift: the severity, None when nothing surely moved or too little is known.

    grown: by how much its daily loss grew at least, with confidence; None when labels do not tell. new_labels: how
    many became known since it was made.
    """

    as_of: str
    drift: str | None = None
    grown: float | None = None
    new_labels: int = 0


@dataclass(frozen=True)
class Asked:
    """Whether to train, and why or why not."""

    train: bool
    sentence: str


class Trigger(Protocol):
    """What is asked at an as-of date."""

    def __call__(self, as_of: str, seen: Sequence[Seen], trained: Sequence[str], held: int = 0) -> Asked:
        """seen: the looks at this champion up to the date, oldest first. trained: the dates of earlier trainings.

        held: how many of them came after the champion, which therefore reigns still.
        """


def declared(retraining: Retraining) -> Trigger:
    """The declared reasons, each with its patience, and what holds them back."""

    def trigger(as_of: str, seen: Sequence[Seen], trained: Sequence[str], held: int = 0) -> Asked:
        but = held_back(retraining, as_of, trained, held)
        reasons = list(_reasons(retraining, as_of, seen, trained))
        if not reasons:
            return Asked(False, "nothing gives a reason")
        said = "; ".join(reasons)
        return Asked(False, f"{said}, but {but}") if but else Asked(True, said)

    return trigger


def held_back(retraining: Retraining, as_of: str, trained: Sequence[str], held: int) -> str | None:
    """Why a reason that the platform found must wait, by the cool-down or the budget; None when it need not.

    trained, held: as a trigger is told them.
    """
    age = _age(as_of, trained)
    if age < (waited := _waited(retraining, held)):
        after = f" after {held} in a row that were not promoted" if held and retraining.back_off > 1 else ""
        return f"{_old(age)}, and {waited:g} are waited{after}"
    since = (date.fromisoformat(as_of) - MONTH).isoformat()
    newest = sum(one > since for one in trained)
    if newest >= retraining.a_month:
        return f"{newest} trainings in thirty days are the most that are allowed"
    return None


def every(days: int) -> Trigger:
    """A clock: so many days after the last training."""

    def trigger(as_of: str, seen: Sequence[Seen], trained: Sequence[str], held: int = 0) -> Asked:
        age = _age(as_of, trained)
        return Asked(age >= days, _old(age))

    return trigger


def never(as_of: str, seen: Sequence[Seen], trained: Sequence[str], held: int = 0) -> Asked:
    """The first model stays."""
    return Asked(False, "nothing is ever a reason")


def on_drift(as_of: str, seen: Sequence[Seen], trained: Sequence[str], held: int = 0) -> Asked:
    """Whatever severity of drift the newest look tells, as many articles have it."""
    drifted = bool(seen) and seen[-1].drift is not None
    return Asked(drifted, "the newest window drifted" if drifted else "the newest window did not drift")


def _reasons(retraining: Retraining, as_of: str, seen: Sequence[Seen], trained: Sequence[str]) -> list[str]:
    newest, found = seen[-retraining.of_looks :], []
    asked = (
        f"{retraining.looks} of {retraining.of_looks} looks" if retraining.of_looks > 1 else "the newest look"
    )
    if retraining.drift is not None:
        least = SEVERITIES[retraining.drift]
        if sum(SEVERITIES.get(one.drift or "", 0) >= least for one in newest) >= retraining.looks:
            found.append(f"drift ({retraining.drift}) in {asked}")
    if retraining.decay is not None:
        limit = retraining.decay
        if sum(one.grown is not None and one.grown > limit for one in newest) >= retraining.looks:
            found.append(f"the loss surely grew by more than {limit:g} in {asked}")
    if retraining.new_labels is not None and seen and seen[-1].new_labels >= retraining.new_labels:
        found.append(f"{seen[-1].new_labels} labels became known since the champion was made")
    age = _age(as_of, trained)
    if retraining.age_days is not None and age >= retraining.age_days:
        found.append(_old(age))
    return found


def _waited(retraining: Retraining, held: int) -> float:
    # Beyond so many in a row any wait that grows has reached its longest.
    grown = retraining.cool_down_days * retraining.back_off ** min(held, 64)
    return max(retraining.cool_down_days, min(LONGEST, grown))


def _age(as_of: str, trained: Sequence[str]) -> int:
    return (date.fromisoformat(as_of) - date.fromisoformat(max(trained))).days


def _old(age: int) -> str:
    return f"the last training is {age} {'day' if age == 1 else 'days'} old"
