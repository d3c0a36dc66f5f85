"""Change requests that wait for what a change touches: who agrees to them should know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlops_assets.steps.standing import REIGNS, waiting
from mlops_assets.stores.changes import Recorded
from mlops_assets.stores.lineage import Reached
from mlops_assets.stores.overrides import Subject
from mlops_assets.stores.stores import Stores


@dataclass(frozen=True)
class OpenRequest:
    """number, change, of, by: of the request: its kind, its resource and its author. stands: what it waits for."""

    number: int
    change: str
    of: str
    by: str
    stands: str


def open_about(
    stores: Stores, resources: Iterable[str], versions: Iterable[tuple[str, int]]
) -> tuple[OpenRequest, ...]:
    """Those about some resources, or that one of these versions of models reigns; oldest first."""
    about, reign = set(resources), set(versions)

    def touched(one: Recorded) -> bool:
        return one.request.proposal.resource in about or _asked_to_reign(one) in reign

    return _found(stores, touched)


def open_above(
    stores: Stores, reached: Reached, versions: Iterable[tuple[str, int]]
) -> tuple[OpenRequest, ...]:
    """Those that one of these versions reigns, or to allow a partition that a trace reaches; oldest first."""
    reign = set(versions)

    def touched(one: Recorded) -> bool:
        said = one.request.proposal
        if said.kind != "override":
            return _asked_to_reign(one) in reign
        subject = Subject.of(said.payload)
        # What is asked of a release is about the model that was trained for it.
        table = (
            subject.what.removesuffix("release") + "model"
            if subject.what.endswith("/release")
            else subject.what
        )
        return bool(reached.among(stores.lineage.written(table, subject.partition)))

    return _found(stores, touched)


def _found(stores: Stores, touched: Callable[[Recorded], bool]) -> tuple[OpenRequest, ...]:
    return tuple(
        OpenRequest(
            one.request.number,
            one.request.proposal.kind,
            one.request.proposal.resource,
            one.request.proposal.by,
            f"{stands.stage}: {stands.sentence}",
        )
        for one, stands in waiting(stores)
        if touched(one)
    )


def _asked_to_reign(one: Recorded) -> tuple[str, int] | None:
    """The model and the version that a request wants to reign; None for others."""
    said = one.request.proposal
    return (said.payload["model"], said.payload["version"]) if said.kind in REIGNS else None
