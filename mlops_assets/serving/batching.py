"""One worker, and what waits for it goes together: a model takes eight rows in little more time than one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    a request fails only for what is its own.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Sequence[Answered]]) -> None:
        self._work = work
        self._waiting: deque[_Waiting[Asked, Answered]] = deque()
        self._busy = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="answers")

    @property
    def is_busy(self) -> bool:
        """Whether the worker has something that it is not done with."""
        return self._busy

    async def ask(self, asked: Asked, *, rows: int) -> Answered:
        """The answer; what the function raised is raised here."""
        one: _Waiting[Asked, Answered] = _Waiting(asked, rows, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if not self._busy:
            self._begin()
        return await one.answer

    def close(self) -> None:
        """End the worker when it is done with what it has."""
        self._worker.shutdown()

    def _begin(self) -> None:
        batch: list[_Waiting[Asked, Answered]] = []
        rows = 0
        while self._waiting and len(batch) < MOST_REQUESTS:
            if batch and rows + self._waiting[0].rows > MOST_ROWS:
                break
            one = self._waiting.popleft()
            # Who has gone away needs no answer.
            if not one.answer.done():
                batch.append(one)
                rows += one.rows
        self._busy = bool(batch)
        if batch:
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._worker, self._answered, [one.asked for one in batch])
            done.add_done_callback(lambda found: self._end(batch, found.result()))

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
            if len(asked) == 1:
                return [error]
            return [self._answered([one])[0] for one in asked]
