"""What Prometheus reads of the service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlops_assets.declaration.contract import LONGEST_MS
from mlops_assets.monitoring.classes import Classes, LastHour, divergence

# Half a second is the article's limit of p95, and so a boundary. A quantile is never told to be beyond the last one.
LONGEST = LONGEST_MS / 1000
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, LONGEST)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BYTES = tuple(4.0**power for power in range(4, 11))
SCORES = tuple(tenth / 10 for tenth in range(1, 11))
# Counted from the first look on: the first failure would else be no increase of anything.
STATUSES = (200, 500, 503)
# Processor time is looked at again after so many seconds: who looks often does not see moments.
LEAST_SECONDS = 5.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Answering:
    """The version that answers, as its measures name it.

    objectives: what its contract promises, by name. classes: of the rows that it was evaluated on; None where it
    keeps none.
    """

    version: str
    as_of: str
    digest: str
    engine: str
    objectives: Mapping[str, float]
    classes: Classes | None


class Metrics:
    """The measures of one service, in a registry of its own. log_failures: how often the log failed until now."""

    def __init__(
        self, model: str, log_failures: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.registry = CollectorRegistry()
        named: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter(
            "model_requests", "Requests for predictions, by status of HTTP.", ["model", "status"], **named
        )
        self._errors = Counter(
            "model_errors", "Requests that were not answered, by kind.", ["model", "kind"], **named
        )
        self._nulls = Counter(
            "model_feature_nulls", "Served features without a value.", ["model", "feature"], **named
        )
        self._warned = Counter(
            "model_input_warnings", "Values that training never saw.", ["model", "field"], **named
        )
        self._classes = Counter(
            "model_predictions",
            "Predictions by class, from the contract's threshold on.",
            ["model", "class"],
            **named,
        )
        duration = Histogram(
            "model_request_duration_seconds",
            "From a request's head to its answer.",
            ["model"],
            buckets=SECONDS,
            **named,
        )
        rows = Histogram("model_request_rows", "Rows of a request.", ["model"], buckets=ROWS, **named)
        size = Histogram(
            "model_request_bytes", "Bytes of a request's body.", ["model"], buckets=BYTES, **named
        )
        scores = Histogram(
            "model_score", "Probabilities that were answered.", ["model"], buckets=SCORES, **named
        )
        ready = Gauge("model_ready", "Whether the service takes requests.", ["model"], **named)
        refused = Gauge(
            "model_update_refused",
            "Whether a version reigns that could not be verified, so that the one before it answers.",
            ["model"],
            **named,
        )
        self._duration, self._rows, self._bytes, self._scores = (
            one.labels(model) for one in (duration, rows, size, scores)
        )
        self._ready, self._refused = ready.labels(model), refused.labels(model)
        self._positive, self._negative = (
            self._classes.labels(model, one) for one in ("positive", "negative")
        )
        self._model = model
        self._statuses = {status: self._requests.labels(model, str(status)) for status in STATUSES}
        self._hour = LastHour(clock)
        self._version = _Version(model, self._hour)
        self.registry.register(self._version)
        self.registry.register(_Machine(model, log_failures, clock))

    def answered(self, status: int, seconds: float) -> None:
        """A request for predictions has its answer."""
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._requests.labels(self._model, str(status))
        counter.inc()
        self._duration.observe(seconds)

    def came(self, size: int) -> None:
        """A whole body has come, of so many bytes."""
        self._bytes.observe(size)

    def failed(self, kind: str) -> None:
        """A request was not answered."""
        self._errors.labels(self._model, kind).inc()

    def predicted(
        self,
        probabilities: Sequence[float],
        features: Sequence[Mapping[str, Any]],
        warned: Sequence[str],
        *,
        threshold: float,
        reigns: bool,
    ) -> None:
        """The rows of a request were scored.

        warned: the field of each warning. threshold: from which a row is of the positive class. reigns: by the version
        that does; what one beside it answers is no part of the hour that is compared.
        """
        self._rows.observe(len(probabilities))
        positive = 0
        for one in probabilities:
            self._scores.observe(one)
            positive += one >= threshold
        negative = len(probabilities) - positive
        self._positive.inc(positive)
        self._negative.inc(negative)
        if reigns:
            self._hour.count(positive, negative)
        for row in features:
            for feature, value in row.items():
                if value is None:
                    self._nulls.labels(self._model, feature).inc()
        for field in warned:
            self._warned.labels(self._model, field).inc()

    def serves(self, answering: Answering) -> None:
        """This version answers from now on. The last hour is that of one version."""
        before = self._version.answers
        if before is not None and before.version != answering.version:
            self._hour.forget()
        self._version.answers = answering

    def state(self, *, ready: bool, update_refused: bool) -> None:
        """How the service stands."""
        self._ready.set(ready)
        self._refused.set(update_refused)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)


class _Version(Collector):
    """Which version answers, what it promises, and how far what it predicts lies from where it was evaluated.

    Samples of one version, whatever answered before. answers: None before the first.
    """

    def __init__(self, model: str, hour: LastHour) -> None:
        self._model, self._hour = model, hour
        self.answers: Answering | None = None

    def collect(self) -> Iterator[Metric]:
        if self.answers is None:
            return
        yield self._info(self.answers)
        yield self._objectives(self.answers)
        yield from self._classes(self.answers)

    def _info(self, one: Answering) -> Metric:
        labels = {"version": one.version, "as_of": one.as_of, "digest": one.digest, "engine": one.engine}
        found = GaugeMetricFamily(
            "model_version_info",
            "The version that answers, as the labels say.",
            labels=["model", *labels],
        )
        found.add_metric([self._model, *labels.values()], 1)
        return found

    def _objectives(self, one: Answering) -> Metric:
        found = GaugeMetricFamily(
            "model_objective", "What the contract promises.", labels=["model", "objective"]
        )
        for name, value in one.objectives.items():
            found.add_metric([self._model, name], value)
        return found

    def _classes(self, one: Answering) -> Iterator[Metric]:
        counts = self._hour.counts()
        yield _gauge(
            "model_predictions_last_hour",
            "Predictions of the version that answers, of an hour at most.",
            self._model,
            sum(counts),
        )
        if one.classes is None:
            return
        base = GaugeMetricFamily(
            "model_base_class_ratio",
            "Share of a class where the version was evaluated, with which the last hour is compared.",
            labels=["model", "class"],
        )
        for name, count in zip(("positive", "negative"), one.classes, strict=True):
            base.add_metric([self._model, name], count / sum(one.classes))
        yield base
        apart = divergence(one.classes, counts)
        if apart is not None:
            yield _gauge(
                "model_class_js_divergence",
                "Jensen-Shannon divergence of the last hour's classes from the base, in bits, from 0 to 1.",
                self._model,
                apart,
            )


class _Machine(Collector):
    """What is measured when it is asked for."""

    def __init__(self, model: str, log_failures: Callable[[], int], clock: Callable[[], float]) -> None:
        self._model, self._log_failures, self._clock = model, log_failures, clock
        self._process = psutil.Process()
        # The first look is the one that later ones are counted from.
        self._since, self._processor = clock(), self._looked()

    def collect(self) -> Iterator[Metric]:
        if self._clock() - self._since >= LEAST_SECONDS:
            self._since, self._processor = self._clock(), self._looked()
        machine, process = self._processor
        yield _gauge(
            "machine_cpu_ratio",
            "Share of all cores that was busy between two looks, from 0 to 1.",
            self._model,
            machine,
        )
        yield _gauge(
            "service_cpu_cores",
            "Cores that this process kept busy between two looks; 1 is one whole core.",
            self._model,
            process,
        )
        yield _gauge(
            "service_memory_bytes",
            "Resident memory of this process.",
            self._model,
            self._process.memory_info().rss,
        )
        failures = CounterMetricFamily(
            "prediction_log_failures",
            "Records that could not be written, or not be brought to disk.",
            labels=["model"],
        )
        failures.add_metric([self._model], self._log_failures())
        yield failures

    def _looked(self) -> tuple[float, float]:
        """Busy since the last look: the share of the machine, and cores of this process."""
        return psutil.cpu_percent() / 100, self._process.cpu_percent() / 100


def _gauge(name: str, said: str, model: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, said, labels=["model"])
    gauge.add_metric([model], value)
    return gauge
