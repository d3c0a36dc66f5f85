"""Merkle trees as RFC 6962 has them: one hash for many records, and short proofs that a record is among them.

Leaves and nodes are hashed with different first bytes, so that no node passes for a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

_LEAF, _NODE = b"\x00", b"\x01"


def root(records: Sequence[bytes]) -> bytes:
    """The hash of all records in their order; that of no bytes for none."""
    return _root([_leaf(record) for record in records])


def proof(records: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from the record at ``index`` to the root, nearest first.

    Raises IndexError when there is no such record.
    """
    if not 0 <= index < len(records):
        raise IndexError(f"found record {index}, expected one of {len(records)}")
    return _path([_leaf(record) for record in records], index)


def proves(path: Sequence[bytes], record: bytes, index: int, count: int, expected: bytes) -> bool:
    """Whether a proof leads from a record, at ``index`` of ``count``, to the root. RFC 9162, 2.1.3.2."""
    if not 0 <= index < count:
        return False
    here, last, found = index, count - 1, _leaf(record)
    for step in path:
        if last == 0:
            return False
        if here % 2 or here == last:
            found = _node(step, found)
            while here and not here % 2:
                here, last = here // 2, last // 2
        else:
            found = _node(found, step)
        here, last = here // 2, last // 2
    return last == 0 and found == expected


def _leaf(record: bytes) -> bytes:
    return sha256(_LEAF + record).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below a count of two or more."""
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    level = list(leaves)
    # The last of an odd number goes up as it is, which is the tree that splitting at powers of two gives.
    while len(level) > 1:
        pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if index < split:
        return [*_path(left, index), _root(right)]
    return [*_path(right, index - split), _root(left)]
