"""Many tests at once: which of them may be believed."""

from __future__ import annotations

from collections.abc import Sequence


def rejected(p_values: Sequence[float], false_discovery_rate: float) -> list[bool]:
    """The Benjamini-Hochberg step-up procedure (1995), in the order given.

    When all hypotheses hold, any is rejected with at most the probability ``false_discovery_rate``.

    >>> rejected([0.001, 0.9, 0.02], 0.05)
    [True, False, True]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    passing = [
        rank
        for rank, index in enumerate(order, start=1)
        if p_values[index] <= false_discovery_rate * rank / len(order)
    ]
    last = max(passing, default=0)
    believed = set(order[:last])
    return [index in believed for index in range(len(p_values))]
