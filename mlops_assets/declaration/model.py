"""What a model is: what it predicts, from what, how, and what it must prove before it is released."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.base import Declaration, Duration, Flag, Name, Number, Owner, Whole, refusal
from mlops_assets.declaration.card import CardText
from mlops_assets.declaration.contract import Terms
from mlops_assets.declaration.drift import Drift
from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.evaluation import (
    BehaviourGate,
    Evaluation,
    FairnessGate,
    SliceGate,
    StabilityGate,
)
from mlops_assets.declaration.metrics import HIGHER_IS_BETTER, HIGHEST, Metric
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.declaration.retraining import Retraining
from mlops_assets.declaration.search import Search
from mlops_assets.declaration.serving import Serving
from mlops_assets.declaration.sql import Condition


class Label(Declaration):
    """What is predicted.

    table: the validated table whose rows are the events to predict; its key names a row.
    positive: a SQL condition over that table. Where it is null the row has no label: it is
        left out of training and evaluation, and counted.
    mature_at: what share of a day's labels must be expected to have arrived before anybody measures
        how a version does on that day; labels of one class may arrive sooner than those of the other.
    """

    table: Name
    positive: Condition
    mature_at: Annotated[Number, Field(gt=0, le=1)] = 0.99
    description: str = ""


class Window(Declaration):
    """The days before the as-of date: first those trained on, then those evaluated on.

    Day ``as_of - 1`` is the newest. Both parts hold only labels known by the as-of date, and
    training only labels known before evaluation begins.
    """

    train_days: Annotated[Whole, Field(ge=1, le=3650)]
    evaluate_days: Annotated[Whole, Field(ge=1, le=365)]

    @property
    def days(self) -> int:
        return self.train_days + self.evaluate_days


def _refuse_unbeatable(metric: str, margin: float) -> None:
    """Two values of a metric differ by no more than its range is wide."""
    if margin >= HIGHEST[metric]:
        message = f"found {margin:g}, expected less than {HIGHEST[metric]:g}: {metric} is {_range(metric)}"
        raise refusal(("margin",), message, margin)


def _range(metric: str) -> str:
    return "0 or more" if math.isinf(HIGHEST[metric]) else f"from 0 to {HIGHEST[metric]:g}"


class BaselineGate(Declaration):
    """The model must beat its simple baseline on ``metric`` by more than ``margin``."""

    metric: Metric = "log_loss"
    margin: Annotated[Number, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _can_be_beaten(self) -> Self:
        _refuse_unbeatable(self.metric, self.margin)
        return self


class ChampionGate(Declaration):
    """A challenger is promoted only if it beats the champion by more than ``margin``, surely.

    Compared on the same rows, day by day, since rows of one day are not independent: the lower
    bound of the mean daily improvement must be above ``margin``. With fewer than ``at_least_days``
    days the answer is "not enough data".
    metric: ``log_loss_within_days`` asks how well the rows of a day are told apart, once the level of the day is
        known: where whole days are good or bad for all rows, it is sure far sooner. Then the plain log loss must not
        be higher on those days either.
    confidence, per_days: of ``per_days`` as-of dates, however many of them are looked at, a challenger
        that is no better wins with a probability of at most one less ``confidence``; so each look is
        surer than that. One that is looked at once a month is asked for little more.
    pool_days: of so many days before the as-of date those count too on which earlier challengers of the same recipe
        were compared with this champion. A retrained model wins when retraining surely is better, and it is better
        itself on its own days, less surely. With 0 it stands alone.
    prefer: who reigns where neither is surely better. With ``challenger`` the newer one does, unless it lost as much
        or more on the days on which they were compared: for a world that is known to move, where waiting until it
        is sure costs more than models that are swapped for nothing. The promise above is not made then.
    replace_incomparable: whether a champion that answers another question (other features or label)
        may be replaced without a comparison; a decision to declare, and to take back.
    """

    metric: Literal["log_loss", "brier", "log_loss_within_days"] = "log_loss"
    margin: Annotated[Number, Field(ge=0)] = 0.0
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95
    per_days: Annotated[Whole, Field(ge=1, le=3650)] = 30
    at_least_days: Annotated[Whole, Field(ge=3)] = 7
    pool_days: Annotated[Whole, Field(ge=0, le=3650)] = 90
    prefer: Literal["champion", "challenger"] = "champion"
    replace_incomparable: Flag = False

    @model_validator(mode="after")
    def _can_be_beaten(self) -> Self:
        _refuse_unbeatable(self.metric, self.margin)
        return self


class Gates(Declaration):
    """What must hold before a release. Floors and ceilings are inclusive.

    at_least_rows: evaluated rows below which nothing can be said.
    slices, behaviour: of what ``evaluation`` declares. stability, fairness: without them nothing is asked.
    The model's own time for one row must keep the contract's ``p95_ms``.
    """

    floors: dict[Metric, Number] = {}
    ceilings: dict[Metric, Number] = {}
    baseline: BaselineGate = BaselineGate()
    champion: ChampionGate = ChampionGate()
    at_least_rows: Annotated[Whole, Field(ge=1)] = 200
    slices: SliceGate = SliceGate()
    behaviour: BehaviourGate = BehaviourGate()
    stability: StabilityGate | None = None
    fairness: FairnessGate | None = None

    @model_validator(mode="after")
    def _point_the_right_way(self) -> Self:
        for metric, floor in self.floors.items():
            if not HIGHER_IS_BETTER[metric]:
                message = f"{metric} is better when lower: give it a ceiling, not a floor"
                raise refusal(("floors", metric), message, floor)
        for metric, ceiling in self.ceilings.items():
            if HIGHER_IS_BETTER[metric]:
                message = f"{metric} is better when higher: give it a floor, not a ceiling"
                raise refusal(("ceilings", metric), message, ceiling)
        return self

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        for kind, limits in (("floors", self.floors), ("ceilings", self.ceilings)):
            for metric, limit in limits.items():
                if not 0 <= limit <= HIGHEST[metric]:
                    message = f"found {limit:g}, expected a value that {metric} can have: {_range(metric)}"
                    raise refusal((kind, metric), message, limit)
        return self


# The first part of the asset keys of tables and views; a model's own assets begin with its name.
TAKEN_NAMES = ("raw", "validated", "quarantine", "features")


class Model(Declaration):
    """One governed model.

    predict_before: how long before the event the prediction is made; features are taken as
        known at that moment.
    features: the name of a feature service in ``feature_repo/``.
    request: columns of the label's table that come with the request itself; each must be
        declared ``known: ahead``.
    search: which parameters of the estimator are tried; without it they are the declared ones.
    """

    name: Name
    description: str = ""
    owner: Owner
    label: Label
    predict_before: Duration = timedelta(0)
    features: Name
    request: tuple[Name, ...] = ()
    estimator: Estimator
    search: Search | None = None
    baseline: Estimator = Estimator(path="sklearn.dummy.DummyClassifier", parameters={"strategy": "prior"})
    window: Window
    evaluation: Evaluation = Evaluation()
    gates: Gates = Gates()
    contract: Terms = Terms()
    drift: Drift = Drift()
    retraining: Retraining = Retraining()
    serving: Serving = Serving()
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    card: CardText = CardText()
    tags: dict[str, str] = {}

    @field_validator("name")
    @classmethod
    def _is_its_own(cls, value: str) -> str:
        if value in TAKEN_NAMES:
            taken = ", ".join(TAKEN_NAMES)
            raise ValueError(f"found {value!r}, expected a name that the platform has not taken: not {taken}")
        return value

    @model_validator(mode="after")
    def _champion_can_be_beaten(self) -> Self:
        needed, compared = self.gates.champion.at_least_days, self.window.evaluate_days
        if needed > compared:
            said = "at_least_days" in self.gates.champion.model_fields_set
            place = ("gates", "champion", "at_least_days") if said else ("window", "evaluate_days")
            message = (
                f"the champion gate needs at_least_days of {needed}{'' if said else ', its default,'} and "
                f"the window has evaluate_days of {compared}: no model could ever replace the champion. "
                "Lower gates.champion.at_least_days, or widen window.evaluate_days"
            )
            raise refusal(place, message, needed if said else compared)
        return self

    @field_validator("request")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(value):
            if name in value[:index]:
                raise refusal((index,), f"request column {name!r} is listed twice", name)
        return value

    def recipe(self, inputs: Mapping[str, str]) -> Recipe:
        """How it is trained. inputs: each input with its type, in order."""
        return Recipe(
            model=self.name,
            estimator=self.estimator,
            search=self.search,
            baseline=self.baseline,
            seed=self.seed,
            inputs=dict(inputs),
        )
