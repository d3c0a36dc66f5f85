"""All declarations of one deployment together: every name they use of each other, resolved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.declaration.condition import columns_used, require_condition, require_repeatable
from mlops_assets.declaration.features import FeatureRepository, FeatureView, RequestColumn
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import Source, Table, stored_columns, table_columns
from mlops_assets.declaration.training_columns import LABEL, refuse_equal_columns
from mlops_assets.declaration.view_sql import require_fitting_sql
from mlops_assets.errors import DeclarationError, UnknownName


@dataclass(frozen=True)
class Calendar:
    """The days a daily table or view has. end: the last day, None when it goes on."""

    timezone: str
    start: date
    end: date | None


@dataclass(frozen=True)
class DeclaredTable:
    """A table and the source that declares it."""

    source: Source
    table: Table

    @property
    def calendar(self) -> Calendar | None:
        """The table's days; None when it is not partitioned."""
        if not self.table.is_daily:
            return None
        return Calendar(self.source.timezone, self.source.start, self.source.end)


@dataclass(frozen=True, eq=False)
class Catalog:
    """The sources and features that models may use. One is equal to itself only, so what it means may be kept."""

    tables: dict[str, DeclaredTable]
    features: FeatureRepository

    @classmethod
    def of(cls, sources: Sequence[Source], features: FeatureRepository) -> Catalog:
        """Every name of the feature repository resolved, and its SQL found to fit. Raises DeclarationError."""
        _refuse_equal_names(sources)
        catalog = cls(_tables(sources), features)
        for view in features.views.values():
            catalog.view_calendar(view)
            read = {name: stored_columns(catalog.tables[name].table) for name in view.reads}
            require_fitting_sql(view, catalog.features.key_types(view.name), read)
        return catalog

    def table(self, name: str, *, asked_by: str, field: Sequence[str | int] = ()) -> DeclaredTable:
        if name not in self.tables:
            raise UnknownName.among(name, self.tables, what="table", asked_by=asked_by, field=field)
        return self.tables[name]

    def with_referred(self, name: str) -> list[str]:
        """A table, and before it the tables that its rows refer to, however far away."""
        before = [far for other in self.tables[name].table.refers_to() for far in self.with_referred(other)]
        return [*before, name]

    def view_calendar(self, view: FeatureView) -> Calendar | None:
        """The days of a view: those of the daily tables it reads; None when it reads none."""
        found: list[Calendar] = []
        for name in view.reads:
            asked_by, field = f"feature view {view.name!r}", ("views", view.name, "reads", name)
            calendar = self.table(name, asked_by=asked_by, field=field).calendar
            if calendar is not None:
                found.append(calendar)
        if not found:
            return None
        zones = sorted({calendar.timezone for calendar in found})
        if len(zones) > 1:
            raise DeclarationError(
                f"feature view {view.name!r} reads tables whose days begin at different midnights "
                f"({', '.join(zones)}); expected one time zone",
                field=("views", view.name, "reads"),
            )
        ends = [calendar.end for calendar in found]
        end = None if None in ends else max(end for end in ends if end is not None)
        return Calendar(zones[0], min(calendar.start for calendar in found), end)

    def model_tables(self, model: Model) -> tuple[DeclaredTable, dict[str, FeatureView]]:
        """The table a model's events come from and the views it uses, all checked to fit.

        Raises DeclarationError for an unknown name, a column that is not known ahead of the
        event, a key that the events do not carry, or a window that no as-of date can fill.
        """
        asked_by = f"model {model.name!r}"
        events = self.table(model.label.table, asked_by=asked_by, field=("label", "table"))
        service = self.features.service(model.features, asked_by=asked_by)
        views = {name: self.features.views[name] for name in self.features.views_of(service.name)}
        _label_fits(model, events.table, asked_by)
        for index, column in enumerate(model.request):
            _known_ahead(events.table, column, asked_by=asked_by, field=("request", index))
        asked_with = list(self.features.request_columns(service.name))
        for taken in asked_with:
            _can_be_asked_with(taken, events.table, asked_by)
        refuse_equal_columns(model, events.table, asked_with, self.features.served(service.name))
        self._days_fit(model, events, views)
        self._limits_fit(model, asked_by)
        self._evaluation_fits(model, events, asked_by)
        return events, views

    def input_types(self, model: Model) -> dict[str, str]:
        """Every input column of a model in order, each with its type: the request's, then the views'."""
        events, _ = self.model_tables(model)
        return self._types(model, events)

    def first_as_of(self, model: Model) -> date:
        """The earliest as-of date whose whole window has days."""
        events, _ = self.model_tables(model)
        return events.source.start + timedelta(days=model.window.days)

    def last_as_of(self, model: Model) -> date | None:
        """The day after the events' last day; None when they go on."""
        events, _ = self.model_tables(model)
        end = events.source.end
        return None if end is None else end + timedelta(days=1)

    def _limits_fit(self, model: Model, asked_by: str) -> None:
        served = [one.column for one in self.features.served(model.features)]
        watched = [*model.request, *served, LABEL]
        for column in model.drift.limits.columns:
            if column not in watched:
                field = ("drift", "limits", "columns", column)
                raise UnknownName.among(column, watched, what="input", asked_by=asked_by, field=field)

    def _evaluation_fits(self, model: Model, events: DeclaredTable, asked_by: str) -> None:
        types = self._types(model, events)
        cut, asked = {**events.table.columns, **types}, model.evaluation
        named = [(("slices", at), column) for at, column in enumerate(asked.slices)]
        named += [(("groups", at), column) for at, column in enumerate(asked.groups)]
        for place, column in named:
            if column not in cut:
                field = ("evaluation", *place)
                raise UnknownName.among(column, cut, what="column", asked_by=asked_by, field=field)
        tested = [("invariances", column) for column in asked.invariances]
        for kind, column in [*tested, *(("directions", column) for column in asked.directions)]:
            if column not in types:
                where = ("evaluation", kind, column)
                raise UnknownName.among(column, types, what="input", asked_by=asked_by, field=where)
        for column in asked.directions:
            if types[column] not in ("integer", "number"):
                raise DeclarationError(
                    f"{asked_by} declares a direction of {column!r}, which is a {types[column]}; expected a number",
                    field=("evaluation", "directions", column),
                )

    def _types(self, model: Model, events: DeclaredTable) -> dict[str, str]:
        request = {column: events.table.columns[column].type for column in model.request}
        served = {one.column: one.type for one in self.features.served(model.features)}
        return {**request, **served}

    def _days_fit(self, model: Model, events: DeclaredTable, views: dict[str, FeatureView]) -> None:
        source = events.source
        if not events.table.is_daily:
            raise DeclarationError(
                f"model {model.name!r} labels rows of {events.table.name!r}, which is not daily; "
                "expected a table with 'partitions: daily'",
                field=("label", "table"),
            )
        last = source.end and source.end + timedelta(days=1)
        if last is not None and source.start + timedelta(days=model.window.days) > last:
            days = (last - source.start).days
            raise DeclarationError(
                f"model {model.name!r} needs a window of {model.window.days} days (train_days + "
                f"evaluate_days), and {source.name!r} has {days}, {source.start} to {source.end}",
                field=("window",),
            )
        for name, view in views.items():
            calendar = self.view_calendar(view)
            if calendar is not None and calendar.timezone != source.timezone:
                raise DeclarationError(
                    f"model {model.name!r}: the days of feature view {name!r} begin at midnight in "
                    f"{calendar.timezone}, those of {events.table.name!r} in {source.timezone}",
                    field=("features",),
                )


