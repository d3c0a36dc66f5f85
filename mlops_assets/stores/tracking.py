"""The port to experiment tracking: what the graph may ask of it, whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlops_assets.stores.releases import Release

EndedAs = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Shown:
    """What the registry shows of a model. champion: the number of the version that carries the alias.

    digests: the number of each version -> SHA-256 over its files, empty where they are gone.
    shows: the number of each version -> the released version that it says it shows; those that say nothing apart.
    """

    champion: str | None
    digests: Mapping[str, str]
    shows: Mapping[str, str]


class TrackedRun(Protocol):
    """One open tracking run."""

    @property
    def run_id(self) -> str:
        """The tracker's own id of the run."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """What was chosen."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """What was measured."""

    def log_model(self, pipeline: Any, example: Any, *, trusted_types: list[str]) -> None:
        """A fitted pipeline that others can load with the tracker's own tools."""


class Tracking(Protocol):
    """Where runs, metrics and model versions are shown to people."""

    def run(
        self, context: Any, *, experiment: str, name: str, tags: Mapping[str, str]
    ) -> AbstractContextManager[TrackedRun]:
        """Open a run of its own. It ends FAILED when the block raises, else it stays open."""

    def add_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Add to a run that may have ended."""

    def add_page(self, run_id: str, name: str, page: str) -> None:
        """Show a page with a run that may have ended."""

    def mirror(self, release: Release, *, champion: bool) -> tuple[str, str]:
        """Show a release as a model version, with the champion alias if it reigns; its number and digest there."""

    def shown(self, model: str) -> Shown:
        """What is shown of a model now."""

    def close(self, key: str, status: EndedAs) -> None:
        """Give the open run that was noted under this key its final status; it may never have come to be."""
