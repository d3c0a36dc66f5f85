"""The rollout that is open, followed by a service: its candidate loaded, asked, judged at each look, and let go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mlops_assets.errors import ArtifactMismatch, ReleaseConflict, RolloutConflict, ServiceRefused
from mlops_assets.governance.rollout import Judged
from mlops_assets.serving.clock import Clock
from mlops_assets.serving.released import UNREAD, Current
from mlops_assets.serving.request import Request
from mlops_assets.serving.rollout_metrics import RolloutMetrics
from mlops_assets.serving.shelves import Shelves
from mlops_assets.serving.trial import Answered, AtOnce, Trial, Work
from mlops_assets.steps.tried import settle
from mlops_assets.stores.ledger import PLATFORM
from mlops_assets.stores.prediction_log import PredictionLog, shadow_folder
from mlops_assets.stores.rollouts import Rollout, overtaken_by
from mlops_assets.stores.tallies import Tallies

# A candidate that cannot be tried yet is looked at again after so many seconds.
AGAIN_SECONDS = 10.0
logger = logging.getLogger(__name__)


class Trials:
    """One rollout after another.

    load: a version by its number, verified; raises what says why it may not be tried. refreshed: the same version, as
    its features are online now. why_not: why the candidate is not tried yet, or not judged, in a sentence; empty
    where it is, or there is none.
    """

    def __init__(
        self,
        shelves: Shelves,
        model: str,
        load: Callable[[int], Current],
        refreshed: Callable[[Current], Current],
        work: Work,
        at_once: AtOnce,
        clock: Clock,
        metrics: RolloutMetrics,
    ) -> None:
        self._shelves, self._model, self._load, self._refreshed = shelves, model, load, refreshed
        self._work, self._at_once, self._clock, self._metrics = work, at_once, clock, metrics
        self.why_not, self._not_before = "", 0.0
        self._trial: Trial | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._passed: Current | None = None

    @property
    def tries(self) -> int | None:
        """The version that is tried; None while none is."""
        return None if self._trial is None else self._trial.candidate.released.release.version

    async def answered(self, request: Request, by_champion: Callable[[], Awaitable[Answered]]) -> Answered:
        """The answer of whoever is to give it. Raises what the champion raises."""
        trial = self._trial
        return await (by_champion() if trial is None else trial.answered(request, by_champion))

    def loaded(self, version: int) -> Current | None:
        """A version whose rollout ended at the last look, so that it need not be loaded again."""
        found = self._passed
        return found if found is not None and found.released.release.version == version else None

    async def look(self, champion: Current) -> None:
        """Begin, judge and end what is to be begun, judged and ended. champion: what answers here."""
        self._passed = None
        rollout = await asyncio.to_thread(self._shelves.rollouts.current, self._model)
        reign = await asyncio.to_thread(self._shelves.reigns.current, self._model)
        assert reign is not None  # this service serves one
        if self._trial is not None and (rollout is None or rollout.number != self._trial.rollout.number):
            # Another service may have recorded that it passed: then it reigns by now.
            self._passed = self._trial.candidate
            self._let_go()
        if rollout is None:
            self.why_not = ""
            return
        if rollout.reign != reign.number:
            self._let_go()
            await self._record(self._stop, rollout, overtaken_by(reign))
        elif champion.released.release.version == reign.version:
            await self._judge(rollout)

    def close(self) -> None:
        """Let go of what is tried, at once; it goes on where the next process begins."""
        if self._trial is not None:
            self._trial.close()

    async def _judge(self, rollout: Rollout) -> None:
        trial = self._trial
        if trial is None:
            trial = await self._tried(rollout)
            if trial is None:
                return
        # First of all: whatever fails from here on, it is loaded and let go once.
        self._trial, trial.rollout = trial, rollout
        with suppress(*UNREAD):
            trial.candidate = await asyncio.to_thread(self._refreshed, trial.candidate)
        self._metrics.tries(rollout)
        try:
            found = await asyncio.to_thread(trial.judge, self._shelves.ledger.now())
        except (OSError, ValueError) as error:
            logger.exception("what rollout %s counted cannot be kept or read", rollout.number)
            self.why_not = f"what rollout {rollout.number} counted cannot be kept or read: {error}"
            return
        self.why_not = ""
        if found.answer == "go on":
            return
        # The champion answers all requests before that is written down.
        self._let_go()
        if found.answer == "passed":
            self._passed = trial.candidate
        await self._record(settle, self._shelves, rollout, found)

    async def _tried(self, rollout: Rollout) -> Trial | None:
        """A candidate that may be tried.

        One that may not be served has failed. What may be otherwise soon, a view that is not online or a place that
        does not answer, is told and tried again.
        """
        if time.monotonic() < self._not_before:
            return None
        try:
            trial = await asyncio.to_thread(self._begun, rollout)
        except (ArtifactMismatch, ServiceRefused) as error:
            logger.exception("version %s of %s may not be tried", rollout.version, self._model)
            told = Judged("failed", f"it may not be served: {type(error).__name__}: {error}")
            await self._record(settle, self._shelves, rollout, told)
        except Exception as error:
            logger.exception("version %s of %s is not tried yet", rollout.version, self._model)
            self.why_not = f"version {rollout.version} is not tried yet: {type(error).__name__}: {error}"
            self._not_before = time.monotonic() + AGAIN_SECONDS
        else:
            self.why_not = ""
            return trial
        return None

    def _begun(self, rollout: Rollout) -> Trial:
        candidate = self._load(rollout.version)
        home = self._shelves.home
        log = PredictionLog(shadow_folder(home, self._model)) if rollout.kind == "shadow" else None
        tallies = Tallies(home, self._model, rollout.number)
        return Trial(rollout, candidate, self._work, self._at_once, self._clock, tallies, log, self._metrics)

    def _stop(self, rollout: Rollout, why: str) -> None:
        self._shelves.rollouts.go_on(rollout, "stopped", by=PLATFORM, reason=why)

    async def _record(self, act: Callable[..., object], *arguments: object) -> None:
        """Write something down; where another service was quicker, or another version reigns by now, it is told so."""
        with suppress(RolloutConflict, ReleaseConflict):
            await asyncio.to_thread(act, *arguments)

    def _let_go(self) -> None:
        trial, self._trial = self._trial, None
        self._metrics.tries(None)
        if trial is not None:
            task = asyncio.create_task(trial.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
