"""What two contracts of a model have not in common, and what that asks of whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mlops_assets.errors import ArtifactMismatch

# The file of an artifact that holds one.
CONTRACT = "contract.json"
# compatible: callers and the model go on. retrain: callers go on, an older model does not know the new data.
# breaking: callers must change.
Kind = Literal["compatible", "retrain", "breaking"]
Origin = Literal["request", "features"]
WORST: tuple[Kind, ...] = ("breaking", "retrain", "compatible")


@dataclass(frozen=True)
class Input:
    """One input of a model, as it was trained with it.

    origin: ``request`` comes with the call, ``features`` is looked up. low, high: of numbers seen in training;
    None where there were none. categories: of text and truth values, sorted; None of numbers, and where there
    were too many to list. missing: the share of training rows without it.
    """

    type: str
    origin: Origin
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] | None = None
    missing: float = 0.0


@dataclass(frozen=True)
class Contract:
    """What a version of a model takes, answers, rests on and promises.

    keys: what a caller sends for features to be looked up or computed, each with its type. label, features: hashes
    of what they mean. output: what an answer consists of. training: each partition that it was made from with its
    fingerprint. prediction_log: whether a prediction that cannot be written down is no answer. threshold: the
    probability from which a row counts as of the positive class.
    """

    model: str
    owner: str
    edition: int
    as_of: str
    model_digest: str
    keys: Mapping[str, str]
    inputs: Mapping[str, Input]
    output: Mapping[str, str]
    service: str
    features: str
    views: Mapping[str, str]
    question: str
    label: Mapping[str, Any]
    objectives: Mapping[str, float]
    resources: Mapping[str, int]
    metrics: Mapping[str, float]
    training: Mapping[str, str]
    code: Mapping[str, Any]
    environment: Mapping[str, Any]
    prediction_log: str = "required"
    threshold: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Contract:
        inputs = {name: Input(**_with_tuple(one)) for name, one in body["inputs"].items()}
        return cls(**{**body, "inputs": inputs})

    def to_files(self) -> dict[str, bytes]:
        """As the files of an artifact."""
        return {CONTRACT: json.dumps(self.to_dict(), sort_keys=True, indent=2).encode()}

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Contract:
        """The contract in the files of an artifact. Raises ArtifactMismatch when they hold none of this form."""
        if CONTRACT not in files:
            raise ArtifactMismatch(f"found {', '.join(sorted(files)) or 'no files'}, expected {CONTRACT}")
        try:
            return cls.from_dict(json.loads(files[CONTRACT]))
        except (KeyError, TypeError) as error:
            raise ArtifactMismatch(
                f"{CONTRACT} was drawn up by another version of the platform ({error}); release the model again"
            ) from error


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise. field: the path in the contract that decides."""

    field: str
    kind: Kind
    sentence: str


def changes(old: Contract, new: Contract) -> list[Change]:
    """Everything that is otherwise in ``new``, the worst first."""
    found = [
        *_of_what_is_sent(old, new),
        *_of_features(old, new),
        *_of_training(old, new),
        *_of_answers(old, new),
        *_of_promises(old, new),
    ]
    return sorted(found, key=lambda change: WORST.index(change.kind))


def kind_of(found: list[Change]) -> Kind:
    """The worst of all changes; compatible when there are none."""
    return found[0].kind if found else "compatible"


def breaches(old: Contract, new: Contract) -> list[str]:
    """Why ``new`` may not take the place of ``old``; nothing in a later edition, which may break what it likes."""
    if new.edition < old.edition:
        return [f"contract.edition {new.edition} follows {old.edition}: an edition is never taken back"]
    if new.edition > old.edition:
        return []
    then = f"declare contract.edition {old.edition + 1} when those who call {new.model} are ready for it"
    return [f"{one.sentence}; {then}" for one in changes(old, new) if one.kind == "breaking"]


def _with_tuple(one: Mapping[str, Any]) -> dict[str, Any]:
    categories = one["categories"]
    return {**one, "categories": None if categories is None else tuple(categories)}


def _of_what_is_sent(old: Contract, new: Contract) -> Iterator[Change]:
    """A caller sends keys and request columns; each it does not send, or sends in another type, breaks it."""
    yield from _mapping("keys", old.keys, new.keys, lacks="breaking", extra="breaking", other="breaking")
    sent = [
        {name: one.type for name, one in of.inputs.items() if one.origin == "request"} for of in (old, new)
    ]
    # A service that refuses fields it does not know breaks those who go on sending one that is gone.
    yield from _mapping("inputs", *sent, lacks="breaking", extra="breaking", other="breaking")


