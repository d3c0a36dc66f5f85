"""Which runs bring a model up to an as-of date: what is missing or was made by other code, and nothing else."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import groupby

import dagster as dg

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.catalog import Calendar, Catalog, lookback_days
from mlops_assets.declaration.features import tables_read
from mlops_assets.declaration.model import Model
from mlops_assets.graph import keys
from mlops_assets.stores.stores import Stores

STAGES = ("training_set", "model", "evaluation_report", "release")
# Shows what came of them.
LINEAGE = "lineage"


@dataclass(frozen=True)
class PlannedRun:
    """One Dagster run. first, last: the range of partitions; both None for assets without any."""

    title: str
    assets: tuple[dg.AssetKey, ...]
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True)
class Written:
    """What is known of past writes.

    code: table -> partition -> code version that wrote it. current: the one that would write it now.
    outdated: table -> partitions made from rows that are others by now.
    """

    code: Callable[[str], dict[str, str]]
    current: Callable[[dg.AssetKey], str | None]
    outdated: Callable[[str], set[str]]

    def lacks(self, key: dg.AssetKey, partitions: Iterable[str]) -> list[str]:
        """The partitions that were never written, or by another version of the code, or from other rows."""
        table = keys.table_name(key)
        have, outdated, current = self.code(table), self.outdated(table), self.current(key)
        return [one for one in partitions if have.get(one) != current or one in outdated]


def written(stores: Stores, catalog: Catalog, current: Callable[[dg.AssetKey], str | None]) -> Written:
    """What is known now: each table is looked at once."""
    from mlops_assets.steps.ingestion import restated

    records = stores.records
    raw = {keys.table_name(keys.raw(name)): declared.table for name, declared in catalog.tables.items()}

    @cache
    def outdated(table: str) -> set[str]:
        landed = restated(stores, raw[table]) if table in raw else set()
        return records.outdated(table) | landed

    return Written(records.code_versions, current, outdated)


def model_run(model: Model, as_of: str) -> PlannedRun:
    """Train, evaluate and release as of a date."""
    assets = tuple(keys.of_model(model.name, stage) for stage in STAGES)
    return PlannedRun(f"{model.name} as of {as_of}", assets, as_of, as_of)


def is_made(model: Model, as_of: str, written: Written) -> bool:
    """Whether every stage of a model is there for an as-of date, by this code and from these rows."""
    return not any(written.lacks(keys.of_model(model.name, stage), [as_of]) for stage in STAGES)


def data_runs(
    catalog: Catalog,
    model: Model,
    written: Written,
    *,
    first_as_of: date,
    last_as_of: date,
    again: bool = False,
) -> list[PlannedRun]:
    """What must be read, validated and computed before ``model`` can be trained as of these dates, in order.

    again: all of it, also what is there already.
    """
    needed = _Needed(catalog, model, first_as_of, last_as_of, again)
    tables = [key for name in needed.tables for key in keys.of_table(name)]
    views = [keys.features(name) for name in needed.views]
    # Tables refer to each other, so those with the same days are made together; views read none of their own.
    together = {"data": _of_same_days(tables, needed), "features": [(view,) for view in views]}
    snapshots = [
        key for key in (*tables, *views) if needed.days(key) is None and needed.lacking(key, written)
    ]
    runs = [PlannedRun("snapshots", tuple(snapshots))] if snapshots else []
    for title, groups in together.items():
        runs.extend(_daily_runs(title, groups, needed, written))
    return _merged(runs)


def partitions_below(catalog: Catalog, model: Model, as_of: date) -> dict[str, list[str]]:
    """Each table that ``model`` is made from as of a date, by name, with the partitions of it that it needs."""
    needed = _Needed(catalog, model, as_of, as_of, again=False)
    days = {name: needed.days(keys.validated(name)) for name in needed.tables}
    return {name: [WHOLE] if found is None else found for name, found in days.items()}


class _Needed:
    """The tables and views below a model, and the days each must have."""

    def __init__(self, catalog: Catalog, model: Model, first: date, last: date, again: bool) -> None:
        self.again = again
        self.views = list(catalog.features.views_of(model.features))
        read = [model.label.table, *tables_read(catalog.features, model.features)]
        self.tables = list(dict.fromkeys(other for name in read for other in catalog.with_referred(name)))
        views = [catalog.features.views[name] for name in self.views]
        alive = max(
            (lookback_days(v.ttl + model.predict_before) for v in views if catalog.view_calendar(v)),
            default=0,
        )
        history = max((v.history_days(t) for v in views for t in v.reads), default=0)
        begin = first - timedelta(days=model.window.days + alive)
        end = last - timedelta(days=1)
        self._days: dict[dg.AssetKey, list[str] | None] = {}
        for view in views:
            self._days[keys.features(view.name)] = _days(catalog.view_calendar(view), begin, end)
        for table in self.tables:
            days = _days(catalog.tables[table].calendar, begin - timedelta(days=history), end)
            self._days.update(dict.fromkeys(keys.of_table(table), days))

    def days(self, key: dg.AssetKey) -> list[str] | None:
        """The days an asset must have; None when it has no days."""
        return self._days[key]

    def lacking(self, key: dg.AssetKey, written: Written) -> list[str]:
        """The partitions of an asset that must be made."""
        days = self._days[key]
        partitions = [WHOLE] if days is None else days
        return partitions if self.again else written.lacks(key, partitions)


def _days(calendar: Calendar | None, begin: date, end: date) -> list[str] | None:
    if calendar is None:
        return None
    first = max(begin, calendar.start)
    last = end if calendar.end is None else min(end, calendar.end)
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def _of_same_days(assets: Iterable[dg.AssetKey], needed: _Needed) -> list[tuple[dg.AssetKey, ...]]:
    by_days: dict[tuple[str, ...], list[dg.AssetKey]] = {}
    for key in assets:
        by_days.setdefault(tuple(needed.days(key) or ()), []).append(key)
    return [tuple(group) for group in by_days.values()]


def _daily_runs(
    title: str, groups: Iterable[tuple[dg.AssetKey, ...]], needed: _Needed, written: Written
) -> list[PlannedRun]:
    """A run for every stretch of days that one of a group lacks; groups that lack the same days share them.

    Rows that were read already are not read again for what is made of them.
    """
    by_days: dict[tuple[str, ...], list[dg.AssetKey]] = {}
    for group in groups:
        lacking = {key: needed.lacking(key, written) for key in group if needed.days(key)}
        days = sorted({day for of_key in lacking.values() for day in of_key})
        made = [key for key, of_key in lacking.items() if of_key or not keys.is_raw(key)]
        by_days.setdefault(tuple(days), []).extend(made)
    return [
        PlannedRun(title, tuple(assets), first, last)
        for days, assets in by_days.items()
        for first, last in stretches(days)
    ]


def stretches(days: Iterable[str]) -> Iterator[tuple[str, str]]:
    """First and last of days without a gap between them.

    >>> list(stretches(["2013-02-27", "2013-02-28", "2013-03-01", "2013-03-03"]))
    [('2013-02-27', '2013-03-01'), ('2013-03-03', '2013-03-03')]
    """
    numbered = enumerate(days)
    for _, stretch in groupby(numbered, key=lambda one: date.fromisoformat(one[1]).toordinal() - one[0]):
        found = [day for _, day in stretch]
        yield found[0], found[-1]


def _merged(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Neighbours over the same days as one run: Dagster orders the assets inside."""
    merged: list[PlannedRun] = []
    for run in runs:
        last = merged[-1] if merged else None
        if last is not None and run.first is not None and (last.first, last.last) == (run.first, run.last):
            merged[-1] = PlannedRun(
                f"{last.title} and {run.title}", last.assets + run.assets, run.first, run.last
            )
        else:
            merged.append(run)
    return merged
