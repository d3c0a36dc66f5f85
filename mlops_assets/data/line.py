"""Places on a line: where among sorted integers others would stand, many at once and in any order."""

from __future__ import annotations

import numpy as np

from mlops_assets.data.key_codes import Integers

# Sought together, so that what is in between stays in the processor's cache.
BLOCK = 2**14


def places(line: Integers, sought: Integers) -> Integers:
    """How many of ``line``, which ascends, are at most each of ``sought``.

    That is ``np.searchsorted(line, sought, side="right")``, ten times as fast where what is sought is in no order:
    the line is cut into stretches of one length, about as many as are sought and no more than it has integers.
    A shift tells the stretch, and few steps of bisection the place in it.
    """
    if not len(line) or not len(sought):
        return np.zeros(len(sought), np.int64)
    first, length = int(line[0]), int(line[-1]) - int(line[0])
    bits = (length // min(len(line), len(sought))).bit_length()
    stretches = (length >> bits) + 1
    begins = np.searchsorted(line, first + (np.arange(stretches + 1) << bits))
    found = np.empty(len(sought), np.int64)
    for start in range(0, len(sought), BLOCK):
        block = sought[start : start + BLOCK]
        stretch = ((block - first) >> bits).clip(0, stretches - 1)
        found[start : start + BLOCK] = _bisected(line, block, begins.take(stretch), begins.take(stretch + 1))
    return found


def _bisected(line: Integers, sought: Integers, low: Integers, high: Integers) -> Integers:
    """The places, of which each is known to be from ``low`` to ``high``."""
    for _ in range(int((high - low).max()).bit_length()):
        middle = (low + high) >> 1
        # Where low and high have met, nothing moves.
        beyond = (line.take(middle, mode="clip") <= sought) & (middle < high)
        low, high = np.where(beyond, middle + 1, low), np.where(beyond, high, middle)
    return low
