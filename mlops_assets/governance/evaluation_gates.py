"""What slices, groups, behaviour, stability and latency say against a release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_assets.declaration.evaluation import BehaviourGate, FairnessGate, SliceGate, StabilityGate
from mlops_assets.declaration.model import Gates
from mlops_assets.governance.evidence import Behaviour, Evidence, Group, Slice
from mlops_assets.governance.paired import improvement_bound
from mlops_assets.governance.reasons import Reason

# The loss of a slice is compared on so many days or more.
DAYS_AT_LEAST = 3
# Scores of rows alone and together may differ by rounding.
ROUNDING = 1e-9


def evaluation_reasons(evidence: Evidence, gates: Gates, *, p95_ms: float) -> Iterator[Reason]:
    """What each gate says of what was declared to be looked at. p95_ms: what the contract promises."""
    if evidence.slices:
        yield _slices(evidence.slices, gates.slices)
    for tested in evidence.behaviour:
        yield _behaviour(tested, gates.behaviour)
    if gates.fairness is not None:
        for group in evidence.groups:
            yield _fairness(group, gates.fairness)
    if gates.stability is not None and evidence.stability:
        yield _stability(evidence.stability, gates.stability)
    if evidence.numeric:
        yield _numeric(evidence.numeric)
    if evidence.milliseconds:
        yield _latency(evidence, p95_ms)


def in_time(evidence: Evidence, *, p95_ms: float) -> bool:
    """Whether one row takes no longer than is promised, as far as that was measured."""
    return evidence.milliseconds.get("p95", 0.0) <= p95_ms


def surely_worse(slices: Sequence[Slice], gate: SliceGate) -> tuple[list[Slice], int]:
    """The slices in which the model is surely worse, the worst first, and how many could be compared.

    By the steps of Holm (1979): the most telling of k slices must be sure at (1 - confidence) / k, the next at
    (1 - confidence) / (k - 1), and so on until one is not.
    """
    compared = {
        index: [-value - gate.margin for value in getattr(one, gate.against).get(gate.metric, [])]
        for index, one in enumerate(slices)
    }
    compared = {index: daily for index, daily in compared.items() if len(daily) >= DAYS_AT_LEAST}
    left, found = dict(compared), list[int]()
    while left:
        level = 1 - (1 - gate.confidence) / len(left)
        bounds = {index: improvement_bound(daily, level)[1] for index, daily in left.items()}
        index = max(bounds, key=lambda one: bounds[one])
        if bounds[index] <= 0:
            break
        found.append(index)
        del left[index]
    return [slices[index] for index in found], len(compared)


def _slices(slices: Sequence[Slice], gate: SliceGate) -> Reason:
    worse, compared = surely_worse(slices, gate)
    if not worse:
        few = len(slices) - compared
        left = f"; {few} have too few rows or days, or nothing to compare with" if few else ""
        said = f"in none of {compared} slices it is surely worse than the {gate.against}{left}"
        return Reason("slices", "promote", said)
    named = ", ".join(f"{one.column} {one.value} ({one.rows:,} rows)" for one in worse[:5])
    more = f" and {len(worse) - 5} more" if len(worse) > 5 else ""
    beyond = f" by more than {gate.margin:g}" if gate.margin else ""
    return Reason(
        "slices", "hold", f"{gate.metric} is surely worse than the {gate.against}'s{beyond} in {named}{more}"
    )


def _behaviour(tested: Behaviour, gate: BehaviourGate) -> Reason:
    wrong = {
        "invariance": f"changing {tested.column} changes the answer too much",
        "increasing": f"a greater {tested.column} lowers the answer",
        "decreasing": f"a greater {tested.column} raises the answer",
    }[tested.kind]
    said = (
        f"{wrong} in {tested.violations:.1%} of {tested.rows} rows, at most {gate.violations_at_most:.1%} may; "
        f"the largest is {tested.largest:.4f}"
    )
    return Reason("behaviour", "promote" if tested.violations <= gate.violations_at_most else "hold", said)


def _fairness(group: Group, gate: FairnessGate) -> Reason:
    beyond, unsure = list(_unfair(group, gate)), list(_unsure(group, gate))
    if beyond:
        return Reason("fairness", "hold", f"{group.column}: {' and '.join(beyond)}")
    if unsure:
        said = f"{group.column}: {' and '.join(unsure)}; widen window.evaluate_days"
        return Reason("fairness", "not enough data", said)
    ratio, gap = group.selection_ratio, group.opportunity_gap
    if ratio is None and gap is None:
        return Reason("fairness", "promote", f"{group.column}: fewer than two groups to compare")
    figures = [f"selection ratio {ratio:.3f}"] if ratio is not None else []
    figures += [f"opportunity gap {gap:.3f}"] if gap is not None else []
    return Reason("fairness", "promote", f"{group.column}: {', '.join(figures)}, not surely beyond a limit")


def _unfair(group: Group, gate: FairnessGate) -> Iterator[str]:
    ratio, gap = group.selection_ratio_interval, group.opportunity_gap_interval
    if ratio and ratio[1] < gate.selection_ratio_at_least:
        figure = f"{group.selection_ratio:.3f}"
        yield f"the selection ratio {figure} is surely below {gate.selection_ratio_at_least:g}"
    if gap and gap[0] > gate.opportunity_gap_at_most:
        yield f"the opportunity gap {group.opportunity_gap:.3f} is surely above {gate.opportunity_gap_at_most:g}"


def _unsure(group: Group, gate: FairnessGate) -> Iterator[str]:
    """What is asked and cannot be told. Nobody selected is a ratio of nothing, and no question."""
    compared, ratio = len(group.treated) > 1, group.selection_ratio
    if group.too_few and not compared:
        yield f"fewer than two groups have rows enough, {', '.join(group.too_few)} have too few"
    if gate.selection_ratio_at_least > 0 and ratio is not None and not group.selection_ratio_interval:
        yield f"the selection ratio {ratio:.3f} has no interval, there are too few days"
    if gate.opportunity_gap_at_most < 1 and compared and not group.opportunity_gap_interval:
        yield "the opportunity gap has no interval, there are too few days or groups with positive rows"


def _stability(found: dict[str, float], gate: StabilityGate) -> Reason:
    limits = {"churn": gate.churn_at_most, "jensen_shannon": gate.jensen_shannon_at_most}
    said = ", ".join(f"{name} {found[name]:.4f} of at most {limit:g}" for name, limit in limits.items())
    stable = all(found[name] <= limit for name, limit in limits.items())
    return Reason("stability", "promote" if stable else "hold", f"beside the champion's answers: {said}")


def _numeric(found: dict[str, float]) -> Reason:
    if found["outside"]:
        return Reason("numeric", "hold", f"{found['outside']:.0f} answers are not from 0 to 1")
    for name, where in (("alone", "alone instead of together"), ("order", "in another order")):
        if found[name] > ROUNDING:
            said = f"a row that is scored {where} has an answer that differs by {found[name]:.3g}"
            return Reason("numeric", "hold", said)
    return Reason("numeric", "promote", "every answer is from 0 to 1, alone and together, in any order")


def _latency(evidence: Evidence, promised: float) -> Reason:
    """Where the promise is kept no figure is said: it is another each time, and the verdict is not."""
    if in_time(evidence, p95_ms=promised):
        return Reason(
            "latency", "promote", f"one row takes no longer than the {promised:g} ms (p95) promised"
        )
    return Reason(
        "latency",
        "hold",
        f"one row takes {evidence.milliseconds['p95']:.1f} ms (p95), the contract promises {promised:g}",
    )
