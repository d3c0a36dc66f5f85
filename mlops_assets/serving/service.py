"""The service beneath HTTP: the version that answers, its log, and how it comes to another version."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mlops_assets.declaration.features import FeatureRepository
from mlops_assets.errors import BadEnvironment, LogUnwritable, ServiceRefused
from mlops_assets.governance.contract import breaches
from mlops_assets.modeling.engines import COMPILED
from mlops_assets.serving.answers import Answer, answers
from mlops_assets.serving.batching import Batches
from mlops_assets.serving.clock import Clock, true_time
from mlops_assets.serving.metrics import Answering, Metrics
from mlops_assets.serving.released import (
    UNREAD,
    Current,
    Released,
    load_released,
    reigning,
    versions_online,
)
from mlops_assets.serving.request import Finding, Refused, Request
from mlops_assets.serving.rollout_metrics import RolloutMetrics
from mlops_assets.serving.shelves import Shelves
from mlops_assets.serving.succession import Succession
from mlops_assets.serving.trials import Trials
from mlops_assets.serving.windows import Windows
from mlops_assets.stores.prediction_log import PredictionLog

Durability = Literal["write", "fsync"]
# After so many seconds a version that was refused is tried again: its features may be online by now.
AGAIN_SECONDS = 30.0
# Of more rows a table takes long enough for others to notice.
QUICK_ROWS = 8
# What waits for the worker when the service ends is waited for so long.
LAST_SECONDS = 30.0
# Warnings that an answer tells one by one.
TOLD = 20
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a service is run.

    edition: of the contract that callers know; by default the highest that reigned. clock: what time it is, another one
    than the true one for days of the past. durability: whether an answer waits until its record is written, or on disk.
    poll_seconds: between two looks at who reigns.
    """

    edition: int | None = None
    clock: Clock = true_time
    durability: Durability = "write"
    poll_seconds: float = 2.0


@dataclass
class State:
    """Why not all is well, in sentences; empty where it is.

    update: a version reigns that does not answer. tried: one that is to be tried is not. features: a view is not
    online. record: nobody knows who reigns.
    """

    draining: bool = False
    update: str = ""
    tried: str = ""
    features: str = ""
    record: str = ""

    @property
    def is_ready(self) -> bool:
        return not self.draining and not self.features

    @property
    def reasons(self) -> list[str]:
        told = ["it is going down"] if self.draining else []
        return told + [why for why in (self.features, self.update, self.tried, self.record) if why]


