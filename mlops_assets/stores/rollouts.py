"""Versions that are tried beside the one that reigns: each step written down once and told in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlops_assets.declaration.access import Tier
from mlops_assets.errors import BadRequest, RolloutConflict
from mlops_assets.governance.changes import Proposal
from mlops_assets.governance.rollout import ENDS, Kind, Limits, State
from mlops_assets.stores.changes import add_request
from mlops_assets.stores.database import rollout as steps
from mlops_assets.stores.ledger import PLATFORM, Draft, add, append, moment, wait_for_others
from mlops_assets.stores.reigns import Reign, add_reign, conflict, newest_reign
from mlops_assets.stores.releases import Against, Instead, Release, promised


@dataclass(frozen=True)
class Step:
    """What happened to a rollout. share: of the requests, from then on. by: a person, or a machine that signs so.

    evidence: what it was decided on, as plain values. at: a moment in UTC.
    """

    step: int
    state: State
    share: float
    by: str
    reason: str
    at: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollout:
    """A version that is, or was, tried. number: one for the first of a model. reign: beside which it is tried.

    steps: oldest first, the first says that it started.
    """

    model: str
    number: int
    version: int
    reign: int
    kind: Kind
    limits: Limits
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def share(self) -> float:
        return self.last.share

    def is_like(self, other: Rollout) -> bool:
        """Whether it tries the same version in the same way, beside the same reign."""
        said = ("model", "version", "reign", "kind", "limits")
        return all(getattr(self, name) == getattr(other, name) for name in said)

    @property
    def is_open(self) -> bool:
        return self.last.state not in ENDS

    def seconds(self, now: str) -> float:
        """Since its start, at a moment."""
        return (datetime.fromisoformat(now) - datetime.fromisoformat(self.steps[0].at)).total_seconds()


# What follows a step inside its transaction: of the moment, what to append to the ledger.
Follows = Callable[[sa.Connection, str], Draft]


class Rollouts:
    """Added to step by step, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def current(self, model: str) -> Rollout | None:
        """The one that is open; None where none is."""
        with self._database.connect() as connection:
            found = _newest(connection, model)
        return found if found is not None and found.is_open else None

    def history(self, model: str) -> list[Rollout]:
        """Every rollout, oldest first."""
        with self._database.connect() as connection:
            return _read(connection, steps.c.model == model)

    def start(
        self, model: str, version: int, kind: Kind, share: float, limits: Limits, *, by: str, reason: str
    ) -> Rollout:
        """Begin to try a version beside the one that reigns. share: of the requests; of a shadow it is all of them.

        One that is open beside a version that reigns no more is stopped. Raises BadRequest, and writes nothing, when
        another is open, none reigns, or this one does.
        """
        with self._database.begin() as connection:
            wait_for_others(connection)
            at, reign = moment(connection), newest_reign(connection, model)
            if reign is None or reign.version == version:
                raise BadRequest(f"{model} version {version} {_why_not(reign)}")
            before = _newest(connection, model)
            if before is not None and before.is_open and before.reign == reign.number:
                raise BadRequest(
                    f"rollout {before.number} of {model} is open, of version {before.version}; `mlops rollout stop "
                    f"{model}` ends it"
                )
            begun = Rollout(model, 0, version, reign.number, kind, limits, ())
            append(
                connection,
                *_begin(connection, begun, share, overtaken_by(reign), by=by, reason=reason, at=at),
            )
            found = _newest(connection, model)
        assert found is not None
        return found

    def go_on(
        self,
        seen: Rollout,
        state: State,
        *,
        by: str,
        reason: str,
        share: float | None = None,
        evidence: Mapping[str, Any] | None = None,
        follows: Follows | None = None,
    ) -> Rollout:
        """Write the next step of a rollout down. seen: as it was when that was decided.

        follows: what is done in the same transaction. Raises RolloutConflict, and writes nothing, when it went on or
        ended meanwhile; of many that decide at once one writes.
        """
        with self._database.begin() as connection:
            wait_for_others(connection)
            found = _newest(connection, seen.model)
            if found != seen or not seen.is_open:
                raise RolloutConflict(
                    f"rollout {seen.number} of {seen.model} went on or ended since it was looked at; look again"
                )
            at = moment(connection)
            said = _add(connection, seen, state, share=share, by=by, reason=reason, at=at, evidence=evidence)
            append(connection, *([follows(connection, at)] if follows else ()), said)
            now = _newest(connection, seen.model)
        assert now is not None
        return now


