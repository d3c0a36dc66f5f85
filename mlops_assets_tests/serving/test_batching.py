"""One worker: what waits goes together, and fails alone unless it is nobody's own; what hangs is not waited for."""

import asyncio
import threading
import time

import pytest

from mlops_assets.errors import BadEnvironment
from mlops_assets.serving.batching import Batches


class Busy:
    """Answers by a function; its first batch waits until others wait."""

    def __init__(self, answer, shared=()):
        self.sizes, self._answer, self._waited_for = [], answer, threading.Event()
        self.batches = Batches(self._work, shared)

    def _work(self, asked):
        self.sizes.append(len(asked))
        assert self._waited_for.wait(60)
        return [self._answer(one) for one in asked]

    def together(self, asked):
        """What came of each."""
        return asyncio.run(self._together(asked))

    async def _together(self, asked):
        first, *others = asked
        tasks = [asyncio.create_task(self.batches.ask(first, rows=1))]
        while not self.sizes:
            await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(self.batches.ask(one, rows=1)) for one in others]
        await asyncio.sleep(0)
        self._waited_for.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        self.batches.close(60)
        return found


def test_what_comes_while_the_worker_is_busy_is_asked_at_once():
    busy = Busy(lambda one: 2 * one)
    assert busy.together(range(9)) == [2 * one for one in range(9)]
    assert busy.sizes == [1, 8]


def test_a_request_fails_for_what_is_its_own():
    *good, bad = Busy(lambda one: 1 / one).together([1, 2, 4, 0])
    assert good == [1, 0.5, 0.25]
    assert isinstance(bad, ZeroDivisionError)


def test_what_is_nobodys_own_is_waited_for_once_by_all():
    def nowhere(one):
        raise BadEnvironment("no Redis answers")

    busy = Busy(nowhere, (BadEnvironment,))
    assert [type(one) for one in busy.together(range(9))] == [BadEnvironment] * 9
    assert busy.sizes == [1, 8]


def test_a_worker_that_hangs_is_seen_and_not_waited_for():
    ends = threading.Event()
    batches = Batches(lambda asked: [ends.wait(60)] * len(asked))

    async def asks():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batches.ask(1, rows=1), 0.2)

    assert batches.busy_seconds == 0
    asyncio.run(asks())
    assert batches.busy_seconds >= 0.2
    begun = time.monotonic()
    batches.close(0.1)
    assert time.monotonic() - begun < 5
    ends.set()
