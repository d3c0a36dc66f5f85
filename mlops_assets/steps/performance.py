"""How the champion does on days whose labels are there, beside the days it was evaluated on and the version before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from mlops_assets.data.training_set import Horizon
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import question, view_version
from mlops_assets.governance.decay import Stretch, evaluated_and_newest, growth
from mlops_assets.modeling.evaluation import brier_losses, log_losses, measure
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.intervals import DayDraws, intervals
from mlops_assets.modeling.serialization import Loaded
from mlops_assets.monitoring.arrival import Arrival, DayLabels, days_between, new_labels
from mlops_assets.monitoring.performance import Day, PerformanceReport, judged
from mlops_assets.steps.estimate import Estimating
from mlops_assets.steps.evaluation import OTHER_QUESTION, loaded_model
from mlops_assets.steps.hindsight import Asked, Known, asked_events, by_day, daily_losses, known_events
from mlops_assets.steps.labels import label_days, label_window
from mlops_assets.steps.question import pinned_question
from mlops_assets.steps.training import one_row
from mlops_assets.steps.training_set import contents_read, require_versions
from mlops_assets.steps.watching import other_features
from mlops_assets.stores.pinned import Content, Pinned
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

TABLE = "performance_report"


@dataclass(frozen=True)
class Performed:
    """What was found, and as what it is written."""

    report: PerformanceReport
    produced: Produced


def judge_performance(
    stores: Stores, catalog: Catalog, model: Model, events: Pinned, views: Mapping[str, Pinned], as_of: str
) -> Performed:
    """Measure the version that reigned just before ``as_of`` on mature days, by labels known when that began.

    events, views: of the window before ``as_of``, as a training set reads them. The days that the version was
    evaluated on may be older; they are read from the lake.
    Raises NotMaterialized when a day is missing, and GateRefusal when one of a view is of another version of it.
    """
    look = _Look(stores, catalog, model, as_of)
    look.require_versions(views)
    days = label_days(stores, catalog, model, events, as_of)
    arrival, champion = Arrival.of(days, as_of), stores.releases.reigned(model.name, until=as_of)
    seen = _seen(model, champion, days, arrival, as_of)
    read = contents_read(events, views, label_window(catalog, model, as_of))
    if champion is None or arrival is None:
        return _performed(model, seen, read)
    loaded = loaded_model(stores, champion.artifact_digest)
    other = look.other_question(champion, loaded)
    if other is not None:
        return _performed(model, replace(seen, why=other), read)
    evaluated, newest = evaluated_and_newest(
        champion.as_of,
        days=model.window.evaluate_days,
        mature_until=arrival.mature_until(model.label.mature_at, as_of),
    )
    window = Horizon.watched(date.fromisoformat(champion.as_of), model.window.evaluate_days, look.zone)
    then = pinned_question(stores, catalog, model, window)
    look.require_versions(then[1])
    before = look.known(*then, evaluated)
    # Days that the version could have learned from, or that no training set of this date would hold, are left out.
    since = max(champion.as_of, days[0].day)
    asked = look.asked(events, views, since)
    after = asked.known(newest[1])
    found = look.beside_predecessor(champion, look.measured(seen, loaded, before, after, newest), after)
    found = look.estimated(found, loaded, before, asked, since)
    return _performed(model, found, (*read, *contents_read(*then, window)))


def recorded_performance(
    stores: Stores, model: Model, as_of_dates: Sequence[str]
) -> dict[str, PerformanceReport]:
    """As-of date -> what was found, of those dates for which there is a report."""
    table = f"{model.name}/{TABLE}"
    if not stores.records.contents(table, partitions=as_of_dates):
        return {}
    pinned = stores.lake.pin(table, as_of_dates)
    rows = stores.engine.rows("SELECT as_of, report FROM reports ORDER BY as_of", {"reports": pinned})
    return {row["as_of"]: PerformanceReport.from_dict(json.loads(row["report"])) for row in rows.to_pylist()}


@dataclass(frozen=True)
class _Look:
    """What one look at a model needs to know of where it looks."""

    stores: Stores
    catalog: Catalog
    model: Model
    as_of: str

    @property
    def zone(self) -> ZoneInfo:
        return self.catalog.tables[self.model.label.table].source.zone

    def require_versions(self, views: Mapping[str, Pinned]) -> None:
        declared = {view: str(view_version(self.catalog, view)) for view in views}
        require_versions(self.stores.records, views, declared)

    def other_question(self, release: Release, loaded: Loaded) -> str | None:
        """Why a version cannot be asked what is asked now; None when it can."""
        if loaded.question == question(self.catalog, self.model):
            return None
        told = other_features(self.catalog, self.model, release)
        return told or f"version {release.version}: {OTHER_QUESTION}"

    def known(self, events: Pinned, views: Mapping[str, Pinned], stretch: Stretch) -> Known:
        days = [date.fromisoformat(one) for one in (*stretch, self.as_of)]
        return known_events(self.stores, self.catalog, self.model, events, views, *days)

    def asked(self, events: Pinned, views: Mapping[str, Pinned], since: str) -> Asked:
        days = [date.fromisoformat(one) for one in (since, self.as_of)]
        return asked_events(self.stores, self.catalog, self.model, events, views, *days)

    def measured(
        self, seen: PerformanceReport, loaded: Loaded, before: Known, after: Known, newest: Stretch
    ) -> PerformanceReport:
        """The report with what the labels say of the champion."""
        model, scores = self.model, score(loaded.model, loaded.inputs, after.rows)
        losses = by_day(after, log_losses(after.labels, scores))
        briers = by_day(after, brier_losses(after.labels, scores))
        evaluated = daily_losses(loaded, before)
        found = growth(
            evaluated,
            {day: loss for day, loss in losses.items() if day >= newest[0]},
            at_least_days=model.gates.champion.at_least_days,
        )
        report = replace(
            seen,
            days=tuple(
                replace(one, log_loss=losses.get(one.day), brier=briers.get(one.day)) for one in seen.days
            ),
            evaluated=evaluated,
            metrics=measure(after.labels, scores),
            intervals=intervals(after.labels, scores, DayDraws.of(after.days, seed=model.seed)),
            growth=None if found is None else found.mean,
            grown=None if found is None else found.least,
        )
        return judged(report, limit=model.retraining.decay or 0.0, needed=model.gates.champion.at_least_days)

    def beside_predecessor(
        self, champion: Release, report: PerformanceReport, after: Known
    ) -> PerformanceReport:
        """The report with what the version before it would have lost, on days that neither could learn from."""
        release = self._predecessor(champion)
        if release is None:
            return replace(report, without="no version reigned before it")
        loaded = loaded_model(self.stores, release.artifact_digest)
        other = self.other_question(release, loaded)
        if other is not None:
            return replace(report, without=other)
        losses = daily_losses(loaded, after)
        days = (
            replace(one, predecessor=losses.get(one.day) if one.day >= release.as_of else None)
            for one in report.days
        )
        return replace(report, days=tuple(days), predecessor=release.version)

    def estimated(
        self, report: PerformanceReport, loaded: Loaded, before: Known, asked: Asked, since: str
    ) -> PerformanceReport:
        """The report with what is to be expected of days whose labels are not there, and how that did before."""
        if report.mature_after is None:
            return report
        estimating = Estimating.of(
            [(one, score(loaded.model, loaded.inputs, one.rows)) for one in (before, asked)],
            since=since,
            as_of=self.as_of,
            mature_after=report.mature_after,
            threshold=self.model.evaluation.threshold,
        )
        return replace(report, estimates=estimating.estimates())

    def _predecessor(self, champion: Release) -> Release | None:
        """The version that reigned before, of those made for dates before this one."""
        made = {
            one.version: one
            for one in self.stores.releases.versions(self.model.name)
            if one.as_of < self.as_of and one.version != champion.version
        }
        reigned = [one.version for one in self.stores.reigns.history(self.model.name)]
        return next((made[version] for version in reversed(reigned) if version in made), None)


def _seen(
    model: Model, champion: Release | None, days: Sequence[DayLabels], arrival: Arrival | None, as_of: str
) -> PerformanceReport:
    """What the arrival of labels alone tells."""
    share = model.label.mature_at
    mature_until = "" if arrival is None else arrival.mature_until(share, as_of)
    why = (
        f"no version of {model.name} reigned before {as_of}"
        if champion is None
        else f"no label of the {len(days)} days before {as_of} is known"
    )
    return PerformanceReport(
        as_of=as_of,
        champion=None if champion is None else champion.version,
        model_digest="" if champion is None else champion.model_digest,
        verdict="not enough data",
        why=why,
        mature_at=share,
        mature_after=None if arrival is None else arrival.mature_after(share),
        arrival=() if arrival is None else arrival.shares,
        days=tuple(
            Day(
                day=one.day,
                events=one.events,
                labels=one.labels,
                arrived=tuple(sorted(one.arrived.items())),
                expected=None if arrival is None else arrival.expected(days_between(one.day, as_of)),
                mature=one.day < mature_until,
            )
            for one in days
        ),
        new_labels=0 if champion is None else new_labels(days, champion.as_of),
    )


def _performed(model: Model, report: PerformanceReport, read: Iterable[Content]) -> Performed:
    values = {
        "as_of": report.as_of,
        "champion_version": report.champion or 0,
        "model_digest": report.model_digest,
        "verdict": report.verdict,
        "mature_days": len(report.losses),
        "new_labels": report.new_labels,
        "report": json.dumps(report.to_dict(), sort_keys=True),
    }
    # A day that the version was evaluated on may be one of the window, too.
    once = {(one.table, one.partition): one for one in read}
    made = replace(
        one_row(values, report.as_of),
        reads={report.as_of: tuple(once.values())},
        verdicts={report.as_of: report.verdicts()},
    )
    return Performed(report, made)
