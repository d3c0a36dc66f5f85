"""What is online of each feature view: the newest known row of every entity, read in a fraction of a millisecond.

Light to import: a prediction service reads with this module, without Feast, Arrow or DuckDB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from typing import Any, Protocol

from mlops_assets.errors import BadRequest, NotMaterialized

# The entry of a group that tells what it holds. Keys of entities are JSON lists, so none is spelled so.
HEADER = "header"
# The group that tells which versions of a view are online, the one that is served first.
VERSIONS = "versions"
# The one that is served, and the one before it, of which an older model may still be served.
KEPT = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY_TYPES = {"string": str, "integer": int}
_spelled = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Groups(Protocol):
    """Named groups of texts by key. A reader sees a group before a change or after it, never between.

    is_near: whether a read asks no other machine or process, so that it is over in a moment.
    """

    is_near: bool

    def read(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[str | None]]:
        """For each group and its keys the texts, in their order; None for what is not there."""

    def change(
        self,
        group: str,
        header: str,
        rows: Iterable[tuple[str, str]],
        *,
        seen: str | None,
        gone: Collection[str] = (),
        whole: bool = False,
    ) -> bool:
        """Write rows and the header and remove what is ``gone``, all at once; False, and nothing done, unless
        the group's header still is the one that was ``seen``. whole: what is not among ``rows`` is removed."""

    def drop(self, group: str) -> None:
        """Remove a group, if it is there."""


@dataclass(frozen=True)
class OnlineView:
    """What is online of one version of a view.

    version: of the code that computed the rows. keys, features: names with their declared types; features in
    order of their names. ttl: seconds. until: microseconds since 1970, UTC: rows are as known at that moment.
    table_version, contents: of the lake's table that the rows were taken from, and a digest of what it held.
    """

    view: str
    version: str
    keys: dict[str, str]
    features: dict[str, str]
    ttl: int
    until: int
    table_version: int
    contents: str

    @property
    def known_until(self) -> datetime:
        return moment(self.until)

    @cached_property
    def moments(self) -> tuple[str, ...]:
        """The features that are timestamps."""
        return tuple(name for name, kind in self.features.items() if kind == "timestamp")

    def key(self, entity: Mapping[str, Any]) -> str:
        """How an entity is spelled. Raises BadRequest when it lacks a key, or has one of another type."""
        values = []
        for name, kind in self.keys.items():
            if name not in entity:
                raise BadRequest(
                    f"feature view {self.view!r} is asked by {', '.join(self.keys)}; {name!r} is missing"
                )
            value = entity[name]
            # A bool is an int to Python, and no key.
            if value is not None and type(value) is not KEY_TYPES[kind]:
                raise BadRequest(f"{name!r} of feature view {self.view!r} is {value!r}, expected {kind}")
            values.append(value)
        return _key(values)

    def rows(self, said: Sequence[str | None], at: int) -> list[OnlineRow | None]:
        """What the texts of rows say, in their order. at: as microseconds, from which the TTL is counted."""
        alive_from = at - self.ttl * 1_000_000
        # Read as one text: a hundred small ones take twice as long.
        read = iter(json.loads(f"[{','.join(text for text in said if text is not None)}]"))
        return [None if text is None else self._row(next(read), alive_from) for text in said]

    def _row(self, read: list[Any], alive_from: int) -> OnlineRow:
        event_time, available_at, *values = read
        named = dict(zip(self.features, values, strict=True))
        for name in self.moments:
            if named[name] is not None:
                named[name] = moment(named[name])
        return OnlineRow(named, event_time, available_at, event_time < alive_from)


@dataclass(slots=True)
class OnlineRow:
    """The newest known row of an entity. expired: older than the TTL, so that what is served is null.

    happened, known: when, in microseconds.
    """

    values: Mapping[str, Any]
    happened: int
    known: int
    expired: bool

    @property
    def event_time(self) -> datetime:
        return moment(self.happened)

    @property
    def available_at(self) -> datetime:
        return moment(self.known)


@dataclass(frozen=True)
class Asked:
    """Rows of one view that are asked for. version: None for the one that is served."""

    view: str
    entities: Sequence[Mapping[str, Any]]
    version: str | None = None


