"""A candidate beside the version that reigns: what it is asked, what is counted of both, and where that is written."""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from mlops_assets.errors import BadEnvironment, LogUnwritable
from mlops_assets.governance.rollout import (
    CELLS,
    EDGES,
    Beside,
    Counts,
    Judged,
    even_at,
    judged,
)
from mlops_assets.serving.answers import Answer
from mlops_assets.serving.batching import Batches
from mlops_assets.serving.clock import Clock
from mlops_assets.serving.released import Current
from mlops_assets.serving.request import Request
from mlops_assets.serving.rollout_metrics import RolloutMetrics
from mlops_assets.stores.prediction_log import PredictionLog
from mlops_assets.stores.rollouts import Rollout
from mlops_assets.stores.tallies import Tallies

# A canary that has not answered by then has failed, and the champion is asked; beside a canary a champion has too.
PATIENCE = 1.0
# Requests that wait for a canary at once: one that hangs must not hold the places of all. Who comes then is left out.
MOST_HELD = 16
# A worker that is at one batch for so long does not come back.
HUNG_SECONDS = 30.0
# An id counts once among the newest so many: whoever comes again meets the same version, which is no chance.
REMEMBERED = 100_000
# So many of a candidate's first answers are not timed: nothing of it was used before.
WARMING = 20
# Requests that wait for a shadow; who comes then is left out.
MOST_WAITING = 128
# So many places an id may have.
PLACES = 2**64
# What is kept of an error, in characters.
LONGEST = 500
logger = logging.getLogger(__name__)

# Answers some requests by a version, all at once.
Work = Callable[[Sequence[tuple[Current, Request]]], Sequence[Answer]]
# The answer of a version to a request that is answered sooner than a worker would wake up; None for any other.
AtOnce = Callable[[Request, Current], Answer | None]
Answered = tuple[Answer, Current]
NoAnswer = Literal["failed", "left out"]


