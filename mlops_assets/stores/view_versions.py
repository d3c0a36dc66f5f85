"""Whether the stored rows of a feature view mean what is asked for."""

from __future__ import annotations

from mlops_assets.declaration.versions import Version
from mlops_assets.errors import GateRefusal
from mlops_assets.stores.pinned import Pinned
from mlops_assets.stores.records import Records


def require_version(records: Records, pinned: Pinned, wanted: Version) -> None:
    """Raise GateRefusal when a partition of a view was computed by another version than ``wanted``.

    A column whose older rows mean something else says two things at once. wanted: all that a version says, or
    only some parts of it.
    """
    computed_by = _computed_by(records, pinned)
    other = [day for day, version in computed_by.items() if version.lacking(wanted).parts]
    if other:
        found = computed_by[other[-1]]
        expected = found.lacking(wanted)
        raise GateRefusal(
            f"{pinned.table} was computed by another version of its SQL for {other[0]} to {other[-1]} "
            f"({len(other)} partitions): found {found.only(expected.parts)}, expected {expected}; "
            "materialize them again, so that a feature means one thing"
        )


def of_version(records: Records, pinned: Pinned, wanted: Version) -> Pinned:
    """The same table with none but the partitions that were computed by a version."""
    computed_by = _computed_by(records, pinned)
    return pinned.only(day for day, version in computed_by.items() if not version.lacking(wanted).parts)


def _computed_by(records: Records, pinned: Pinned) -> dict[str, Version]:
    """For each partition, in their order, what computed it."""
    spelled = records.code_versions(pinned.table, up_to=pinned.version)
    return {one.partition: Version.read(spelled[one.partition]) for one in pinned.contents}
