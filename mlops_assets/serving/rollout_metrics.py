"""What Prometheus reads of a candidate beside the champion: the same measures of both, by role, while one is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlops_assets.serving.metrics import SCORES, SECONDS
from mlops_assets.stores.rollouts import Rollout

Role = Literal["candidate", "champion"]


class RolloutMetrics:
    """The measures of all rollouts of one service, in its registry."""

    def __init__(self, model: str, registry: CollectorRegistry) -> None:
        named: dict[str, Any] = {"registry": registry}
        self._model = model
        self._requests = Counter(
            "model_rollout_requests",
            "Requests while a version is tried, by role and by what came of them.",
            ["model", "role", "outcome"],
            **named,
        )
        self._seconds = Histogram(
            "model_rollout_duration_seconds",
            "What an answer took while a version is tried; of a shadow its scoring alone.",
            ["model", "role"],
            buckets=SECONDS,
            **named,
        )
        self._scores = Histogram(
            "model_rollout_score",
            "Probabilities while a version is tried.",
            ["model", "role"],
            buckets=SCORES,
            **named,
        )
        self._open = _Open(model)
        registry.register(self._open)

    def tries(self, rollout: Rollout | None) -> None:
        """This rollout is open from now on, or none is."""
        self._open.rollout = rollout

    def answered(self, role: Role, seconds: float, probabilities: Sequence[float]) -> None:
        """A request was answered."""
        self._requests.labels(self._model, role, "answered").inc()
        self._seconds.labels(self._model, role).observe(seconds)
        scores = self._scores.labels(self._model, role)
        for one in probabilities:
            scores.observe(one)

    def failed(self, role: Role) -> None:
        """A request was not answered; in a canary the champion answered it then."""
        self._requests.labels(self._model, role, "failed").inc()

    def left_out(self) -> None:
        """A request was not asked of a shadow, which has too many to answer."""
        self._requests.labels(self._model, "candidate", "left out").inc()


class _Open(Collector):
    """Which version is tried: the share of the requests that it answers, or is asked too; no sample while none is."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.rollout: Rollout | None = None

    def collect(self) -> Iterator[Metric]:
        found = GaugeMetricFamily(
            "model_rollout_share",
            "The share of the requests that a version is tried with, as the labels say.",
            labels=["model", "rollout", "version", "kind"],
        )
        tried = self.rollout
        if tried is not None:
            labels = [self._model, str(tried.number), str(tried.version), tried.kind]
            found.add_metric(labels, tried.share)
        yield found