def lookback_days(span: timedelta) -> int:
    """Whole days that cover a time span.

    >>> lookback_days(timedelta(hours=25)), lookback_days(timedelta(0))
    (2, 0)
    """
    return math.ceil(span / timedelta(days=1))


def _tables(sources: Sequence[Source]) -> dict[str, DeclaredTable]:
    """Every table by its name. Of two with one name the later is refused."""
    found: dict[str, DeclaredTable] = {}
    for source, index, table in _each_table(sources):
        if table.name in found:
            other = found[table.name].source.name
            raise DeclarationError(
                f"table {table.name!r} is declared by source {other!r} and by source {source.name!r}",
                field=("sources", source.name, "tables", index, "name"),
            )
        found[table.name] = DeclaredTable(source, table)
    return found


def _each_table(sources: Sequence[Source]) -> Iterator[tuple[Source, int, Table]]:
    for source in sources:
        for index, table in enumerate(source.tables):
            yield source, index, table


def _refuse_equal_names(sources: Sequence[Source]) -> None:
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"{names.count(name)} sources are called {name!r}, expected one; give each a name of its own",
                field=("sources", name, "name"),
            )


def _label_fits(model: Model, events: Table, asked_by: str) -> None:
    positive, field = model.label.positive, ("label", "positive")
    # Before the columns, for one of which current_date could be taken.
    require_repeatable(positive, table_columns(events), field=field)
    for column in columns_used(positive, field=field):
        _is_column(events, column, asked_by=asked_by, field=field)
    require_condition(positive, events.name, table_columns(events), field=field)


def _is_column(table: Table, column: str, *, asked_by: str, field: Sequence[str | int]) -> None:
    """What a condition or a request may name: the table's columns, and the two times of every row."""
    known = table_columns(table)
    if column not in known:
        what = f"column of {table.name}"
        raise UnknownName.among(column, known, what=what, asked_by=asked_by, field=field)


def _can_be_asked_with(column: RequestColumn, events: Table, asked_by: str) -> None:
    _known_ahead(events, column.name, asked_by=f"{asked_by}, by {column.of},", field=("features",))
    found = events.columns[column.name].type
    if found != column.type:
        raise DeclarationError(
            f"{asked_by}: {column.name!r} is {found} in {events.name!r} and {column.type} in {column.of}",
            field=("features",),
        )


def _known_ahead(table: Table, column: str, *, asked_by: str, field: Sequence[str | int]) -> None:
    _is_column(table, column, asked_by=asked_by, field=field)
    if column not in table.known_ahead():
        ahead = ", ".join(table.known_ahead()) or "none"
        raise DeclarationError(
            f"{asked_by} asks with {column!r}, which is known only afterwards; known ahead in {table.name!r}: {ahead}",
            field=field,
        )
