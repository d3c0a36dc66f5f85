"""Feature rows go online: what became known since the last time, from the tables that training reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops_assets.data.moments import earlier
from mlops_assets.data.online import last_known, newest_of_each, touched
from mlops_assets.data.sql import name, names
from mlops_assets.declaration.features import FeatureRepository, FeatureView
from mlops_assets.declaration.versions import Version, declared_version
from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.stores.engine import Session
from mlops_assets.stores.online import OnlineView, microseconds, moment
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.view_versions import require_version

# Relations of a materialization. No declared name begins with an underscore.
ROWS, BEFORE, TOUCHED, NEWEST = "_rows", "_before", "_touched", "_newest"
ROWS_TOGETHER = 50_000


@dataclass(frozen=True)
class PutOnline:
    """What a materialization did. rows: written. gone: entities that have no row any more. whole: all were written."""

    view: OnlineView
    rows: int
    gone: int
    whole: bool


def put_online(
    stores: Stores,
    features: FeatureRepository,
    view: str,
    *,
    version: str | None = None,
    until: datetime | None = None,
    again: bool = False,
) -> PutOnline:
    """Bring online what is known of a view at ``until`` (default: the newest thing that is known by now).

    Only entities of which something changed are written, in one step: readers see all of it or nothing, and
    one that is killed has done nothing. version: the code that must have computed the rows; None for
    whichever did of what the view declares, from whatever it was computed. again: everything, also back to an
    earlier moment.

    Raises NotMaterialized when the view was never computed, GateRefusal when it was computed by another
    version, BadRequest for a moment that is still to come, or before the one that is online.
    """
    if until is not None and until > datetime.now(UTC):
        raise BadRequest(f"nothing is known yet of {until.isoformat()}, which is still to come")
    table = f"features/{view}"
    while True:
        code = version or _code_as_declared(stores, features, view, stores.lake.pin(table))
        # Before the table is pinned, so that what is online was not taken from a newer one.
        there = stores.online.view(view, code)
        seen = None if again else there
        pinned = stores.lake.pin(table)
        known = _until(stores, pinned, until, seen)
        plan = _Plan(stores, features, features.views[view], pinned, code, seen, known)
        done = plan.carried_out(replaced=there)
        if done is not None:
            stores.online.serve(view, code)
            return done


@dataclass(frozen=True)
class _Change:
    """Partitions that hold other rows now, and what they held before, where they were."""

    partitions: list[str]
    before: Pinned


@dataclass(frozen=True)
class _Plan:
    """One attempt to bring a view online. seen: what it goes on from; None to write everything."""

    stores: Stores
    features: FeatureRepository
    view: FeatureView
    pinned: Pinned
    code: str
    seen: OnlineView | None
    until: datetime

    def carried_out(self, replaced: OnlineView | None) -> PutOnline | None:
        """What was done; None, and nothing done, when another was faster. replaced: what is online until then."""
        live = self._live()
        require_version(self.stores.records, live, Version.read(self.code))
        described = self._described()
        if described == self.seen:
            return PutOnline(described, 0, 0, whole=False)
        change = None if self.seen is None else self._change_since(self.seen, live)
        relations = {ROWS: live} if change is None else {ROWS: live, BEFORE: change.before}
        with self.stores.engine.session(relations) as session:
            if self.seen is None or change is None:
                session.keep(NEWEST, self._newest())
            else:
                since = self.seen.known_until
                keys = list(described.keys)
                session.keep(TOUCHED, touched(keys, BEFORE, ROWS, change.partitions, since, self.until))
                session.keep(NEWEST, self._newest(among=TOUCHED))
            return self._put(session, described, replaced, whole=change is None)

    def _put(
        self, session: Session, described: OnlineView, replaced: OnlineView | None, *, whole: bool
    ) -> PutOnline | None:
        keys = names(described.keys)
        same = " AND ".join(f"t.{name(key)} = n.{name(key)}" for key in described.keys)
        missing = f"SELECT {keys} FROM {TOUCHED} t ANTI JOIN {NEWEST} n ON {same}"
        gone = [] if whole else list(_lists(session, missing))
        (count,) = session.rows(f"SELECT count(*) AS rows FROM {NEWEST}").column("rows").to_pylist()
        rows = _lists(session, f"SELECT * FROM {NEWEST}")
        if not self.stores.online.put(described, rows, seen=replaced, gone=gone, whole=whole):
            return None
        return PutOnline(described, count, len(gone), whole)

    def _live(self) -> Pinned:
        """The partitions that can hold rows within their lifetime."""
        return self.pinned.between(earlier(self.until, self.view.ttl), self.until)

    def _change_since(self, seen: OnlineView, live: Pinned) -> _Change | None:
        """What holds other rows than what is online was taken from; None when the table was made anew since."""
        contents = self.stores.records.contents(self.pinned.table, up_to=seen.table_version)
        if _digest(contents) != seen.contents:
            return None
        held = {one.partition: one.fingerprint for one in contents}
        changed = [one.partition for one in live.contents if held.get(one.partition) != one.fingerprint]
        there = [partition for partition in changed if partition in held]
        return _Change(changed, self.stores.lake.pin(live.table, there, version=seen.table_version))

    def _newest(self, among: str | None = None) -> str:
        keys = self.features.keys(self.view.name)
        return newest_of_each(ROWS, keys, self._types(), self.until, ttl=self.view.ttl, among=among)

    def _types(self) -> dict[str, str]:
        return {feature: declared.type for feature, declared in self.view.features.items()}

    def _described(self) -> OnlineView:
        entities = (self.features.entities[entity] for entity in self.view.entities)
        return OnlineView(
            view=self.view.name,
            version=self.code,
            keys={entity.key: entity.type for entity in entities},
            features=dict(sorted(self._types().items())),
            ttl=int(self.view.ttl.total_seconds()),
            until=microseconds(self.until),
            table_version=self.pinned.version,
            contents=_digest(self.pinned.contents),
        )


def _until(stores: Stores, pinned: Pinned, asked: datetime | None, seen: OnlineView | None) -> datetime:
    """As known when? Never before what is online already."""
    if asked is None:
        now = datetime.now(UTC)
        (last,) = stores.engine.rows(last_known(ROWS, now), {ROWS: pinned}).column("at").to_pylist()
        found = now if last is None else moment(last)
        return found if seen is None else max(found, seen.known_until)
    if seen is not None and asked < seen.known_until:
        raise BadRequest(
            f"feature view {seen.view!r} is online as known at {seen.known_until.isoformat()}, which is after "
            f"{asked.isoformat()}; --again goes back"
        )
    return asked


def _code_as_declared(stores: Stores, features: FeatureRepository, view: str, pinned: Pinned) -> str:
    """The code that computed the newest partition; that the others agree is asked when it is known which count.

    Raises GateRefusal when it is not of what the view declares.
    """
    if not pinned.contents:
        raise NotMaterialized(f"{pinned.table} has no partition; materialize it first")
    newest = pinned.contents[-1].partition
    code = stores.records.code_versions(pinned.table, up_to=pinned.version)[newest]
    declared = declared_version(features, view)
    if Version.read(code).lacking(declared).parts:
        require_version(stores.records, pinned, declared)
    return code


def _lists(session: Session, sql: str) -> Iterator[list[Any]]:
    """The rows of a query, each a list; a part of them in memory at a time."""
    for batch in session.batches(sql, ROWS_TOGETHER):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield list(row)


def _digest(contents: Sequence[Content]) -> str:
    said = json.dumps([(one.partition, one.fingerprint) for one in contents])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
