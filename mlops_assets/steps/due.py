"""For which as-of dates a model is to be looked at: its data are there, and no look at them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from mlops_assets.declaration.catalog import Calendar, Catalog, lookback_days
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.stores.records import Records
from mlops_assets.stores.stores import Stores

REPORTS = ("drift_report", "performance_report")


@dataclass(frozen=True)
class Due:
    """An as-of date to look at. inputs: a digest of what is there to be looked at."""

    as_of: str
    inputs: str


@dataclass(frozen=True)
class Looked:
    """due: in order of time. why_not: what a person is told when nothing is."""

    due: Sequence[Due]
    why_not: str


def due(stores: Stores, catalog: Catalog, model: Model) -> Looked:
    """The as-of dates to be looked at, of which all days are there.

    Those after the newest date that was judged of which there is no report, and those since the champion's whose
    report rests on rows that are others by now. Whatever happened between two times that this is asked, it answers
    from what is there, so that nothing can be missed.
    """
    judged = newest_judged(stores, model)
    if judged is None:
        first = catalog.first_as_of(model)
        return Looked(
            (),
            f"no version of {model.name} was ever judged: materialize its release as of a day from {first} on first",
        )
    needed = _needed(catalog, model)
    there = {table: _fingerprints(stores.records, table) for table in needed}
    newest = max(there[f"validated/{model.label.table}"], default=None)
    if newest is None or newest < judged:
        return Looked((), f"no rows of {model.label.table} from {judged} on, the newest day that was judged")
    reported = _Reported.of(stores.records, model)
    champion = stores.releases.champion(model.name)
    found, lacking = [], ""
    for as_of in _dates(min(judged, champion.as_of) if champion else judged, newest):
        if not (reported.outdated(as_of) or (as_of > judged and not reported.whole(as_of))):
            continue
        days = {table: of.before(as_of) for table, of in needed.items()}
        missing = [
            (table, day) for table, wanted in days.items() for day in wanted if day not in there[table]
        ]
        if missing:
            table, day = missing[0]
            lacking = lacking or f"as of {as_of} it lacks {table} of {day}{_and_more(missing)}"
        else:
            held = [there[table][day] for table, wanted in days.items() for day in wanted]
            found.append(Due(as_of, meaning(held)))
    return Looked(tuple(found), lacking or f"every day up to {newest} was looked at")


def newest_judged(stores: Stores, model: Model) -> str | None:
    """The newest as-of date about which anything was decided."""
    return max((one["as_of"] for one in stores.releases.history(model.name)), default=None)


@dataclass(frozen=True)
class _Days:
    """The days of a table that an as-of date reads: so many before it, as far as the calendar has them."""

    calendar: Calendar
    first: int

    def before(self, as_of: str) -> list[str]:
        end = date.fromisoformat(as_of)
        begin = max(end - timedelta(days=self.first), self.calendar.start)
        return [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days)]


def _needed(catalog: Catalog, model: Model) -> dict[str, _Days]:
    events, views = catalog.model_tables(model)
    assert events.calendar is not None
    window = max(model.drift.days, model.window.days)
    needed = {f"validated/{model.label.table}": _Days(events.calendar, window)}
    for name, view in views.items():
        calendar = catalog.view_calendar(view)
        if calendar is not None:
            alive = lookback_days(view.ttl + model.predict_before)
            needed[f"features/{name}"] = _Days(calendar, window + alive)
    return needed


def _fingerprints(records: Records, table: str) -> Mapping[str, str]:
    return {one.partition: one.fingerprint for one in records.contents(table)}


@dataclass(frozen=True)
class _Reported:
    """The as-of dates of each report that is there, and of each that rests on rows that are others by now."""

    made: Sequence[set[str]]
    old: Sequence[set[str]]

    @classmethod
    def of(cls, records: Records, model: Model) -> Self:
        tables = [f"{model.name}/{report}" for report in REPORTS]
        made = [{one.partition for one in records.contents(table)} for table in tables]
        return cls(made, [records.outdated(table) for table in tables])

    def whole(self, as_of: str) -> bool:
        return all(as_of in made for made in self.made)

    def outdated(self, as_of: str) -> bool:
        return any(as_of in old for old in self.old)


def _dates(after: str, newest: str) -> list[str]:
    """The as-of dates after one, up to the day after the newest."""
    first, days = date.fromisoformat(after), (date.fromisoformat(newest) - date.fromisoformat(after)).days
    return [(first + timedelta(days=n)).isoformat() for n in range(1, days + 2)]


def _and_more(missing: Sequence[object]) -> str:
    return f" and {len(missing) - 1} more days" if len(missing) > 1 else ""