def tried_first(share: float, limits: Limits) -> Instead:
    """A version that is released is a canary first, unless it is just that already. What else is tried by then ends."""

    def begin(
        connection: sa.Connection, release: Release, against: Against, by: str, reason: str
    ) -> Sequence[Draft]:
        reign = newest_reign(connection, release.model)
        if reign is None or reign.number != against.reign:
            raise conflict(release.model)
        before = _newest(connection, release.model)
        begun = Rollout(release.model, 0, release.version, reign.number, "canary", limits, ())
        if before is not None and before.is_open and before.is_like(begun):
            return []
        ends, at = f"version {release.version} is tried in its place", moment(connection)
        return _begin(connection, begun, share, ends, by=by, reason=reason, at=at)

    return begin


def overtaken_by(reign: Reign) -> str:
    """Why a rollout that was begun beside another reign ends."""
    return f"version {reign.version} reigns since {reign.since}, which is another than when it was started"


def let_reign(rollout: Rollout, *, by: str, reason: str) -> Follows:
    """That the version reigns after the one beside which it was tried."""

    def reign(connection: sa.Connection, at: str) -> Draft:
        return add_reign(
            connection,
            rollout.model,
            rollout.version,
            after=rollout.reign,
            by=by,
            reason=reason,
            at=at,
            run_id="",
        )

    return reign


def ask_to_reign(rollout: Rollout, release: Release, tier: Tier, *, by: str, reason: str) -> Follows:
    """That others are asked whether it reigns."""
    payload, resource = promised(release, after=rollout.reign), f"model:{rollout.model}"

    def ask(connection: sa.Connection, at: str) -> Draft:
        proposal = Proposal.under(tier, "promote", resource, payload, by=by, reason=reason, at=at)
        return add_request(connection, proposal)

    return ask


def _begin(
    connection: sa.Connection, begun: Rollout, share: float, ends: str, *, by: str, reason: str, at: str
) -> list[Draft]:
    """Begin a rollout under the next number. ends: why one that is open by then does."""
    before, told = _newest(connection, begun.model), []
    if before is not None and before.is_open:
        told.append(_add(connection, before, "stopped", by=PLATFORM, reason=ends, at=at))
    numbered = replace(begun, number=before.number + 1 if before else 1)
    return [*told, _add(connection, numbered, "started", share=share, by=by, reason=reason, at=at)]


def _why_not(reign: Reign | None) -> str:
    if reign is None:
        return "cannot be tried beside a version that reigns: none does; release one first"
    return f"reigns since {reign.since}; expected another version to be tried beside it"


def _add(
    connection: sa.Connection,
    rollout: Rollout,
    state: State,
    *,
    by: str,
    reason: str,
    at: str,
    share: float | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Draft:
    values = {
        "model": rollout.model,
        "number": rollout.number,
        "step": len(rollout.steps) + 1,
        "version": rollout.version,
        "reign": rollout.reign,
        "kind": rollout.kind,
        "limits": rollout.limits.to_dict(),
        "state": state,
        "share": rollout.share if share is None else share,
        "by": by,
        "reason": reason,
        "evidence": dict(evidence or {}),
        "at": at,
    }
    return add(connection, steps, values, by=by)


def _newest(connection: sa.Connection, model: str) -> Rollout | None:
    newest = sa.select(sa.func.max(steps.c.number)).where(steps.c.model == model).scalar_subquery()
    found = _read(connection, steps.c.model == model, steps.c.number == newest)
    return found[0] if found else None


def _read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Rollout]:
    query = sa.select(steps).where(*conditions).order_by(steps.c.number, steps.c.step)
    found: dict[int, list[sa.Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.number, []).append(row)
    return [_rollout(rows) for rows in found.values()]


def _rollout(rows: Sequence[sa.Row[Any]]) -> Rollout:
    first = rows[0]
    said = tuple(
        Step(row.step, row.state, row.share, row.by, row.reason, row.at, row.evidence) for row in rows
    )
    return Rollout(
        first.model,
        first.number,
        first.version,
        first.reign,
        first.kind,
        Limits(**first.limits),
        said,
    )
