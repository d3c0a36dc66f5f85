"""The past of a model as it was known at each as-of date, for policies to be replayed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.drift import DriftLimits
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.retraining import DriftOf
from mlops_assets.governance.decay import evaluated_and_newest, growth
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.retraining import Seen
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.serialization import Loaded
from mlops_assets.monitoring.arrival import Arrival, DayLabels, new_labels
from mlops_assets.monitoring.findings import DriftReport
from mlops_assets.steps.evaluated import evaluated
from mlops_assets.steps.evaluation import Reigns, loaded_model, measured
from mlops_assets.steps.hindsight import Known, daily_losses, known_events
from mlops_assets.steps.labels import label_days
from mlops_assets.steps.seen import severity
from mlops_assets.steps.training import TrainedRecord, trained_record
from mlops_assets.steps.watching import both_sides
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores

# Days are read so many at a time, and the rows of so many readings are kept in memory.
AT_ONCE, READINGS = 30, 32
# So many models are kept in memory.
MODELS = 16


@dataclass(frozen=True, eq=False)
class Past:
    """Of one model. dates: the as-of dates of the replay, in order; until: the day after the last that counts.

    make: materializes the training set and the model of an as-of date, unless they are there.
    """

    stores: Stores
    catalog: Catalog
    model: Model
    dates: Sequence[str]
    until: str
    make: Callable[[str], None]
    _made: dict[str, TrainedRecord] = field(default_factory=dict)
    _reports: dict[tuple[str, str, str], DriftReport] = field(default_factory=dict)
    _lost: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    _evidence: dict[tuple[str, str | None], Evidence] = field(default_factory=dict)

    def train(self, as_of: str) -> float:
        """The CPU seconds of the fit, which is done once for all policies."""
        return self._record(as_of).cpu_seconds

    def evidence(self, challenger: str, champion: str | None) -> Evidence:
        """As the evaluation report measures it, beside this champion instead of the one that was released."""
        asked = (challenger, champion)
        if asked not in self._evidence:
            record, loaded = self._record(challenger), self._loaded(challenger)
            reigning = None if champion is None else Reigns(self._number(champion), self._loaded(champion))
            taught = self.stores.lake.pin(f"{self.model.name}/training_set", [challenger])
            found = evaluated(self.stores, self.catalog, self.model, taught)
            scores = score(loaded.model, loaded.inputs, found.rows)
            self._evidence[asked] = measured(
                self.catalog, self.model, record, loaded, found, scores, reigning
            )
        return self._evidence[asked]

    def seen(self, champion: str, as_of: str, drift: str, drift_of: Sequence[DriftOf]) -> Seen:
        """What the drift policy says of the newest window, and by how much the loss surely grew."""
        said = severity(self._report(champion, as_of, drift), drift_of)
        return Seen(as_of, said, self._grown(champion, as_of), new_labels(self._labels(as_of), champion))

    def losses(self, model: str, first: str, until: str) -> dict[str, float]:
        """Day -> mean log loss; days without a label that is known are left out."""
        found: dict[str, float] = {}
        for begin, end in self._readings:
            if begin < until and first < end:
                lost = self._of_reading(model, begin, end)
                found |= {day: value for day, value in lost.items() if first <= day < until}
        return found

    @cached_property
    def _readings(self) -> list[tuple[str, str]]:
        """First day and the day after the last of all that is read at once, in order."""
        first, end = date.fromisoformat(self.dates[0]), date.fromisoformat(self.until)
        begins = [first + timedelta(days=at) for at in range(0, (end - first).days, AT_ONCE)]
        return [(a.isoformat(), b.isoformat()) for a, b in zip(begins, [*begins[1:], end], strict=True)]

    def _of_reading(self, model: str, first: str, until: str) -> dict[str, float]:
        asked = (model, first)
        if asked not in self._lost:
            self._lost[asked] = self._daily(model, self._read(first, until, self.until))
        return self._lost[asked]

    def _daily(self, model: str, known: Known) -> dict[str, float]:
        return daily_losses(self._loaded(model), known)

    def _grown(self, champion: str, as_of: str) -> float | None:
        """By how much at least its loss is greater than when it was evaluated, by the labels known as of a date."""
        arrival = self._arrival(as_of)
        if arrival is None:
            return None
        stretches = evaluated_and_newest(
            champion,
            days=self.model.window.evaluate_days,
            mature_until=arrival.mature_until(self.model.label.mature_at, as_of),
        )
        sides = (self._daily(champion, self._read(first, until, as_of)) for first, until in stretches)
        found = growth(*sides, at_least_days=self.model.gates.champion.at_least_days)
        return None if found is None else found.least

    def _report(self, champion: str, as_of: str, drift: str) -> DriftReport:
        asked = (champion, as_of, drift)
        if asked not in self._reports:
            declared = self.model.drift.model_copy(
                update={
                    "policy": drift,
                    "limits": self.model.drift.limits if drift == self.model.drift.policy else DriftLimits(),
                }
            )
            sides = both_sides(
                self.stores,
                self.catalog,
                self.model,
                self._as_release(champion),
                self._events,
                self._views,
                as_of,
            )
            self._reports[asked] = sides.judged(declared, self._history(champion, as_of, drift))
        return self._reports[asked]

    def _history(self, champion: str, as_of: str, drift: str) -> list[DriftReport]:
        """Of the looks before whose windows do not overlap, oldest first."""
        found, before = [], date.fromisoformat(as_of)
        for earlier in reversed([one for one in self.dates if one < as_of]):
            apart = (before - date.fromisoformat(earlier)).days >= self.model.drift.window_days
            if apart and (champion, earlier, drift) in self._reports:
                found.append(self._reports[champion, earlier, drift])
                before = date.fromisoformat(earlier)
        return found[::-1]

    def _record(self, as_of: str) -> TrainedRecord:
        if as_of not in self._made:
            self.make(as_of)
            made = self.stores.lake.pin(f"{self.model.name}/model", [as_of])
            self._made[as_of] = trained_record(self.stores, made)
        return self._made[as_of]

    def _as_release(self, as_of: str) -> Release:
        """A model of the replay, as if it had been released."""
        record = self._record(as_of)
        return Release(
            model=self.model.name,
            version=self._number(as_of),
            as_of=as_of,
            model_digest=record.model_digest,
            artifact_digest=record.artifact_digest,
            mlflow_run_id=record.mlflow_run_id,
            mlflow_version=None,
            mlflow_digest=None,
            released_at="",
            run_id="",
            feature_hash=record.feature_hash,
            view_versions={},
            contract="",
        )

    def _number(self, as_of: str) -> int:
        return 1 + list(self.dates).index(as_of)

    def _loaded(self, as_of: str) -> Loaded:
        return self._load(self._record(as_of).artifact_digest)

    @cached_property
    def _load(self) -> Callable[[str], Loaded]:
        return lru_cache(MODELS)(lambda digest: loaded_model(self.stores, digest))

    @cached_property
    def _arrival(self) -> Callable[[str], Arrival | None]:
        return lru_cache(READINGS)(self._arrived)

    def _arrived(self, as_of: str) -> Arrival | None:
        return Arrival.of(self._labels(as_of), as_of)

    @cached_property
    def _labels(self) -> Callable[[str], list[DayLabels]]:
        return lru_cache(READINGS)(
            lambda as_of: label_days(self.stores, self.catalog, self.model, self._events, as_of)
        )

    @cached_property
    def _read(self) -> Callable[[str, str, str], Known]:
        return lru_cache(READINGS)(self._known)

    def _known(self, first: str, until: str, by: str) -> Known:
        days = [date.fromisoformat(one) for one in (first, until, by)]
        return known_events(self.stores, self.catalog, self.model, self._events, self._views, *days)

    @cached_property
    def _events(self) -> Pinned:
        return self.stores.lake.pin(f"validated/{self.model.label.table}")

    @cached_property
    def _views(self) -> Mapping[str, Pinned]:
        views = self.catalog.features.views_of(self.model.features)
        return {view: self.stores.lake.pin(f"features/{view}") for view in views}
