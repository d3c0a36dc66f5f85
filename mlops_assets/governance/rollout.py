"""Is a candidate worse than the champion beside it? Asked as often as one likes, at one risk. Pure answers.

A request goes to one of the two by chance. Were they equal, each failure, and each slow answer, would be the
candidate's with the probability with which a request is. How much better the failures fit a candidate that fails 1.5,
2, 3 … times as often is a likelihood ratio, averaged over these; of equal versions it exceeds ``1 / risk`` at any time
ever with a probability of at most ``risk`` (Ville 1939; Ramdas, Grünwald, Vovk and Shafer 2023), whoever looks and
however often. Nothing is taken to be independent but the chance by which requests are given out. Of scores the bound is
of the same kind for large samples (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Kind = Literal["shadow", "canary"]
Then = Literal["promote", "stay"]
Answer = Literal["go on", "failed", "passed"]
State = Literal["started", "share changed", "stopped", "failed", "passed"]
KINDS: tuple[Kind, ...] = ("shadow", "canary")
STATES: tuple[State, ...] = ("started", "share changed", "stopped", "failed", "passed")
# After these nothing follows.
ENDS: tuple[State, ...] = ("stopped", "failed", "passed")

# In a shadow both answer each request: what only one of them does is, of equal ones, either's.
EVEN = 0.5
# Seconds beyond which answers are counted, of the champion.
EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
# Scores are counted in so many equal cells from 0 to 1.
CELLS = 10
# So many times as often as the champion.
TIMES = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
# Fewer requests of the candidate than these say nothing of its scores, nor of its speed.
FEWEST = 50
# Errors, speed and scores share the risk.
TESTS = 3
# The sample size at which the bound of scores is narrowest.
NARROWEST = 500
LARGEST = 1e12


@dataclass(frozen=True)
class Limits:
    """When a rollout ends.

    at_least: requests of the candidate, and seconds: since its start, without which it does not pass. then: what
    follows when it does. errors: the share of requests by which the candidate may fail more often. slower, later_ms: an
    answer is slow that takes so many times as long, and so many milliseconds more. apart: the Jensen-Shannon
    divergence of scores, in bits, from 0 to 1. risk: the probability with which a candidate that is as good as the
    champion is stopped.
    """

    at_least: int = 1000
    seconds: float = 0.0
    then: Then = "stay"
    errors: float = 0.001
    slower: float = 1.5
    later_ms: float = 10.0
    apart: float = 0.15
    risk: float = 0.05

    def slow_after(self, edge: float) -> float:
        """Seconds beyond which an answer of the candidate counts as slow where one of the champion does at an edge."""
        return max(self.slower * edge, edge + self.later_ms / 1000)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Counts:
    """What one of the two did. slow: answers beyond each edge. scores: in each cell, of each request the first row."""

    requests: int = 0
    errors: int = 0
    slow: tuple[int, ...] = (0,) * len(EDGES)
    scores: tuple[int, ...] = (0,) * CELLS

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.requests + other.requests,
            self.errors + other.errors,
            tuple(map(sum, zip(self.slow, other.slow, strict=True))),
            tuple(map(sum, zip(self.scores, other.scores, strict=True))),
        )

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From plain values."""
        return cls(said["requests"], said["errors"], tuple(said["slow"]), tuple(said["scores"]))


@dataclass(frozen=True)
class Beside:
    """Both on the same requests. even: the probability with which one is the candidate's."""

    even: float
    candidate: Counts = Counts()
    champion: Counts = Counts()

    def __add__(self, other: Beside) -> Beside:
        return Beside(self.even, self.candidate + other.candidate, self.champion + other.champion)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From plain values."""
        return cls(said["even"], Counts.of(said["candidate"]), Counts.of(said["champion"]))


@dataclass(frozen=True)
class Judged:
    """evidence: what it rests on, as plain values."""

    answer: Answer
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def even_at(kind: Kind, share: float) -> float:
    """The probability with which what one of two equal versions does is the candidate's."""
    return share if kind == "canary" else EVEN


