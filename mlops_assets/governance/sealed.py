"""Whether a prediction is among those that the ledger sealed, and if not, which rows are others than their ids say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_assets.governance import merkle

# Of many rows that were changed, as many are named.
NAMED = 20


class Sealed(Protocol):
    """What is sealed among others: its record is hashed, and its id is a hash of it."""

    @property
    def record(self) -> str: ...

    @property
    def id(self) -> str: ...


@dataclass(frozen=True)
class Seal:
    """What the ledger has of a day. entry: its number. root: in hexadecimal."""

    entry: int
    hash: str
    at: str
    count: int
    root: str


@dataclass(frozen=True)
class Proof:
    """Whether a row was sealed as it is, and how anybody checks that with RFC 6962 and the row alone.

    record: what the row says, as it is hashed. index, path: its place among the records, and the hashes from it to
    the root, in hexadecimal, nearest first. seal: None when no entry has the root. changed: ids whose rows are not
    what they say.
    """

    holds: bool
    said: str
    record: str
    index: int
    path: tuple[str, ...]
    seal: Seal | None
    changed: tuple[str, ...]


def prove(rows: Sequence[tuple[str, Sealed]], wanted: str, seals: Sequence[Seal]) -> Proof:
    """The proof of the row whose id is wanted, which must be there. rows: of the day, in the order of their ids."""
    records = [one.record.encode() for _, one in rows]
    index = next(at for at, (name, _) in enumerate(rows) if name == wanted)
    root, path = merkle.root(records).hex(), merkle.proof(records, index)
    seal = next((one for one in seals if (one.root, one.count) == (root, len(rows))), None)
    changed = tuple(name for name, one in rows if name != one.id)
    holds = (
        seal is not None
        and not changed
        and merkle.proves(path, records[index], index, len(rows), bytes.fromhex(seal.root))
    )
    return Proof(
        holds=holds,
        said=_said(wanted, len(rows), seal, seals, changed),
        record=records[index].decode(),
        index=index,
        path=tuple(one.hex() for one in path),
        seal=seal,
        changed=changed,
    )


def _said(wanted: str, count: int, seal: Seal | None, seals: Sequence[Seal], changed: Sequence[str]) -> str:
    if changed:
        named = ", ".join(changed[:NAMED]) + (f" and {len(changed) - NAMED} more" if changed[NAMED:] else "")
        own = "it is among them" if wanted in changed else "it is not among them"
        return f"{len(changed)} of {count} rows are not what their ids say ({own}): {named}"
    if seal is not None:
        return f"it is one of the {count} that entry {seal.entry} sealed at {seal.at}"
    if not seals:
        return "the ledger has no entry about this day"
    counts = ", ".join(f"{one.count} in entry {one.entry}" for one in seals)
    return f"the {count} rows that are there are not those that were sealed ({counts}): one was taken out or put in"
