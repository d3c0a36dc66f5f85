"""May this model be released? A pure answer with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlops_assets.declaration.model import HIGHER_IS_BETTER, ChampionGate, Gates
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.paired import improvement_bound

Answer = Literal["promote", "hold", "not enough data"]


@dataclass(frozen=True)
class Reason:
    """What one gate says. answer: ``promote`` when it has no objection."""

    gate: str
    answer: Answer
    sentence: str


@dataclass(frozen=True)
class Decision:
    """The verdict over all gates, and what each of them said."""

    verdict: Answer
    reasons: tuple[Reason, ...]

    def told(self) -> list[str]:
        """The sentences that decided: the objections, or all when there are none."""
        objections = [reason.sentence for reason in self.reasons if reason.answer != "promote"]
        return objections or [reason.sentence for reason in self.reasons]


@dataclass(frozen=True)
class Reign:
    """The version that is champion now, and the as-of date it was trained for."""

    version: int
    as_of: str


def decide(evidence: Evidence, gates: Gates, *, reigning: Reign | None = None) -> Decision:
    """Promote when no gate objects; else hold, or say that the data cannot tell.

    reigning: the champion of this moment. A model never takes over from one that is newer, nor
    on an evaluation that compared it with another.
    """
    reasons = tuple(_reasons(evidence, gates, reigning))
    answers = {reason.answer for reason in reasons}
    verdict: Answer = (
        "hold" if "hold" in answers else "not enough data" if "not enough data" in answers else "promote"
    )
    return Decision(verdict, reasons)


def _reasons(evidence: Evidence, gates: Gates, reigning: Reign | None) -> Iterator[Reason]:
    yield _enough_rows(evidence, gates)
    for metric, floor in gates.floors.items():
        yield _limit(evidence, metric, floor, "floor")
    for metric, ceiling in gates.ceilings.items():
        yield _limit(evidence, metric, ceiling, "ceiling")
    yield _baseline(evidence, gates)
    yield _champion(evidence.champion, gates.champion)
    if reigning is not None:
        yield from _succession(evidence, reigning)


def _succession(evidence: Evidence, reigning: Reign) -> Iterator[Reason]:
    if reigning.as_of > evidence.as_of:
        sentence = f"a newer champion reigns: version {reigning.version}, as of {reigning.as_of}"
        yield Reason("succession", "hold", sentence)
    elif evidence.champion is None or evidence.champion.champion_version != reigning.version:
        sentence = f"it was not compared with version {reigning.version}, which reigns; evaluate it again"
        yield Reason("succession", "hold", sentence)


def _enough_rows(evidence: Evidence, gates: Gates) -> Reason:
    enough = evidence.rows >= gates.at_least_rows
    sentence = f"{evidence.rows:,} evaluated rows, at least {gates.at_least_rows:,} are needed"
    return Reason("rows", "promote" if enough else "not enough data", sentence)


def _limit(evidence: Evidence, metric: str, limit: float, kind: str) -> Reason:
    gate = f"{kind}:{metric}"
    if metric not in evidence.metrics:
        return Reason(gate, "not enough data", f"{metric} cannot be computed: one class only")
    value = evidence.metrics[metric]
    holds = value >= limit if HIGHER_IS_BETTER[metric] else value <= limit
    relation = "at least" if HIGHER_IS_BETTER[metric] else "at most"
    return Reason(
        gate, "promote" if holds else "hold", f"{metric} {value:.4f}, {relation} {limit:g} is asked"
    )


def _baseline(evidence: Evidence, gates: Gates) -> Reason:
    metric, margin = gates.baseline.metric, gates.baseline.margin
    if metric not in evidence.metrics or metric not in evidence.baseline:
        return Reason("baseline", "not enough data", f"{metric} cannot be computed: one class only")
    value, simple = evidence.metrics[metric], evidence.baseline[metric]
    gain = value - simple if HIGHER_IS_BETTER[metric] else simple - value
    sentence = f"{metric} {value:.4f} against the baseline's {simple:.4f}"
    needed = f", better by more than {margin:g} is asked" if margin else ""
    return Reason("baseline", "promote" if gain > margin else "hold", sentence + needed)


def _incomparable(champion: Comparison, gate: ChampionGate) -> Reason:
    why = f"version {champion.champion_version} cannot be compared: {champion.incomparable}"
    if gate.replace_incomparable:
        return Reason("champion", "promote", f"{why}; the declaration allows to replace it all the same")
    allow = "gates.champion.replace_incomparable: true allows to replace it all the same"
    return Reason("champion", "not enough data", f"{why}; {allow}")


def _champion(champion: Comparison | None, gate: ChampionGate) -> Reason:
    if champion is None:
        return Reason("champion", "promote", "no champion reigned before")
    if champion.incomparable:
        return _incomparable(champion, gate)
    daily = champion.daily_improvement.get(gate.metric, [])
    if len(daily) < gate.at_least_days:
        sentence = f"{len(daily)} days to compare on, at least {gate.at_least_days} are needed"
        return Reason("champion", "not enough data", sentence)
    mean, bound = improvement_bound(daily, gate.confidence)
    sentence = (
        f"{gate.metric} {abs(mean):.4f} {'better' if mean > 0 else 'worse'} than version "
        f"{champion.champion_version} on {len(daily)} days; with {gate.confidence:.0%} confidence the "
        f"improvement is at least {bound:+.4f}, and above {gate.margin:g} is asked"
    )
    return Reason("champion", "promote" if bound > gate.margin else "hold", sentence)