def together(counted: Iterable[Beside]) -> list[Beside]:
    """What was counted in several places, by the share at which it was."""
    found: dict[float, Beside] = {}
    for one in counted:
        found[one.even] = found[one.even] + one if one.even in found else one
    return [found[even] for even in sorted(found)]


def judged(counted: Sequence[Beside], limits: Limits, *, seconds: float) -> Judged:
    """Whether a candidate goes on, has failed, or has passed. seconds: since its start."""
    candidate = sum((one.candidate for one in counted), Counts())
    champion = sum((one.champion for one in counted), Counts())
    risk = limits.risk / TESTS
    errors = doubt(_errors(counted))
    slower = [doubt(_slow(counted, edge)) for edge in range(len(EDGES))]
    slow = sum(slower) / len(EDGES)
    apart, surely = apart_by(counted, risk)
    evidence = {
        "candidate": asdict(candidate),
        "champion": asdict(champion),
        "doubt_of_errors": round(errors, 3),
        "doubt_of_speed": round(slow, 3),
        "doubt_that_fails": round(1 / risk, 3),
        "apart": round(apart, 6),
        "surely_apart": round(surely, 6),
        "seconds": round(seconds, 3),
    }
    why = [
        *_more_errors(candidate, champion, errors, limits, risk),
        *(_slower(candidate, champion, slower, limits) if slow >= 1 / risk else ()),
        *_further(candidate, apart, surely, limits),
    ]
    if why:
        return Judged("failed", "; ".join(why), evidence)
    beside = f"{candidate.requests:,} requests beside {champion.requests:,} of the champion"
    if candidate.requests < limits.at_least or seconds < limits.seconds:
        left = f"it passes with {limits.at_least:,} and after {limits.seconds:g} s"
        return Judged("go on", f"{beside} in {seconds:.0f} s; {left}", evidence)
    told = (
        f"{candidate.errors} failed, {champion.errors} of the champion's; scores lie {apart:.3f} bits apart"
    )
    return Judged("passed", f"{beside} in {seconds:.0f} s and not surely worse: {told}", evidence)


def doubt(found: Iterable[tuple[float, int, int]]) -> float:
    """How much better it fits that the candidate does something more often, than that it does not.

    found: the probability with which each is the candidate's if both do it as often, how many are, and how many there
    are. If the candidate does it no more often than that, this exceeds ``1 / risk`` at any time with a probability of
    at most ``risk``.

    >>> doubt([(0.5, 5, 10)]) < 1 < doubt([(0.5, 10, 10)])
    True
    """
    cells = [(even, own, others - own) for even, own, others in found if others and 0 < even < 1]
    fits = (sum(_fits(times, *cell) for cell in cells) for times in TIMES)
    return min(LARGEST, sum(math.exp(min(one, math.log(LARGEST))) for one in fits) / len(TIMES))


def surely_fails(requests: int, errors: int, *, share: float, risk: float) -> bool:
    """Whether a version fails in more than a share of its requests, asked after each of them."""
    return doubt([(share, errors, requests)]) >= 1 / risk


