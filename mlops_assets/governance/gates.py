"""May this model be released? A pure answer with its reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from mlops_assets.declaration.metrics import HIGHER_IS_BETTER, WITHIN_DAYS
from mlops_assets.declaration.model import ChampionGate, Gates
from mlops_assets.governance.evaluation_gates import evaluation_reasons
from mlops_assets.governance.evidence import Comparison, Evidence
from mlops_assets.governance.looks import Look, affordable, pooled
from mlops_assets.governance.paired import improvement_bound
from mlops_assets.governance.reasons import Answer, Reason

# A person may release what the gates do not.
Verdict = Literal["promote", "hold", "not enough data", "override"]
OVERRIDE = "override"
# What may not grow where models are compared within days.
PLAIN = "log_loss"
# The check that shows the verdict.
GATE = "gate"


@dataclass(frozen=True)
class Decision:
    """The verdict over all gates, and what each of them said.

    spent: the risk of a false winner that comparing with the champion was allowed; zero where nothing was
    compared that had not been compared before.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    spent: float = 0.0

    @property
    def releases(self) -> bool:
        """Whether a version comes of it."""
        return self.verdict in ("promote", "override")

    def overridden(self, by: str, reason: str) -> Decision:
        """The same, released on the word of a person. What the gates said stays."""
        said = Reason(OVERRIDE, "promote", f"{by} released it all the same: {reason}")
        return Decision("override", (*self.reasons, said))

    def told(self) -> list[str]:
        """The sentences that decided: the objections and who overrode them, or all when there are none."""
        decided = [r.sentence for r in self.reasons if r.answer != "promote" or r.gate == OVERRIDE]
        return decided or [reason.sentence for reason in self.reasons]


@dataclass(frozen=True)
class Reigning:
    """The version that is champion now, the as-of date it was trained for, and how often it was looked at.

    looks: the challengers that were compared with it, in the order in which they were judged.
    taken: the risk that this very evidence was allowed when it was judged before; zero when it was not.
    """

    version: int
    as_of: str
    looks: tuple[Look, ...] = ()
    taken: float = 0.0


def decide(
    evidence: Evidence,
    gates: Gates,
    *,
    reigning: Reigning | None = None,
    inputs: Sequence[str] = (),
    contract: Sequence[str] = (),
    rollback: Sequence[str] = (),
    p95_ms: float = math.inf,
) -> Decision:
    """Promote when no gate objects; else hold, or say that the data cannot tell.

    reigning: the champion of this moment. A model never takes over from one that is newer, nor
    on an evaluation that compared it with another.
    inputs: what is wrong with the data it was made from. contract: what it breaks of the champion's contract.
    rollback: by whose word it reigns no more.
    p95_ms: the time for a row that its own contract promises.
    """
    risk = _risk(evidence, gates.champion, reigning)
    broken = {"inputs": inputs, "contract": contract, "rollback": rollback}
    objections = (Reason(gate, "hold", told) for gate, said in broken.items() for told in said)
    reasons = (
        *objections,
        *_reasons(evidence, gates, reigning, risk),
        *evaluation_reasons(evidence, gates, p95_ms=p95_ms),
    )
    answers = {reason.answer for reason in reasons}
    verdict: Answer = (
        "hold" if "hold" in answers else "not enough data" if "not enough data" in answers else "promote"
    )
    new = reigning is not None and not reigning.taken
    looked = new and _compared(evidence.champion, gates.champion)
    return Decision(verdict, reasons, risk if looked else 0.0)


def _risk(evidence: Evidence, gate: ChampionGate, reigning: Reigning | None) -> float:
    """How likely a challenger that is no better may win this once."""
    risk = 1 - gate.confidence
    if reigning is None:
        return risk
    if reigning.taken:
        return reigning.taken
    as_of = evidence.as_of
    return affordable(reigning.looks, since=reigning.as_of, as_of=as_of, risk=risk, per_days=gate.per_days)


def _compared(champion: Comparison | None, gate: ChampionGate) -> bool:
    return champion is not None and len(champion.daily_improvement.get(gate.metric, [])) >= gate.at_least_days


def _reasons(evidence: Evidence, gates: Gates, reigning: Reigning | None, risk: float) -> Iterator[Reason]:
    yield _enough_rows(evidence, gates)
    for metric, floor in gates.floors.items():
        yield _limit(evidence, metric, floor, "floor")
    for metric, ceiling in gates.ceilings.items():
        yield _limit(evidence, metric, ceiling, "ceiling")
    yield _baseline(evidence, gates)
    yield _champion(evidence, gates.champion, reigning, risk)
    if reigning is not None:
        yield from _succession(evidence, reigning)


def _succession(evidence: Evidence, reigning: Reigning) -> Iterator[Reason]:
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


def _champion(evidence: Evidence, gate: ChampionGate, reigning: Reigning | None, risk: float) -> Reason:
    champion = evidence.champion
    if champion is None:
        return Reason("champion", "promote", "no champion reigned before")
    if champion.incomparable:
        return _incomparable(champion, gate)
    own = champion.daily_improvement.get(gate.metric, [])
    if not _compared(champion, gate):
        sentence = f"{len(own)} days to compare on, at least {gate.at_least_days} are needed"
        return Reason("champion", "not enough data", sentence)
    mean, daily = _mean(own), _compared_days(evidence, champion, gate, reigning, gate.metric)
    of_all, bound = improvement_bound(daily, 1 - risk)
    said = f"{gate.metric} {_better(mean)} than version {champion.champion_version} on {len(own)} days"
    if len(daily) > len(own):
        said += f", its recipe {_better(of_all)} on {len(daily)}"
    sure = f"{said}; with {100 * (1 - risk):.6g}% confidence the improvement is at least {bound:+.4f}"
    if gate.prefer == "challenger":
        sentence = f"{sure}; the challenger is preferred, so only the means must be above {gate.margin:g}"
        won = min(of_all, mean) > gate.margin
    else:
        sentence = f"{sure}, and above {gate.margin:g} is asked"
        won = min(bound, mean) > gate.margin
    if won and gate.metric == WITHIN_DAYS:
        plain = _mean(_compared_days(evidence, champion, gate, reigning, PLAIN))
        sentence += f"; {PLAIN} itself {_better(plain)} on them"
        won = plain >= 0
    return Reason("champion", "promote" if won else "hold", sentence)


def _compared_days(
    evidence: Evidence, champion: Comparison, gate: ChampionGate, reigning: Reigning | None, metric: str
) -> list[float]:
    """The improvements that the bound is taken of, oldest first."""
    if reigning is None or not reigning.looks:
        return champion.daily_improvement[metric]
    since = date.fromisoformat(evidence.as_of) - timedelta(days=gate.pool_days)
    own = champion.by_day(metric)
    return pooled(reigning.looks, own, metric=metric, recipe=evidence.recipe, since=since.isoformat())


def _mean(daily: Sequence[float]) -> float:
    return math.fsum(daily) / len(daily)


def _better(mean: float) -> str:
    return f"{abs(mean):.4f} {'better' if mean > 0 else 'worse'}"
