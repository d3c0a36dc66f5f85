"""One worker, and what waits for it goes together: a model takes eight rows in little more time than one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

MOST_REQUESTS, MOST_ROWS = 32, 1000

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass
class _Waiting(Generic[Asked, Answered]):
    asked: Asked
    rows: int
    answer: asyncio.Future[Answered]


class Batches(Generic[Asked, Answered]):
    """Asks a function for the answers to all requests that came while it was busy with those before.

    Nothing waits for company: who comes while the worker is idle is answered at once.
    work: what may take long; called with one batch at a time. A batch that fails is asked again one by one, so that
    a request fails only for what is its own. shared: what it raises for what is nobody's own; then all of a batch fail.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Answered]],
        shared: tuple[type[Exception], ...] = (),
    ) -> None:
        self._work, self._shared = work, shared
        self._waiting: deque[_Waiting[Asked, Answered]] = deque()
        self._since: float | None = None
        self._closed = False
        self._batches: SimpleQueue[
            tuple[asyncio.AbstractEventLoop, list[_Waiting[Asked, Answered]]] | None
        ] = SimpleQueue()
        # A daemon, so that one that never returns keeps no process from its end.
        self._worker = threading.Thread(target=self._run, name="answers", daemon=True)
        self._worker.start()

    @property
    def busy_seconds(self) -> float:
        """For how long the worker has been at the batch that it is not done with."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    async def ask(self, asked: Asked, *, rows: int) -> Answered:
        """The answer; what the function raised is raised here."""
        one: _Waiting[Asked, Answered] = _Waiting(asked, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._since is None:
            self._begin()
        return await one.answer

    def close(self, seconds: float) -> None:
        """End the worker when it is done with what it has, for which it is waited so long at most."""
        self._closed = True
        self._batches.put(None)
        self._worker.join(seconds)

    def _begin(self) -> None:
        batch: list[_Waiting[Asked, Answered]] = []
        rows = 0
        while self._waiting and len(batch) < MOST_REQUESTS:
            if batch and rows + self._waiting[0].rows > MOST_ROWS:
                break
            one = self._waiting.popleft()
            # Who has gone away needs no answer.
            if one.answer.done():
                continue
            if self._closed:
                one.answer.cancel()
                continue
            batch.append(one)
            rows += one.rows
        self._since = time.monotonic() if batch else None
        if batch:
            self._batches.put((asyncio.get_running_loop(), batch))

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            loop, waiting = batch
            found = self._answered([one.asked for one in waiting])
            # A loop that has ended has nobody who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end, waiting, found)

    def _end(self, batch: Sequence[_Waiting[Asked, Answered]], found: Sequence[Answered | Exception]) -> None:
        for one, answer in zip(batch, found, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
        self._begin()

    def _answered(self, asked: Sequence[Asked]) -> Sequence[Answered | Exception]:
        """Never raises: an exception is an answer."""
        try:
            return self._work(asked)
        except Exception as error:
            if len(asked) == 1 or isinstance(error, self._shared):
                return [error] * len(asked)
            return [self._answered([one])[0] for one in asked]
