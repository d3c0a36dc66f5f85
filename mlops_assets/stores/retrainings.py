"""The loop's own record: every reason to look with its answer, and what later days said of each release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import sqlalchemy as sa

from mlops_assets.stores.database import retraining as retrainings
from mlops_assets.stores.database import verification as verifications
from mlops_assets.stores.ledger import add, append
from mlops_assets.stores.reigns import VERIFICATION, add_reign, conflict

# A look at reports; a definition or rows that are others by now; a clock; a person's word.
Kind: TypeAlias = Literal["look", "changed", "restated", "clock", "person"]


@dataclass(frozen=True)
class RetrainingDecision:
    """One reason to look, and whether a challenger is trained for it.

    as_of: for which date. evidence: a digest of what was looked at; the same is decided about once. by: ``sensor``,
    or the person who asked.
    """

    model: str
    as_of: str
    evidence: str
    kind: Kind
    trains: bool
    reason: str
    by: str
    at: str

    @property
    def run_key(self) -> str:
        """Names the run that follows, whoever asks for it and however often."""
        return f"{self.model}/{self.as_of}/{self.kind}/{self.evidence}"


@dataclass(frozen=True)
class VerifiedRelease:
    """What the days up to a date said of a reign. daily: day -> by how much its loss was lower than that before."""

    model: str
    reign: int
    version: int
    as_of: str
    answer: str
    sentence: str
    daily: Mapping[str, float]
    at: str
    run_id: str


# What makes two verifications the same.
_SAID = ("model", "reign", "as_of", "answer", "sentence")


class Retrainings:
    """Written once each, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def decide(self, decided: RetrainingDecision) -> RetrainingDecision:
        """Write an answer down, unless this was decided about before; the answer that stands."""
        try:
            with self._database.begin() as connection:
                append(connection, add(connection, retrainings, asdict(decided), by=decided.by))
        except sa.exc.IntegrityError:
            known = self.of(decided.model, decided.as_of, decided.evidence)
            if known is None:
                raise
            return known
        return decided

    def of(self, model: str, as_of: str, evidence: str) -> RetrainingDecision | None:
        """What was decided about this evidence, if anything was."""
        query = _decided().where(
            retrainings.c.model == model, retrainings.c.as_of == as_of, retrainings.c.evidence == evidence
        )
        with self._database.connect() as connection:
            row = connection.execute(query).first()
        return RetrainingDecision(**row._mapping) if row else None

    def history(self, model: str) -> list[RetrainingDecision]:
        """Every answer, in the order it was given."""
        query = _decided().where(retrainings.c.model == model).order_by(retrainings.c.id)
        with self._database.connect() as connection:
            return [RetrainingDecision(**row._mapping) for row in connection.execute(query)]

    def add_verification(self, found: VerifiedRelease) -> None:
        """Write down what later days say of a release. The same said again is said once."""
        same = [verifications.c[name] == getattr(found, name) for name in _SAID]
        try:
            with self._database.begin() as connection:
                append(connection, add(connection, verifications, asdict(found)))
        except sa.exc.IntegrityError:
            with self._database.connect() as connection:
                if connection.execute(sa.select(verifications.c.id).where(*same)).first() is None:
                    raise

    def take_back(self, found: VerifiedRelease, version: int) -> None:
        """Write down that a release was taken back, and that an earlier version reigns again: both or neither.

        Raises ReleaseConflict, and writes nothing, when another reign began meanwhile.
        """
        try:
            with self._database.begin() as connection:
                said = add(connection, verifications, asdict(found))
                begun = add_reign(
                    connection,
                    found.model,
                    version,
                    after=found.reign,
                    by=VERIFICATION,
                    reason=found.sentence,
                    at=found.at,
                    run_id=found.run_id,
                )
                append(connection, said, begun)
        except sa.exc.IntegrityError as error:
            raise conflict(found.model) from error

    def verifications(self, model: str) -> list[VerifiedRelease]:
        """What was said of each release, in the order it was said."""
        columns = (verifications.c[field] for field in VerifiedRelease.__dataclass_fields__)
        query = sa.select(*columns).where(verifications.c.model == model).order_by(verifications.c.id)
        with self._database.connect() as connection:
            return [VerifiedRelease(**row._mapping) for row in connection.execute(query)]


def _decided() -> sa.Select[tuple[object, ...]]:
    return sa.select(*(retrainings.c[field] for field in RetrainingDecision.__dataclass_fields__))
