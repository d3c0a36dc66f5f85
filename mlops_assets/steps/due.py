"""For which as-of dates a model is to be looked at: its data are there, and no look at them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.catalog import Calendar, Catalog, lookback_days
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, view_version
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.records import Records
from mlops_assets.stores.stores import Stores

REPORTS = ("drift_report", "performance_report")
# What looks at a champion.
WATCHES = (*REPORTS, "verification")


@dataclass(frozen=True)
class Due:
    """An as-of date to look at. inputs: a digest of what is there to be looked at, and of what it replaces."""

    as_of: str
    inputs: str


@dataclass(frozen=True)
class Looked:
    """due: in order of time. why_not: what a person is told when nothing is."""

    due: Sequence[Due]
    why_not: str


def due(stores: Stores, catalog: Catalog, model: Model, *, now: datetime) -> Looked:
    """The as-of dates to be looked at, of which all days are there.

    Those after the newest date that was judged of which there is no report, and of the newest that a decision looks at
    (``of_looks``) those whose report rests on rows that are others by now. Older ones decide nothing any more: Dagster
    marks them, and a source that rewrites days again and again does not have all of them made each time. Whatever
    happened between two times that this is asked, it answers from what is there, so that nothing can be missed.
    now: with its time zone; as-of dates after it are none yet.
    """
    judged = newest_judged(stores, model)
    if judged is None:
        first = catalog.first_as_of(model)
        return Looked(
            (),
            f"no version of {model.name} was ever judged: materialize its release as of a day from {first} on first",
        )
    needed = _needed(stores.records, catalog, model)
    newest = max(needed[f"validated/{model.label.table}"].there, default=None)
    if newest is None or newest < judged:
        return Looked((), f"no rows of {model.label.table} from {judged} on, the newest day that was judged")
    reported = _Reported.of(stores.records, model)
    today = now.astimezone(catalog.tables[model.label.table].source.zone).date().isoformat()
    found, lacking = [], ""
    dates = [as_of for as_of in _dates(judged, newest) if as_of <= today]
    deciding = [one for one in dates if reported.there(one)][-model.retraining.of_looks :]
    for as_of in dates:
        old = reported.outdated(as_of) if as_of in deciding else []
        if not old and reported.whole(as_of):
            continue
        missing = [(table, day) for table, of in needed.items() for day in of.lacking(as_of)]
        if missing:
            lacking = lacking or f"as of {as_of} it lacks {_spelled(missing, needed)}"
        else:
            found.append(Due(as_of, meaning([of.held(as_of) for of in needed.values()], old)))
    return Looked(tuple(found), lacking or f"every day up to {newest} was looked at")


def newest_judged(stores: Stores, model: Model) -> str | None:
    """The newest as-of date about which anything was decided."""
    return max((one["as_of"] for one in stores.releases.history(model.name)), default=None)


@dataclass(frozen=True)
class _Days:
    """What an as-of date reads of a table: so many days before it, as far as the calendar has them; or all of it.

    there: partition -> what it holds, of those that may be read by what is declared. other: those that other code made.
    """

    calendar: Calendar | None
    first: int
    there: Mapping[str, str]
    other: frozenset[str] = frozenset()

    def lacking(self, as_of: str) -> list[str]:
        return [one for one in self._read(as_of) if one not in self.there]

    def held(self, as_of: str) -> list[str]:
        return [self.there[one] for one in self._read(as_of)]

    def _read(self, as_of: str) -> list[str]:
        if self.calendar is None:
            return [WHOLE]
        end, day = date.fromisoformat(as_of), timedelta(days=1)
        begin = max(end - timedelta(days=self.first), self.calendar.start)
        end = min(end, self.calendar.end + day) if self.calendar.end else end
        return [(begin + n * day).isoformat() for n in range((end - begin).days)]


def _needed(records: Records, catalog: Catalog, model: Model) -> dict[str, _Days]:
    events, views = catalog.model_tables(model)
    window, label = max(model.drift.days, model.window.days), f"validated/{model.label.table}"
    there = {one.partition: one.fingerprint for one in records.contents(label)}
    needed = {label: _Days(events.calendar, window, there)}
    for name, view in views.items():
        table = f"features/{name}"
        alive = lookback_days(view.ttl + model.predict_before)
        other = _of_other_code(records, table, view_version(catalog, name))
        there = {
            one.partition: one.fingerprint for one in records.contents(table) if one.partition not in other
        }
        needed[table] = _Days(catalog.view_calendar(view), window + alive, there, other)
    return needed


def _of_other_code(records: Records, table: str, declared: Version) -> frozenset[str]:
    spelled = records.code_versions(table)
    other = {one for one in set(spelled.values()) if Version.read(one).lacking(declared).parts}
    return frozenset(partition for partition, code in spelled.items() if code in other)


@dataclass(frozen=True)
class _Reported:
    """What there is of each report, by as-of date; and the dates of which it rests on rows that are others by now."""

    made: Sequence[Mapping[str, Content]]
    old: Sequence[set[str]]

    @classmethod
    def of(cls, records: Records, model: Model) -> Self:
        tables = [f"{model.name}/{watch}" for watch in WATCHES]
        made = [{one.partition: one for one in records.contents(table)} for table in tables]
        return cls(made, [records.outdated(table) for table in tables])

    def there(self, as_of: str) -> bool:
        """Whether any of the reports of a date is there."""
        return any(as_of in made for made in self.made)

    def whole(self, as_of: str) -> bool:
        return all(as_of in made for made in self.made)

    def outdated(self, as_of: str) -> list[int]:
        """The versions of the reports of a date that are to be made again."""
        return [made[as_of].version for made, old in zip(self.made, self.old, strict=True) if as_of in old]


def _dates(after: str, newest: str) -> list[str]:
    """The as-of dates after one, up to the day after the newest."""
    first, days = date.fromisoformat(after), (date.fromisoformat(newest) - date.fromisoformat(after)).days
    return [(first + timedelta(days=n)).isoformat() for n in range(1, days + 2)]


def _spelled(missing: Sequence[tuple[str, str]], needed: Mapping[str, _Days]) -> str:
    table, partition = missing[0]
    of = "" if partition == WHOLE else f" of {partition}"
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"{table}{of}{more}{', as declared now' if partition in needed[table].other else ''}"