class Online:
    """Every view's online rows, a group for each version of a view."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._spellings: dict[tuple[str, str | None], OnlineView] = {}

    @property
    def is_near(self) -> bool:
        """Whether a read asks no other machine or process, so that it is over in a moment."""
        return self._groups.is_near

    def rows(self, asked: Sequence[Asked], at: datetime) -> list[list[OnlineRow | None]]:
        """For each view its rows of the entities, in their order; None for an entity that has none.

        at: the moment from which the TTL is counted. Every view is read as it was at one moment.
        Raises NotMaterialized when nothing is online of a view in the version that is asked for.
        """
        views = [self._known(one) for one in asked]
        wanted = [
            (_group(view.view, view.version), [HEADER, *map(view.key, one.entities)])
            for view, one in zip(views, asked, strict=True)
        ]
        counted_to = microseconds(at)
        answers = []
        for one, view, (header, *said) in zip(asked, views, self._groups.read(wanted), strict=True):
            if header is None:
                raise self._absent(one)
            answers.append(view.rows(said, counted_to))
        return answers

    def view(self, view: str, version: str | None = None) -> OnlineView | None:
        """What is online of a version of a view (default: the one that is served); None for nothing."""
        return _described(self._header(view, version))

    def described(self, asked: Asked) -> OnlineView:
        """What is online of what is asked for. Raises NotMaterialized for nothing."""
        found = self.view(asked.view, asked.version)
        if found is None:
            raise self._absent(asked)
        return found

    def put(
        self,
        described: OnlineView,
        rows: Iterable[Sequence[Any]],
        *,
        seen: OnlineView | None,
        gone: Iterable[Sequence[Any]] = (),
        whole: bool,
    ) -> bool:
        """Bring rows online, all at once; False, and nothing done, when another did so since ``seen``.

        rows: the keys, ``event_time``, ``available_at`` and the features by name; moments in microseconds.
        gone: the keys of entities that have no row any more. whole: no other entity has one either.
        """
        count = len(described.keys)
        return self._groups.change(
            _group(described.view, described.version),
            _spelled(asdict(described)),
            ((_key(row[:count]), _spelled(row[count:])) for row in rows),
            seen=None if seen is None else _spelled(asdict(seen)),
            gone=[_key(key) for key in gone],
            whole=whole,
        )

    def serve(self, view: str, version: str) -> None:
        """Let a version that is online be the one that is served, and drop those before the last."""
        while (versions := self.versions(view))[:1] != [version] or len(versions) > KEPT:
            wanted = [version, *(one for one in versions if one != version)]
            for old in wanted[KEPT:]:
                self._groups.drop(_group(view, old))
            seen = _spelled(versions) if versions else None
            self._groups.change(_listed(view), _spelled(wanted[:KEPT]), (), seen=seen)

    def drop(self, view: str) -> None:
        """Take every version of a view offline."""
        for version in self.versions(view):
            self._groups.drop(_group(view, version))
        self._groups.drop(_listed(view))

    def _known(self, asked: Asked) -> OnlineView:
        """How the rows of a version are spelled, which is looked up once: a change of that is another version."""
        version = asked.version or next(iter(self.versions(asked.view)), None)
        known = self._spellings.get((asked.view, version)) or self.described(asked)
        self._spellings[asked.view, known.version] = known
        return known

    def _header(self, view: str, version: str | None) -> str | None:
        if version is None:
            version = next(iter(self.versions(view)), None)
        if version is None:
            return None
        ((header,),) = self._groups.read([(_group(view, version), [HEADER])])
        return header

    def versions(self, view: str) -> list[str]:
        """The versions of a view that are online, the one that is served first."""
        ((said,),) = self._groups.read([(_listed(view), [HEADER])])
        return [] if said is None else list(json.loads(said))

    def _absent(self, asked: Asked) -> NotMaterialized:
        others = " in this version, only in another one" if self.versions(asked.view) else ""
        return NotMaterialized(
            f"nothing is online of feature view {asked.view!r}{others}; run mlops features materialize {asked.view}"
        )


def microseconds(instant: datetime) -> int:
    """Since 1970, UTC.

    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (instant - EPOCH) // timedelta(microseconds=1)


def moment(since: int) -> datetime:
    """The moment so many microseconds after 1970, UTC."""
    return EPOCH + timedelta(microseconds=since)


def _key(values: Sequence[Any]) -> str:
    """The keys of an entity as a JSON list, spelled piece by piece, which is far faster.

    >>> _key(["é", 1, None])
    '["é",1,null]'
    """
    return f"[{','.join(map(_key_part, values))}]"


def _key_part(value: str | int | None) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return "null" if value is None else repr(value)


def _described(header: str | None) -> OnlineView | None:
    return None if header is None else OnlineView(**json.loads(header))


@lru_cache
def _group(view: str, version: str) -> str:
    """A version is spelled in many words, and names of groups are short."""
    return f"{view}.{hashlib.sha256(version.encode()).hexdigest()[:16]}"


def _listed(view: str) -> str:
    return f"{view}.{VERSIONS}"
