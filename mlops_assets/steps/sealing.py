"""Many records of a day under one entry of the ledger: sealed before they are written, and read again."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_assets.governance import merkle
from mlops_assets.governance.ledger import body_of
from mlops_assets.governance.sealed import Seal, Sealed
from mlops_assets.stores.ledger import BATCH
from mlops_assets.stores.stores import Stores

# What the ledger calls the records of a batch.
SEALED = "prediction"


def seal(stores: Stores, about: str, said: Sequence[Sealed]) -> None:
    """Let the ledger tell of a day, unless the newest that it tells of the day is this.

    Sealed first, a row that is written is never without its proof; what was sealed and then not written is nobody's.
    """
    records = _in_order(said)
    newest = stores.ledger.newest(1, kind=BATCH, subject=about)
    if newest and body_of(newest[0])["root"] == merkle.root(records).hex():
        return
    if records:
        stores.ledger.seal(SEALED, about, records)


def seals(stores: Stores, about: str) -> list[Seal]:
    """What the ledger has of a day, newest first."""
    found = stores.ledger.about(about)
    bodies = [(one, body_of(one)) for one in found]
    return [Seal(one.number, one.hash, one.at, body["count"], body["root"]) for one, body in bodies]


def is_sealed(stores: Stores, about: str, said: Sequence[Sealed]) -> bool:
    """Whether the ledger has just these of a day, whenever it was told."""
    here = merkle.root(_in_order(said)).hex(), len(said)
    return here in {(one.root, one.count) for one in seals(stores, about)}


def _in_order(said: Sequence[Sealed]) -> list[bytes]:
    return [one.record.encode() for one in sorted(said, key=lambda one: one.id)]
