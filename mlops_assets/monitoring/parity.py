"""Are the values that requests get online those that they get offline? Feature by feature, to the last bit."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.governance.verdicts import Verdict

PARITY = "parity"
CHECKS = {
    PARITY: "Requests asked again: every feature has online the value that it has offline, to the last bit."
}
Columns = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class FeatureParity:
    """One feature of a service. compared: requests. present: those with a value offline. differing: those that
    have another one online. max_difference: of numbers that are there on both sides; None for none."""

    feature: str
    compared: int
    present: int
    differing: int
    max_difference: float | None


def table(found: Sequence[FeatureParity]) -> str:
    """What was found, as Markdown, the worst first."""
    head = "| feature | requests | with a value | differing | largest difference |\n|---|---|---|---|---|"
    lines = [
        f"| {one.feature} | {one.compared} | {one.present} | {one.differing} | {one.max_difference} |"
        for one in sorted(found, key=lambda one: -one.differing)
    ]
    return "\n".join([head, *lines])


def compared(column: str, online: Columns, offline: Columns) -> FeatureParity:
    """One column of the same requests, asked in two places."""
    pairs = [(here[column], there[column]) for here, there in zip(online, offline, strict=True)]
    return FeatureParity(
        column,
        compared=len(pairs),
        present=sum(there is not None for _, there in pairs),
        differing=sum(not _same(here, there) for here, there in pairs),
        max_difference=max(_differences(pairs), default=None),
    )


def _same(one: Any, other: Any) -> bool:
    """Equal to the last bit: 0.0 is not -0.0, and NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and bool(one == other)


def _differences(pairs: Sequence[tuple[Any, Any]]) -> Iterator[float]:
    for one, other in pairs:
        if isinstance(one, int | float) and isinstance(other, int | float):
            yield abs(float(one) - float(other))


def verdict(found: Sequence[FeatureParity]) -> Verdict:
    """They are equal, or an error; nothing compared is an error too."""
    differing = [one for one in found if one.differing]
    compared = max((one.compared for one in found), default=0)
    if not compared:
        return Verdict(PARITY, False, "there was no event to ask again", error=True)
    if differing:
        worst = max(differing, key=lambda one: one.differing)
        reason = (
            f"{len(differing)} of {len(found)} features differ, {worst.feature} most: online it is another value "
            f"than offline in {worst.differing} of {worst.compared} requests"
        )
        return Verdict(PARITY, False, reason, error=True)
    present = sum(one.present for one in found)
    return Verdict(
        PARITY,
        True,
        f"{len(found)} features of {compared} requests are equal, {present} values and the rest null",
        error=True,
    )