def _of_features(old: Contract, new: Contract) -> Iterator[Change]:
    looked_up = [
        {name: one.type for name, one in of.inputs.items() if one.origin == "features"} for of in (old, new)
    ]
    yield from _mapping("inputs", *looked_up, lacks="retrain", extra="retrain", other="retrain")
    yield from _mapping("views", old.views, new.views, lacks="retrain", extra="retrain", other="retrain")
    if old.features != new.features and old.views == new.views:
        yield Change("features", "retrain", f"feature service {new.service!r} delivers other columns")
    if old.service != new.service:
        yield Change(
            "service", "compatible", f"it asks feature service {new.service!r} after {old.service!r}"
        )


def _of_training(old: Contract, new: Contract) -> Iterator[Change]:
    # What is asked tells whether a label that is spelled otherwise means something else.
    if old.question != new.question and old.label != new.label:
        told = f"the label is another: found {_told(new.label)}, was {_told(old.label)}"
        yield Change("label", "breaking", told)
    elif old.question != new.question and old.features == new.features:
        meant = "the label's table, when it is asked, or what comes with the request"
        yield Change("question", "retrain", f"what is asked means something else: {meant}")
    for name, one in new.inputs.items():
        before = old.inputs.get(name)
        if before is not None and before.type == one.type:
            yield from _range(name, before, one)


def _range(name: str, old: Input, new: Input) -> Iterator[Change]:
    if old.categories != new.categories:
        told = _categories(old.categories, new.categories)
        yield Change(f"inputs.{name}.categories", "compatible", f"in {name!r} training {told}")
    if (old.low, old.high) != (new.low, new.high):
        then, now = f"{_number(old.low)} to {_number(old.high)}", f"{_number(new.low)} to {_number(new.high)}"
        yield Change(f"inputs.{name}.range", "compatible", f"{name!r} was {then} in training and is {now}")


def _categories(old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> str:
    if new is None:
        return "saw too many categories to list"
    if old is None:
        return f"saw few enough categories to list: {_few(list(new))}"
    lost, more = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    told = [f"no longer saw {_few(lost)}"] if lost else []
    told += [f"saw {_few(more)} for the first time"] if more else []
    return " and ".join(told)


def _of_answers(old: Contract, new: Contract) -> Iterator[Change]:
    yield from _mapping(
        "output", old.output, new.output, lacks="breaking", extra="compatible", other="breaking"
    )


def _of_promises(old: Contract, new: Contract) -> Iterator[Change]:
    for name in sorted({*old.objectives, *new.objectives}):
        yield from _promise(name, old.objectives.get(name), new.objectives.get(name))
    yield from _mapping(
        "resources", old.resources, new.resources, lacks="compatible", extra="compatible", other="compatible"
    )
    if old.prediction_log != new.prediction_log:
        told = f"its prediction log is {new.prediction_log} after {old.prediction_log}"
        yield Change("prediction_log", "compatible", told)
    if old.threshold != new.threshold:
        told = f"a row is of the positive class from {new.threshold:g} on after {old.threshold:g}"
        yield Change("threshold", "compatible", told)
    if old.owner != new.owner:
        yield Change("owner", "compatible", f"{new.owner} owns it after {old.owner}")
    if old.environment != new.environment:
        yield Change("environment", "compatible", "it was trained in another environment")
    if old.code != new.code:
        yield Change("code", "compatible", "it was trained by other code")


def _promise(name: str, old: float | None, new: float | None) -> Iterator[Change]:
    """Of a limit that is kept to: a lower one is more, and none at all is the least."""
    if old == new:
        return
    less = new is None or (old is not None and new > old)
    told = f"{name} promises {'less' if less else 'more'}: {_number(new)} after {_number(old)}"
    yield Change(f"objectives.{name}", "breaking" if less else "compatible", told)


def _mapping(
    field: str, old: Mapping[str, Any], new: Mapping[str, Any], *, lacks: Kind, extra: Kind, other: Kind
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        place = f"{field}.{name}"
        if name not in new:
            yield Change(place, lacks, f"{name!r} is gone from {field}")
        elif name not in old:
            yield Change(place, extra, f"{name!r} is new in {field}")
        elif old[name] != new[name]:
            yield Change(
                place, other, f"{name!r} of {field} is {_told(new[name])} and was {_told(old[name])}"
            )


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one!r}" for name, one in value.items())
    return str(value)


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"


def _few(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