class Trial:
    """One rollout in one process. log: of a shadow's scores; None for a canary, whose answers are in the service's.

    work, at_once: what computes answers, as it would if the candidate reigned; what a worker does for the champion, one
    of its own does for it, so that a slow one delays nobody else. clock: the service's.
    """

    def __init__(
        self,
        rollout: Rollout,
        candidate: Current,
        work: Work,
        at_once: AtOnce,
        clock: Clock,
        tallies: Tallies,
        log: PredictionLog | None,
        metrics: RolloutMetrics,
    ) -> None:
        self.rollout, self.candidate = rollout, candidate
        self._clock, self._tallies, self._log, self._metrics = clock, tallies, log, metrics
        self._at_once = at_once
        self._batches: Batches[tuple[Current, Request], tuple[Answer, float]] = Batches(
            _timed(work), (BadEnvironment,)
        )
        self._after = [rollout.limits.slow_after(edge) for edge in EDGES]
        self._counted: dict[float, _Both] = {}
        self._asked = self._in_flight = 0
        self._ended = False
        self._places: OrderedDict[int, None] = OrderedDict()
        self._first_error = ""
        self._shadows: set[asyncio.Task[None]] = set()

    async def answered(self, request: Request, by_champion: Callable[[], Awaitable[Answered]]) -> Answered:
        """The answer of whoever is to give it. A canary that fails is not noticed: the champion answers.

        Whose a request is its id says, so that one that comes again meets the same version; a share that grows keeps
        whom it had. Raises what the champion raises.
        """
        place = self._place(request.id)
        takes = self.rollout.kind == "canary" and place < self.rollout.share * PLACES
        if not self._is_new(place):
            return await (self._uncounted(request, by_champion) if takes else by_champion())
        if not takes:
            return await self._beside(request, by_champion)
        candidate = self.candidate
        found = await self._by_candidate(request)
        if isinstance(found, Answer):
            return found, candidate
        told = await by_champion()
        if found == "failed":
            # Where both fail it is nobody's own failure.
            self._failed_alone()
        else:
            self._metrics.left_out()
        return told

    def judge(self, now: str) -> Judged:
        """How the rollout stands by what all processes counted, and whether the candidate hangs in this one.

        now: a moment in UTC. Raises OSError, and ValueError for counts that cannot be read.
        """
        self._tallies.keep(self.counted())
        found = judged(self._tallies.all(), self.rollout.limits, seconds=self.rollout.seconds(now))
        hangs = self._batches.busy_seconds
        if hangs >= HUNG_SECONDS:
            sentence = f"it has not come back from what it was asked {hangs:.0f} s ago"
            found = Judged("failed", sentence, found.evidence)
        if not self._first_error:
            return found
        told = {**found.evidence, "first_error": self._first_error}
        return Judged(found.answer, found.sentence, told)

    def counted(self) -> list[Beside]:
        """What this process counted, by share."""
        return [
            Beside(even, both.candidate.counts(), both.champion.counts())
            for even, both in list(self._counted.items())
        ]

    async def end(self) -> None:
        """Answer what it was asked, forget what waits in its shadow, and close."""
        self._ended = True
        for task in self._shadows:
            task.cancel()
        while self._in_flight:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End its worker, and bring its log to disk."""
        self._batches.close(PATIENCE)
        if self._log is not None:
            self._log.close()

    @property
    def _now(self) -> _Both:
        """The counters of the share as it is."""
        return self._counted.setdefault(even_at(self.rollout.kind, self.rollout.share), _Both())

    def _place(self, request_id: str) -> int:
        """Where an id is among all, by chance, and the same in every process."""
        said = f"{self.rollout.model}:{self.rollout.number}:{request_id}".encode()
        return int.from_bytes(blake2b(said, digest_size=8).digest())

    def _is_new(self, place: int) -> bool:
        if place in self._places:
            return False
        self._places[place] = None
        if len(self._places) > REMEMBERED:
            self._places.popitem(last=False)
        return True

    async def _uncounted(self, request: Request, by_champion: Callable[[], Awaitable[Answered]]) -> Answered:
        """One that came before, by the version that it met."""
        candidate = self.candidate
        found = await self._asks(request)
        return (found, candidate) if isinstance(found, Answer) else await by_champion()

    async def _asks(self, request: Request) -> Answer | NoAnswer:
        """The candidate's answer, as if it reigned. A failure is noted; who would wait for long is left out."""
        try:
            answer = self._at_once(request, self.candidate)
            if answer is not None:
                return answer
            if self._in_flight >= MOST_HELD or self._batches.busy_seconds >= PATIENCE:
                return "left out"
            return await self._waits(request)
        except TimeoutError:
            self._note(f"no answer within {PATIENCE:g} s")
        except Exception as error:
            self._note(f"{type(error).__name__}: {error}")
        return "failed"

    async def _waits(self, request: Request) -> Answer:
        self._in_flight += 1
        try:
            async with asyncio.timeout(PATIENCE):
                answer, _ = await self._batches.ask((self.candidate, request), rows=len(request.rows))
        finally:
            self._in_flight -= 1
        return answer

    async def _timed_answer(self, request: Request) -> tuple[Answer, float]:
        """With the seconds that it took, without a wait."""
        begun = time.perf_counter()
        answer = self._at_once(request, self.candidate)
        if answer is not None:
            return answer, time.perf_counter() - begun
        return await self._batches.ask((self.candidate, request), rows=len(request.rows))

    async def _by_candidate(self, request: Request) -> Answer | NoAnswer:
        begun = time.perf_counter()
        self._asked += 1
        warm = self._asked > WARMING
        answer = await self._asks(request)
        if not isinstance(answer, Answer):
            return answer
        seconds = time.perf_counter() - begun
        own = self._now.candidate
        own.answered(answer)
        if warm:
            own.slow_at(range(bisect_left(self._after, seconds)))
        self._metrics.answered("candidate", seconds, answer.probabilities)
        return answer

    async def _beside(self, request: Request, by_champion: Callable[[], Awaitable[Answered]]) -> Answered:
        begun = time.perf_counter()
        try:
            answer, current = await by_champion()
        except Exception:
            self._now.champion.failed()
            self._metrics.failed("champion")
            raise
        seconds = time.perf_counter() - begun
        champion = self._now.champion
        self._metrics.answered("champion", seconds, answer.probabilities)
        if self.rollout.kind == "canary" and seconds > PATIENCE:
            # A machine that stalls is no difference of the two.
            champion.failed()
            return answer, current
        champion.answered(answer)
        if self.rollout.kind == "canary":
            champion.slow_at(range(bisect_left(EDGES, seconds)))
        elif self._ended or len(self._shadows) >= MOST_WAITING:
            self._metrics.left_out()
        else:
            task = asyncio.create_task(self._shadow(request, seconds))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return answer, current

    async def _shadow(self, request: Request, champions: float) -> None:
        """Ask the candidate the same. champions: the seconds that the champion took."""
        self._asked += 1
        warm = self._asked > WARMING
        try:
            answer, seconds = await self._timed_answer(request)
        except Exception as error:
            self._note(f"{type(error).__name__}: {error}")
            self._failed_alone()
            return
        both = self._now
        both.candidate.answered(answer)
        # What both do, or neither, says nothing.
        own, others = bisect_left(self._after, seconds), bisect_left(EDGES, champions)
        if warm:
            both.candidate.slow_at(range(others, own))
            both.champion.slow_at(range(own, others))
        self._metrics.answered("candidate", seconds, answer.probabilities)
        self._write_down(request, answer, seconds)

    def _write_down(self, request: Request, answer: Answer, seconds: float) -> None:
        if self._log is None:
            return
        record: dict[str, Any] = {
            "id": request.id,
            "at": self._clock().isoformat(),
            "model": self.rollout.model,
            "version": self.rollout.version,
            "rollout": self.rollout.number,
            "milliseconds": round(1000 * seconds, 3),
            "probability": answer.probabilities,
        }
        try:
            self._log.append(record)
        except LogUnwritable as error:
            logger.error("%s", error)

    def _failed_alone(self) -> None:
        self._now.candidate.failed()
        self._metrics.failed("candidate")

    def _note(self, said: str) -> None:
        """The first failure is told, the others are counted."""
        if not self._first_error:
            self._first_error = said[:LONGEST]
            logger.error("version %s failed beside the champion: %s", self.rollout.version, said)