def apart_by(counted: Sequence[Beside], risk: float) -> tuple[float, float]:
    """The Jensen-Shannon divergence of scores in bits, and what it surely is at least, however often it is asked.

    The champion's scores count as much at each share as the candidate's do, so that a share that was changed does not
    look like a difference. Zero where there is too little.
    """
    cells = [one for one in counted if sum(one.candidate.scores) and sum(one.champion.scores)]
    size = sum(sum(one.candidate.scores) for one in cells)
    if size < FEWEST:
        return 0.0, 0.0
    weights = [sum(one.candidate.scores) / size for one in cells]
    own = [sum(one.candidate.scores[cell] for one in cells) / size for cell in range(CELLS)]
    others = [
        sum(
            weight * one.champion.scores[cell] / sum(one.champion.scores)
            for weight, one in zip(weights, cells, strict=True)
        )
        for cell in range(CELLS)
    ]
    worth = 1 / sum(weight**2 / sum(one.champion.scores) for weight, one in zip(weights, cells, strict=True))
    here, there = _surprises(own, others), _surprises(others, own)
    found = (_mean(own, here) + _mean(others, there)) / 2
    variance = (_variance(own, here) / size + _variance(others, there) / worth) / 4
    # By so much the divergence of two samples of one population is too large.
    excess = (CELLS - 1) / (8 * math.log(2)) * (1 / size + 1 / worth)
    wide = 1 + NARROWEST / (10 * size)
    width = math.sqrt(2 * wide * math.log(1 + math.sqrt(10 * size / NARROWEST + 1) / (2 * risk)) * variance)
    return found, max(0.0, found - excess - width)


def _fits(times: float, even: float, own: int, others: int) -> float:
    """The logarithm of a likelihood ratio: the candidate does it so many times as often, against as often."""
    share = times * even / (times * even + 1 - even)
    return own * math.log(share / even) + others * math.log((1 - share) / (1 - even))


def _errors(counted: Sequence[Beside]) -> list[tuple[float, int, int]]:
    return [(one.even, one.candidate.errors, one.candidate.errors + one.champion.errors) for one in counted]


def _slow(counted: Sequence[Beside], edge: int) -> list[tuple[float, int, int]]:
    return [
        (one.even, one.candidate.slow[edge], one.candidate.slow[edge] + one.champion.slow[edge])
        for one in counted
    ]


def _more_errors(
    candidate: Counts, champion: Counts, found: float, limits: Limits, risk: float
) -> Iterable[str]:
    own, others = _rate(candidate), _rate(champion)
    if found >= 1 / risk and own > others + limits.errors:
        yield (
            f"it failed in {candidate.errors} of {candidate.requests:,} requests ({own:.2%}), the champion in "
            f"{champion.errors} of {champion.requests:,} ({others:.2%}); more than {limits.errors:.2%} is too much"
        )


def _slower(candidate: Counts, champion: Counts, found: Sequence[float], limits: Limits) -> Iterable[str]:
    """What is told of the edge at which it is seen best."""
    if candidate.requests >= FEWEST:
        place = max(range(len(EDGES)), key=found.__getitem__)
        edge = EDGES[place]
        yield (
            f"it is slower: {candidate.slow[place]} of its {candidate.requests:,} answers took more than "
            f"{1000 * limits.slow_after(edge):g} ms, and {champion.slow[place]} of the champion's "
            f"{champion.requests:,} more than {1000 * edge:g} ms; {limits.slower:g} times as long and "
            f"{limits.later_ms:g} ms more is too much"
        )


def _further(candidate: Counts, apart: float, surely: float, limits: Limits) -> Iterable[str]:
    if surely > limits.apart:
        yield (
            f"its scores lie {apart:.3f} bits from the champion's (Jensen-Shannon, {candidate.requests:,} requests), "
            f"surely more than {surely:.3f}; {limits.apart:g} is too much"
        )


def _rate(counts: Counts) -> float:
    return counts.errors / counts.requests if counts.requests else 0.0


def _surprises(own: Sequence[float], others: Sequence[float]) -> list[float]:
    """Of each cell, by how many bits it is likelier here than in the middle of both."""
    return [
        math.log2(2 * one / (one + other)) if one > 0 else 0.0 for one, other in zip(own, others, strict=True)
    ]


def _mean(shares: Sequence[float], values: Sequence[float]) -> float:
    return sum(share * value for share, value in zip(shares, values, strict=True))


def _variance(shares: Sequence[float], values: Sequence[float]) -> float:
    mean = _mean(shares, values)
    return _mean(shares, [(value - mean) ** 2 for value in values])
