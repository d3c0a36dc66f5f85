"""One prediction as a service gave it and as it is sealed, and what the checks of a day of them say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring as spell_text

from mlops_assets.governance.canonical import canonical, plain
from mlops_assets.governance.prediction import named
from mlops_assets.governance.verdicts import Verdict

# The table of what a service answered.
TABLE = "predictions"

WHOLE_LOG, RELEASED, PROBABLE = "log_is_whole", "versions_were_released", "scores_are_probabilities"
CHECKS = {
    WHOLE_LOG: "Every line of the service's log that was read is as it was written, and none is missing.",
    RELEASED: "Every version that answered is one that was released.",
    PROBABLE: "Every score is a number from 0 to 1.",
}
# What is told of damage; the run's log and the files have all.
TOLD = 5


@dataclass(frozen=True)
class ServedPrediction:
    """What a version answered to one row of one request.

    day: on which it was answered, of the label's time zone. row: counted from zero. predicted_at: by the service's
    clock, in UTC, ISO 8601. milliseconds: from the request's head to its record. request, features: JSON, the row as it
    was sent and the features as they were served. views: JSON, of each feature view the version that was asked. by: who
    asked; empty where nobody had to show it.
    """

    model: str
    day: str
    request_id: str
    row: int
    predicted_at: str
    version: int
    probability: float
    milliseconds: float
    request: str
    features: str
    views: str
    by: str

    @property
    def record(self) -> str:
        """All of it in its one spelling, as it is sealed; spelled each time, for a day of them would fill memory."""
        # As canonical() spells it, several times as fast: each compaction spells a whole day.
        return (
            f'{{"by":{spell_text(self.by)},"day":{spell_text(self.day)},"features":{spell_text(self.features)},'
            f'"milliseconds":{canonical(plain(self.milliseconds))},"model":{spell_text(self.model)},'
            f'"predicted_at":{spell_text(self.predicted_at)},"probability":{canonical(plain(self.probability))},'
            f'"request":{spell_text(self.request)},"request_id":{spell_text(self.request_id)},"row":{self.row},'
            f'"version":{self.version},"views":{spell_text(self.views)}}}'
        )

    @cached_property
    def id(self) -> str:
        """The model, the day, and a hash of all of it."""
        return named(self.model, self.day, self.record)


def subject(model: str, day: str) -> str:
    """What the ledger calls the answers of a day."""
    return f"{model}/{TABLE}@{day}"


def verdicts(
    said: Sequence[ServedPrediction], *, released: Collection[int], damage: Sequence[str]
) -> tuple[Verdict, ...]:
    """What the checks say of a day. released: versions of the model. damage: of the log, each as a sentence."""
    requests = len({one.request_id for one in said})
    counted = f"{len(said)} rows of {requests} requests"
    strangers = sorted({one.version for one in said} - set(released))
    wrong = sum(not 0 <= one.probability <= 1 for one in said)
    return (
        Verdict(WHOLE_LOG, not damage, _told(damage) or f"{counted}; no line is damaged", error=True),
        Verdict(RELEASED, not strangers, f"{counted}; never released: {strangers or 'none'}", error=True),
        Verdict(PROBABLE, not wrong, f"{wrong} of {len(said)} scores are none", error=True),
    )


def _told(damage: Sequence[str]) -> str:
    more = [f"and {len(damage) - TOLD} more"] if len(damage) > TOLD else []
    return "; ".join([*damage[:TOLD], *more])
