"""One prediction as it is sealed, and what the checks of a day of predictions say.

A prediction's id is a hash of all it says, so a row that was changed is no longer the one its id names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring as spell_text

from mlops_assets.errors import BadRequest
from mlops_assets.governance.canonical import canonical, digest, plain
from mlops_assets.governance.verdicts import Verdict

# The table of the predictions that a model makes of whole days.
TABLE = "batch_predictions"
# Hexadecimal digits of the hash that an id ends with: 128 bits.
DIGITS = 32
_ID = re.compile(rf"(?P<model>[^:]+):(?P<day>\d{{4}}-\d\d-\d\d):[0-9a-f]{{{DIGITS}}}")

UNIQUE, ANSWERED, PROBABLE = "ids_unique", "answers_every_request", "scores_are_probabilities"
CHECKS = {
    UNIQUE: "No two predictions of the day have one id.",
    ANSWERED: "Every event of the day has its prediction, by the version that reigned when the day began.",
    PROBABLE: "Every score is a number from 0 to 1.",
}


@dataclass(frozen=True)
class Prediction:
    """What a version answered to one request.

    day: the event's local day. entity, features: canonical JSON, the event's key and the inputs as served.
    event_time, predicted_at: moments in UTC, ISO 8601. score: the probability of the positive class.
    """

    model: str
    day: str
    version: int
    artifact_digest: str
    entity: str
    event_time: str
    predicted_at: str
    features: str
    score: float

    @cached_property
    def record(self) -> str:
        """All of it in its one spelling, as it is sealed."""
        # As canonical() spells it, several times as fast: a proof spells a whole day.
        return (
            f'{{"artifact_digest":{spell_text(self.artifact_digest)},"day":{spell_text(self.day)},'
            f'"entity":{spell_text(self.entity)},"event_time":{spell_text(self.event_time)},'
            f'"features":{spell_text(self.features)},"model":{spell_text(self.model)},'
            f'"predicted_at":{spell_text(self.predicted_at)},"score":{canonical(plain(self.score))},'
            f'"version":{self.version}}}'
        )

    @property
    def id(self) -> str:
        """The model, the day, and a hash of all of it."""
        return named(self.model, self.day, self.record)


def named(model: str, day: str, record: str) -> str:
    """The id of what a record says."""
    return f"{model}:{day}:{digest(record)[:DIGITS]}"


def place_of(prediction_id: str) -> tuple[str, str]:
    """The model and the day that an id names. Raises BadRequest for what is no id."""
    found = _ID.fullmatch(prediction_id)
    if found is None:
        raise BadRequest(
            f"found {prediction_id!r}, expected the id of a prediction: MODEL:DAY:HASH, the hash of {DIGITS} "
            f"hexadecimal digits, as the column prediction_id of {TABLE} has it; or of a request that was answered"
        )
    return found["model"], found["day"]


def subject(model: str, day: str) -> str:
    """What the ledger calls the predictions of a day."""
    return f"{model}/{TABLE}@{day}"


def verdicts(ids: Sequence[str], scores: Sequence[float], *, requests: int, why: str) -> tuple[Verdict, ...]:
    """What the checks say of a day. requests: events that day. why: why none was scored; empty where they were."""
    twice, wrong = len(ids) - len(set(ids)), sum(not 0 <= one <= 1 for one in scores)
    answered = f"{len(ids)} predictions of {requests} events" + (f": {why}" if why else "")
    return (
        Verdict(UNIQUE, not twice, f"{twice} of {len(ids)} ids are not the first of theirs", blocking=True),
        Verdict(ANSWERED, len(ids) == requests, answered, error=not why),
        Verdict(PROBABLE, not wrong, f"{wrong} of {len(scores)} scores are none", blocking=True),
    )