class Service:
    """Answers requests with the version that reigns, and writes each answer down before it is given.

    It does not start with a version that may not be served: raises what ``load_released`` and ``versions_online``
    raise. log: None where nothing is logged, which most contracts refuse. windows: the folder of what became of each
    minute's requests; None where that is not written down.
    """

    def __init__(
        self,
        shelves: Shelves,
        features: FeatureRepository,
        model: str,
        log: PredictionLog | None,
        settings: Settings | None = None,
        windows: Path | None = None,
    ) -> None:
        self.model, self.state = model, State()
        self._shelves, self._features, self._log = shelves, features, log
        self._settings = settings or Settings()
        self.current = self._verified(reigning(shelves, model).version)
        self._refused, self._refused_at = 0, 0.0
        self._wake = asyncio.Event()
        self.metrics = Metrics(model, lambda: log.failures if log else 0)
        self.windows = Windows(windows, self._settings.clock)
        self._batches: Batches[tuple[Current, Request], Answer] = Batches(self._work, (BadEnvironment,))
        self._succession = Succession(shelves, model)
        tried = RolloutMetrics(model, self.metrics.registry)
        self._trials = Trials(
            shelves,
            model,
            self._successor,
            self._refreshed,
            self._work,
            self._at_once,
            self._settings.clock,
            tried,
        )
        self._tell()

    async def predict(
        self, request: Request, current: Current, *, begun: float, by: str = ""
    ) -> dict[str, Any]:
        """The answer of the version by whose contract the request was read. begun: when it came, monotonic.

        by: the name of who asks, where they showed it. Raises Refused.
        """
        if self.state.features:
            raise Refused(503, "features", self.state.features)
        try:
            answer, answering = await self._trials.answered(request, lambda: self._answered(request, current))
        except UNREAD as error:
            raise Refused(503, "features", str(error)) from error
        await self._write_down(request, answering, answer, begun, by)
        warnings = [*request.warnings, *answer.findings]
        self.metrics.predicted(
            answer.probabilities,
            answer.features,
            [one.field for one in warnings],
            threshold=answering.released.contract.threshold,
            reigns=answering.released is self.current.released,
        )
        return _told(request, answering.released, answer, warnings)

    @property
    def tries(self) -> int | None:
        """The version that is tried beside the one that reigns."""
        return self._trials.tries

    async def watch(self) -> None:
        """Look who reigns, each few seconds and when it is asked to, until cancelled and whatever fails meanwhile."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.poll_seconds)
                self._refused = 0
            self._wake.clear()
            try:
                self.windows.flush()
                await self.look()
            except Exception:
                logger.exception("a look failed; the next one comes")

    async def look(self) -> None:
        """Let the version that reigns answer, if it may; where nobody knows which does, go on and say so."""
        try:
            await self._look()
            self.state.record = ""
        except Exception as error:
            logger.exception("the release record cannot be read")
            self.state.record = f"the release record cannot be read: {error}"
        self._tell()

    def look_now(self) -> None:
        """Look who reigns at once, also at a version that was refused."""
        self._wake.set()

    def drain(self) -> None:
        """Say that no more requests should come; those that do are answered all the same."""
        self.state.draining = True
        self._tell()

    def close(self) -> None:
        """Answer what waits, and bring the log to disk."""
        self._batches.close(LAST_SECONDS)
        if self._log is not None:
            self._log.close()
        self.windows.close()
        self._trials.close()

    async def _look(self) -> None:
        """Let the version that reigns answer, once it is verified; otherwise go on as before, and say why."""
        await self._succession.judge()
        await self._trials.look(self.current)
        self.state.tried = self._trials.why_not
        reign = await asyncio.to_thread(reigning, self._shelves, self.model)
        if reign.version == self.current.released.release.version:
            self.state.update = ""
        elif reign.number != self._refused or time.monotonic() - self._refused_at >= AGAIN_SECONDS:
            try:
                # In a thread: reading and verifying a model takes a second, and requests go on.
                successor = await asyncio.to_thread(self._successor, reign.version)
                watch = await asyncio.to_thread(self._succession.watch_of, successor, self.current, reign)
                self.current, self._succession.watch = successor, watch
                self.state.update = ""
            except Exception as error:
                logger.exception("version %s of %s may not be served", reign.version, self.model)
                self._refused, self._refused_at = reign.number, time.monotonic()
                self.state.update = f"version {reign.version} reigns and may not be served: {error}"
        await self._look_for_features()

    async def _look_for_features(self) -> None:
        """A view may have gone offline, or may be online as computed by another version that means the same."""
        try:
            self.current = await asyncio.to_thread(self._refreshed, self.current)
            self.state.features = ""
        except UNREAD as error:
            self.state.features = str(error)
        watch = self._succession.watch
        if watch is not None:
            with suppress(*UNREAD):
                watch.former = await asyncio.to_thread(self._refreshed, watch.former)

    async def _answered(self, request: Request, current: Current) -> tuple[Answer, Current]:
        """By the version that reigns; where that was not so long ago and it fails, by the one before, if that can."""
        watch = self._succession.watched(current)
        try:
            answer = self._at_once(request, current)
            if answer is None:
                answer = await self._batches.ask((current, request), rows=len(request.rows))
        except Exception as error:
            if watch is None:
                raise
            with suppress(Exception):
                answer = await self._batches.ask((watch.former, request), rows=len(request.rows))
                watch.failed()
                logger.error("version %s failed", current.released.release.version, exc_info=error)
                return answer, watch.former
            raise
        if watch is not None:
            watch.answered()
        return answer, current

    def _successor(self, version: int) -> Current:
        """A version that can take over, or be tried: verified, and bound to what callers were told."""
        found = self._loaded(version) or self._verified(version)
        if broken := breaches(self.current.released.contract, found.released.contract):
            raise ServiceRefused("; ".join(broken))
        return found

    def _loaded(self, version: int) -> Current | None:
        """What was verified and is still loaded: the version before, and one that has just passed."""
        return self._succession.loaded(version) or self._trials.loaded(version)

    def _verified(self, version: int) -> Current:
        released = load_released(
            self._shelves, self._features, self.model, version, edition=self._settings.edition
        )
        if self._log is None and released.contract.prediction_log == "required":
            raise ServiceRefused(
                f"the contract of {self.model} requires that predictions are logged; serve it with its log"
            )
        return Current(released, self._online(released))

    def _online(self, released: Released) -> dict[str, str]:
        return versions_online(self._shelves.online, released.contract, released.features)

    def _refreshed(self, current: Current) -> Current:
        """The same version, asked for its views as they are online now. Raises one of UNREAD."""
        versions = self._online(current.released)
        return current if versions == current.versions else replace(current, versions=versions)

    def _at_once(self, request: Request, current: Current) -> Answer | None:
        """The answer, where it is there sooner than a worker would wake up."""
        if not self._is_quick(request, current):
            return None
        return self._answers(current, [request], self._settings.clock())[0]

    def _is_quick(self, request: Request, current: Current) -> bool:
        """Whether it is answered by a table, from this machine, for a few rows."""
        released = current.released
        return (
            len(request.rows) <= QUICK_ROWS
            and released.engine.name == COMPILED
            and not request.explain
            and not released.delivery.computes
            and self._shelves.online.is_near
        )

    def _work(self, asked: Sequence[tuple[Current, Request]]) -> Sequence[Answer]:
        """A batch with a swap in it is answered by two versions, each its own requests."""
        at = self._settings.clock()
        found: dict[int, Answer] = {}
        for current in {id(one): one for one, _ in asked}.values():
            places = [place for place, (one, _) in enumerate(asked) if one is current]
            requests = [asked[place][1] for place in places]
            told = self._answers(current, requests, at)
            found |= dict(zip(places, told, strict=True))
        return [found[place] for place in range(len(asked))]

    def _answers(self, current: Current, requests: Sequence[Request], at: datetime) -> list[Answer]:
        return answers(current.released, self._shelves.online, current.versions, requests, at)

    async def _write_down(
        self, request: Request, current: Current, answer: Answer, begun: float, by: str
    ) -> None:
        if self._log is None:
            return
        record = {
            "id": request.id,
            "at": self._settings.clock(),
            "model": self.model,
            "version": current.released.release.version,
            "views": current.versions,
            "milliseconds": round(1000 * (time.perf_counter() - begun), 3),
            "request": request.rows,
            "features": answer.features,
            "probability": answer.probabilities,
            **({"by": by} if by else {}),
        }
        try:
            number = self._log.append(record)
            if self._settings.durability == "fsync":
                await asyncio.to_thread(self._log.sync_up_to, number)
        except LogUnwritable as error:
            logger.error("%s", error)
            if current.released.contract.prediction_log == "required":
                raise Refused(503, "log", "the answer could not be written down, so it is none") from error

    def _tell(self) -> None:
        self.metrics.serves(_answering(self.current.released))
        self.metrics.state(ready=self.state.is_ready, update_refused=bool(self.state.update))


def _answering(released: Released) -> Answering:
    release = released.release
    return Answering(
        version=str(release.version),
        as_of=release.as_of,
        digest=release.model_digest,
        engine=released.engine.name,
        objectives=released.contract.objectives,
        classes=released.classes,
    )


def _told(
    request: Request, released: Released, answer: Answer, warnings: Sequence[Finding]
) -> dict[str, Any]:
    predictions: list[dict[str, Any]] = [{"probability": one} for one in answer.probabilities]
    for prediction, explanation in zip(predictions, answer.explanations or (), strict=False):
        prediction["explanation"] = explanation
    return {
        "request_id": request.id,
        "model": released.release.model,
        "version": released.release.version,
        "predictions": predictions,
        "warnings": [one.told("message") for one in warnings[:TOLD]],
        "warnings_in_all": len(warnings),
    }
