"""What Prometheus reads of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

# Half a second is the article's limit of p95, and so a boundary.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SCORES = tuple(tenth / 10 for tenth in range(1, 11))
# The class that is more likely than the other. Who decides at another threshold reads the histogram of scores.
LIKELIER = 0.5
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The measures of one service, in a registry of its own. log_failures: how often the log failed until now."""

    def __init__(self, model: str, log_failures: Callable[[], int]) -> None:
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
            "model_predictions", "Predictions by the likelier class.", ["model", "class"], **named
        )
        duration = Histogram(
            "model_request_duration_seconds",
            "From a request's head to its answer.",
            ["model"],
            buckets=SECONDS,
            **named,
        )
        rows = Histogram("model_request_rows", "Rows of a request.", ["model"], buckets=ROWS, **named)
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
        self._duration, self._rows, self._scores = (
            duration.labels(model),
            rows.labels(model),
            scores.labels(model),
        )
        self._ready, self._refused = ready.labels(model), refused.labels(model)
        self._positive, self._negative = (
            self._classes.labels(model, one) for one in ("positive", "negative")
        )
        self._model = model
        self._statuses: dict[int, Counter] = {}
        self._version = _Version(model)
        self.registry.register(self._version)
        self.registry.register(_Machine(model, log_failures))

    def answered(self, status: int, seconds: float) -> None:
        """A request for predictions has its answer."""
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._requests.labels(self._model, str(status))
        counter.inc()
        self._duration.observe(seconds)

    def failed(self, kind: str) -> None:
        """A request was not answered."""
        self._errors.labels(self._model, kind).inc()

    def predicted(
        self, probabilities: Sequence[float], features: Sequence[Mapping[str, Any]], warned: Sequence[str]
    ) -> None:
        """The rows of a request were scored. warned: the field of each warning."""
        self._rows.observe(len(probabilities))
        positive = 0
        for one in probabilities:
            self._scores.observe(one)
            positive += one >= LIKELIER
        self._positive.inc(positive)
        self._negative.inc(len(probabilities) - positive)
        for row in features:
            for feature, value in row.items():
                if value is None:
                    self._nulls.labels(self._model, feature).inc()
        for field in warned:
            self._warned.labels(self._model, field).inc()

    def serves(self, version: int, as_of: str, digest: str, engine: str) -> None:
        """This version answers from now on."""
        self._version.answers = (str(version), as_of, digest, engine)

    def state(self, *, ready: bool, update_refused: bool) -> None:
        """How the service stands."""
        self._ready.set(ready)
        self._refused.set(update_refused)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)


class _Version(Collector):
    """Which version answers: one sample, whatever answered before. answers: its labels; None before the first."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.answers: tuple[str, str, str, str] | None = None

    def collect(self) -> Iterator[Metric]:
        found = GaugeMetricFamily(
            "model_version_info",
            "The version that answers, as the labels say.",
            labels=["model", "version", "as_of", "digest", "engine"],
        )
        if self.answers is not None:
            found.add_metric([self._model, *self.answers], 1)
        yield found


class _Machine(Collector):
    """What is measured when it is asked for."""

    def __init__(self, model: str, log_failures: Callable[[], int]) -> None:
        self._model, self._log_failures = model, log_failures
        self._process = psutil.Process()
        # The first look is the one that later ones are counted from.
        self._process.cpu_percent()
        psutil.cpu_percent()

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "machine_cpu_ratio",
            "Share of all cores that was busy since the last look, from 0 to 1.",
            self._model,
            psutil.cpu_percent() / 100,
        )
        yield _gauge(
            "service_cpu_cores",
            "Cores that this process kept busy since the last look.",
            self._model,
            self._process.cpu_percent() / 100,
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


def _gauge(name: str, said: str, model: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, said, labels=["model"])
    gauge.add_metric([model], value)
    return gauge
