"""A model card: sentences that each point at their evidence, and gaps that are told as gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.governance.certificate import Certificate
from mlops_assets.governance.contract import Contract
from mlops_assets.governance.evidence import Evidence, Group
from mlops_assets.governance.reasons import Reason

# Slices that are named; the evaluation report has all.
SLICES = 5


@dataclass(frozen=True)
class Statement:
    """evidence: where it is recorded; empty of a gap, which says what is missing and how to close it."""

    text: str
    evidence: str = ""

    @property
    def is_gap(self) -> bool:
        return not self.evidence


@dataclass(frozen=True)
class Part:
    """A heading of the card, and what is said below it."""

    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Known:
    """All that is recorded of a version. Names of evidence are as people would look them up.

    decided, evaluated, contracted, made: where the verdict, the evidence, the contract and the recipe are kept.
    reigns: a sentence for each reign of it. drift: a sentence of the newest comparison, with where it is kept; None
    when there is none.
    """

    version: int
    released_at: str
    description: str
    words: Mapping[str, str]
    contract: Contract
    contracted: str
    evidence: Evidence
    evaluated: str
    verdict: str
    reasons: Sequence[Reason]
    decided: str
    estimator: str
    parameters: str
    made: str
    reigns: Sequence[str]
    certificates: Sequence[Certificate]
    drift: Statement | None


WORDS = {
    "intended_use": "what it is to be used for",
    "out_of_scope": "what it must not be used for",
    "considerations": "whom it may harm",
    "limitations": "what is known not to work",
}


def card(known: Known) -> list[Part]:
    """The parts of a card, in the order of Mitchell et al. (2019)."""
    parts = {
        "Model": _model(known),
        "Use": _words(known, "intended_use", "out_of_scope"),
        "Training data": _training(known),
        "Evaluation": _evaluation(known),
        "Where it is worse": _slices(known),
        "Whom it treats otherwise": _groups(known),
        "How it behaves": _behaviour(known),
        "Decision": _decision(known),
        "After the release": _after(known),
        "Considerations and limits": _words(known, "considerations", "limitations"),
    }
    return [Part(title, tuple(statements)) for title, statements in parts.items()]


def gaps(parts: Sequence[Part]) -> list[Statement]:
    """Everything that the card cannot say."""
    return [one for part in parts for one in part.statements if one.is_gap]


def _model(known: Known) -> Iterator[Statement]:
    contract = known.contract
    yield Statement(
        f"{contract.model} version {known.version}, as of {contract.as_of}, released {known.released_at}.",
        known.decided,
    )
    if known.description:
        yield Statement(known.description, "its declaration")
    else:
        yield Statement("What it predicts is not described: declare `description`.")
    yield Statement(
        f"It is owned by {contract.owner}; edition {contract.edition} of its contract.", known.contracted
    )
    yield Statement(f"{known.estimator} with {known.parameters}.", known.made)
    yield Statement(
        f"It takes {len(contract.inputs)} inputs, {_count(contract, 'request')} of them with the request, the others "
        f"looked up by {', '.join(contract.keys) or 'nothing'}, and answers {', '.join(contract.output)}.",
        known.contracted,
    )


def _words(known: Known, *names: str) -> Iterator[Statement]:
    for name in names:
        if known.words.get(name):
            yield Statement(known.words[name], f"card.{name} of its declaration")
        else:
            yield Statement(f"Nobody has said {WORDS[name]}: declare `card.{name}`.")


def _training(known: Known) -> Iterator[Statement]:
    tables: dict[str, list[str]] = {}
    for named in known.contract.training:
        table, _, partition = named.partition("@")
        tables.setdefault(table, []).append(partition)
    for table, partitions in sorted(tables.items()):
        span = partitions[0] if len(partitions) == 1 else f"{min(partitions)} to {max(partitions)}"
        yield Statement(
            f"{table}: {len(partitions)} partition{'s' if len(partitions) > 1 else ''}, {span}.",
            f"training of {known.contracted}",
        )
    label = ", ".join(f"{name} {value}" for name, value in known.contract.label.items())
    yield Statement(f"The label: {label}.", f"label of {known.contracted}")
    gone = {name: one.missing for name, one in known.contract.inputs.items() if one.missing > 0}
    if gone:
        worst = max(gone, key=lambda name: gone[name])
        yield Statement(
            f"{len(gone)} inputs have missing values, {worst} most of all ({gone[worst]:.1%}).",
            f"inputs of {known.contracted}",
        )


def _evaluation(known: Known) -> Iterator[Statement]:
    found = known.evidence
    yield Statement(
        f"Evaluated on {found.rows:,} rows, {found.positives:,} of them positive, "
        f"{found.first_day} to {found.last_day}.",
        known.evaluated,
    )
    for metric, value in sorted(found.metrics.items()):
        interval = found.intervals.get(metric)
        sure = f" (95%: {interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
        baseline = found.baseline.get(metric)
        beside = f", the baseline's {baseline:.4f}" if baseline is not None else ""
        yield Statement(f"{metric}: {value:.4f}{sure}{beside}.", known.evaluated)
    if found.calibration:
        interval = found.intervals.get("calibration slope")
        sure = f" (95%: {interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        yield Statement(
            f"The slope of calibration is {found.calibration['slope']:.2f}{sure}.", known.evaluated
        )
    if not found.intervals:
        yield Statement("How sure these figures are cannot be said: there are too few days.")


def _slices(known: Known) -> Iterator[Statement]:
    slices = known.evidence.slices
    if not slices:
        yield Statement("No slices were looked at: declare `evaluation.slices`.")
        return
    measured = [one for one in slices if "log_loss" in one.metrics]
    for one in sorted(measured, key=lambda one: -one.metrics["log_loss"])[:SLICES]:
        yield Statement(
            f"{one.column} {one.value}: log loss {one.metrics['log_loss']:.4f} on {one.rows:,} rows.",
            known.evaluated,
        )
    few = [f"{one.column} {one.value}" for one in slices if one.too_few]
    if few:
        yield Statement(f"Nothing can be said of {', '.join(few)}: too few rows.")


def _groups(known: Known) -> Iterator[Statement]:
    if not known.evidence.groups:
        yield Statement("No groups were looked at: declare `evaluation.groups`.")
    for group in known.evidence.groups:
        yield from _group(group, known.evaluated)


def _group(group: Group, evaluated: str) -> Iterator[Statement]:
    figures = (
        ("selection ratio", group.selection_ratio, group.selection_ratio_interval),
        ("opportunity gap", group.opportunity_gap, group.opportunity_gap_interval),
    )
    for name, value, interval in figures:
        if value is None:
            yield Statement(f"The {name} by {group.column} cannot be said.")
        else:
            sure = f" (95%: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            yield Statement(f"The {name} by {group.column} is {value:.3f}{sure}.", evaluated)
            if not interval:
                yield Statement(
                    f"How sure the {name} by {group.column} is cannot be said: there are too few days."
                )
    if group.too_few:
        yield Statement(f"Nothing can be said of {group.column} {', '.join(group.too_few)}: too few rows.")


def _behaviour(known: Known) -> Iterator[Statement]:
    found = known.evidence
    if not found.behaviour:
        yield Statement("Nothing was declared that must not change an answer: see `evaluation.invariances`.")
    for one in found.behaviour:
        yield Statement(
            f"{one.column}, {one.kind}: against it in {one.violations:.1%} of {one.rows} rows.",
            known.evaluated,
        )
    if found.milliseconds:
        yield Statement(
            f"One row took {found.milliseconds['p95']:.1f} ms (p95); "
            f"{known.contract.objectives['p95_ms']:g} are promised.",
            known.evaluated,
        )


def _decision(known: Known) -> Iterator[Statement]:
    yield Statement(f"The verdict was {known.verdict}.", known.decided)
    for reason in known.reasons:
        yield Statement(f"{reason.gate}: {reason.sentence}.", known.decided)


def _after(known: Known) -> Iterator[Statement]:
    for sentence in known.reigns:
        yield Statement(sentence, "its reigns")
    if not known.reigns:
        yield Statement("It never reigned.")
    if not known.certificates:
        yield Statement("It was not trained again: run `mlops reproduce`.")
    for one in known.certificates[-1:]:
        said = "identical" if one.identical else f"another by up to {one.largest_difference:.3g}"
        yield Statement(
            f"Trained again {len(known.certificates)} times, the last time at {one.at}: {said}.",
            "its certificates",
        )
    yield known.drift or Statement(
        "The world was not compared with what it learned: materialize its drift_report."
    )


def _count(contract: Contract, origin: str) -> int:
    return sum(one.origin == origin for one in contract.inputs.values())
