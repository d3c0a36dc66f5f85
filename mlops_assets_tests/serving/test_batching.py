"""One worker: what waits goes together, and fails alone unless it is nobody's own; what hangs is not waited for."""

import asyncio
import threading
import time

import pytest

from mlops_assets.errors import BadEnvironment
from mlops_assets.serving.batching import Batches


async def together(batches, asked):
    """What came of each, asked at once after one that the worker is busy with."""
    first = asyncio.create_task(batches.ask(asked[0], rows=1))
    await asyncio.sleep(0.05)
    others = [batches.ask(one, rows=1) for one in asked[1:]]
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_what_comes_while_the_worker_is_busy_is_asked_at_once():
    sizes = []

    def double(asked):
        sizes.append(len(asked))
        time.sleep(0.2)
        return [2 * one for one in asked]

    batches = Batches(double)
    assert asyncio.run(together(batches, range(9))) == [2 * one for one in range(9)]
    assert sizes == [1, 8]
    batches.close(5)


def test_a_request_fails_for_what_is_its_own():
    def inverse(asked):
        time.sleep(0.2 if len(asked) == 1 else 0)
        return [1 / one for one in asked]

    batches = Batches(inverse)
    *good, bad = asyncio.run(together(batches, [1, 2, 4, 0]))
    assert good == [1, 0.5, 0.25]
    assert isinstance(bad, ZeroDivisionError)
    batches.close(5)


def test_what_is_nobodys_own_is_waited_for_once_by_all():
    asked_for = []

    def nowhere(asked):
        asked_for.append(len(asked))
        time.sleep(0.2)
        raise BadEnvironment("no Redis answers")

    batches = Batches(nowhere, (BadEnvironment,))
    found = asyncio.run(together(batches, range(9)))
    assert [type(one) for one in found] == [BadEnvironment] * 9
    assert asked_for == [1, 8]
    batches.close(5)


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
