"""Whether all that something was made from may be built upon: read from the records of exactly that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlops_assets.errors import GateRefusal
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.records import Records

# Table of the lake -> the blocking checks that must have spoken about every partition of it.
Required = Mapping[str, Sequence[str]]

SHOWN = 10


def require_proven(records: Records, contents: Sequence[Content], required: Required) -> None:
    """Raise GateRefusal unless each blocking check has passed for exactly these contents, or was overridden."""
    found = list(unproven(records, contents, required))
    if found:
        more = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise GateRefusal(
            "the inputs have not passed their blocking checks; materialize them again:\n"
            + "\n".join(f"  {one}" for one in [*found[:SHOWN], *more])
        )


def unproven(records: Records, contents: Sequence[Content], required: Required) -> Iterator[str]:
    """What speaks against exactly these contents: checks that failed and block, or must pass, or never spoke."""
    said, allowed = records.verdicts_of(contents), records.overridden(contents)
    for content in contents:
        place = f"{content.table}, partition {content.partition}"
        must = [check for check in required.get(content.table, ()) if check not in allowed[content]]
        for one in said[content]:
            decides = one.blocking or one.check in must
            if decides and not one.passed and one.check not in allowed[content]:
                yield f"{place}: {one.check}: {one.reason}"
        spoke = {one.check for one in said[content]}
        yield from (f"{place}: {check} has said nothing of it" for check in must if check not in spoke)


def unrecorded(contents: Sequence[Content], tables: Sequence[str]) -> Iterator[str]:
    """What should be among these contents and is not: who does not say what it read has proven nothing of it."""
    there = {content.table for content in contents}
    yield from (f"it has no record of having been made from {one}" for one in tables if one not in there)


def all_below(records: Records, contents: Sequence[Content]) -> list[Content]:
    """These contents and every one that they were made from, down to the raw rows; each once."""
    found = dict.fromkeys(contents)
    layer = list(contents)
    while layer:
        read = (one for reads in records.reads_of(layer).values() for one in reads)
        layer = [one for one in dict.fromkeys(read) if one not in found]
        found.update(dict.fromkeys(layer))
    return list(found)