@dataclass
class _Counter:
    """What one of the two did until now."""

    requests: int = 0
    errors: int = 0
    slow: list[int] = field(default_factory=lambda: [0] * len(EDGES))
    scores: list[int] = field(default_factory=lambda: [0] * CELLS)

    def answered(self, answer: Answer) -> None:
        """A request was answered; its first row's score counts."""
        self.requests += 1
        self.scores[min(CELLS - 1, int(answer.probabilities[0] * CELLS))] += 1

    def failed(self) -> None:
        """A request was not."""
        self.requests += 1
        self.errors += 1

    def slow_at(self, edges: range) -> None:
        """It took longer than these."""
        for edge in edges:
            self.slow[edge] += 1

    def counts(self) -> Counts:
        return Counts(self.requests, self.errors, tuple(self.slow), tuple(self.scores))


@dataclass
class _Both:
    candidate: _Counter = field(default_factory=_Counter)
    champion: _Counter = field(default_factory=_Counter)


def _timed(
    work: Work,
) -> Callable[[Sequence[tuple[Current, Request]]], Sequence[tuple[Answer, float]]]:
    """The same, each answer with the seconds that its batch took."""

    def timed(asked: Sequence[tuple[Current, Request]]) -> Sequence[tuple[Answer, float]]:
        begun = time.perf_counter()
        found = work(asked)
        seconds = time.perf_counter() - begun
        return [(answer, seconds) for answer in found]

    return timed
