"""Which version of a model reigned when: a list that is only ever added to, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mlops_assets.declaration.access import MACHINES
from mlops_assets.errors import BadRequest, ReleaseConflict
from mlops_assets.stores.database import reign as reigns
from mlops_assets.stores.ledger import Draft, add, append

# Who says so where no person does: what was known at a release, what later days said of it, and what asks for models.
GATE, VERIFICATION, SENSOR = "gate", "verification", "sensor"
# What requests said of a version: while it was tried beside the one that reigned, and once it reigned.
ROLLOUT, SERVICE = "rollout", "service"


def require_person(by: str) -> None:
    """Raise BadRequest when somebody signs as one of the machines."""
    if by.strip().lower() in MACHINES:
        raise BadRequest(
            f"found {by!r}, expected the name of who says it; the {by.strip().lower()} signs its own verdicts so"
        )


@dataclass(frozen=True)
class Reign:
    """One stretch of time in which a version of a model was its champion, until the next one begins.

    number: one for the first of a model, and so on. since: a moment in UTC, never before that of the one
    before. by: ``gate``, ``verification``, or the person who said so. reason: why. shown: whether MLflow's
    alias was moved.
    """

    model: str
    number: int
    version: int
    since: str
    by: str
    reason: str
    run_id: str
    shown: bool


class Reigns:
    """What reigned, reigns, and by whose word."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def current(self, model: str) -> Reign | None:
        """The one that lasts; None before the first release."""
        with self._database.connect() as connection:
            return newest_reign(connection, model)

    def history(self, model: str) -> list[Reign]:
        """Every reign, oldest first."""
        query = _select().where(reigns.c.model == model).order_by(reigns.c.number)
        with self._database.connect() as connection:
            return [Reign(**row._mapping) for row in connection.execute(query)]

    def at(self, model: str, moment: str) -> Reign | None:
        """The one that lasted at a moment, in UTC and spelled as ``since`` is; None before the first."""
        begun = [one for one in self.history(model) if one.since <= moment]
        return begun[-1] if begun else None

    def begin(
        self, model: str, version: int, *, after: int, by: str, reason: str, at: str, run_id: str
    ) -> Reign:
        """Let a version reign. after: the number of the reign that it ends, as it was when that was decided.

        Raises ReleaseConflict, and changes nothing, when another one began meanwhile.
        """
        try:
            with self._database.begin() as connection:
                begun = add_reign(
                    connection, model, version, after=after, by=by, reason=reason, at=at, run_id=run_id
                )
                append(connection, begun)
        except sa.exc.IntegrityError as error:
            raise conflict(model) from error
        current = self.current(model)
        assert current is not None
        return current

    def not_shown(self) -> list[Reign]:
        """The current reigns that MLflow's alias does not follow yet."""
        newest = sa.select(reigns.c.model, sa.func.max(reigns.c.number)).group_by(reigns.c.model)
        query = (
            _select()
            .where(sa.tuple_(reigns.c.model, reigns.c.number).in_(newest), sa.not_(reigns.c.shown))
            .order_by(reigns.c.model)
        )
        with self._database.connect() as connection:
            return [Reign(**row._mapping) for row in connection.execute(query)]

    def set_shown(self, reign: Reign) -> None:
        """Note that MLflow's alias follows."""
        update = (
            sa.update(reigns)
            .where(reigns.c.model == reign.model, reigns.c.number == reign.number)
            .values(shown=True)
        )
        with self._database.begin() as connection:
            connection.execute(update)


def newest_reign(connection: sa.Connection, model: str) -> Reign | None:
    """The reign that lasts, as seen inside a transaction."""
    query = _select().where(reigns.c.model == model).order_by(reigns.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return Reign(**row._mapping) if row else None


def add_reign(
    connection: sa.Connection,
    model: str,
    version: int,
    *,
    after: int,
    by: str,
    reason: str,
    at: str,
    run_id: str,
) -> Draft:
    """Add a reign inside a transaction; what to append to the ledger.

    The primary key settles a race: of two that end one, one is refused.
    """
    last = newest_reign(connection, model)
    if (last.number if last else 0) != after:
        raise conflict(model)
    values = {
        "model": model,
        "number": after + 1,
        "version": version,
        # A clock that was set back does not make a reign begin before the one it ends.
        "since": max(at, last.since) if last else at,
        "by": by,
        "reason": reason,
        "run_id": run_id,
        "shown": False,
    }
    return add(connection, reigns, values, by=by)


def conflict(model: str) -> ReleaseConflict:
    """Another one was quicker."""
    return ReleaseConflict(
        f"{model}: another version was released, or another model judged, while this one was. Nothing was "
        "changed; materialize evaluation_report and release again to be judged against what reigns now."
    )


def _select() -> sa.Select[tuple[object, ...]]:
    return sa.select(*(reigns.c[field] for field in Reign.__dataclass_fields__))
