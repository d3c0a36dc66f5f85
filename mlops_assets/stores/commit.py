"""What a table commit says of itself: every partition's rows, fingerprint, readings and verdicts, and what was refused.

It travels inside the Delta commit, so content and record become visible together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.governance.verdicts import Verdict
from mlops_assets.stores.pinned import Content

# The key of a Delta commit's custom metadata that holds the record.
COMMIT_KEY = "mlops_assets"


@dataclass(frozen=True)
class Provenance:
    """Who wrote: the code that made the rows, the Dagster run, and the moment (UTC, ISO 8601)."""

    code_version: str
    run_id: str
    written_at: str


@dataclass(frozen=True)
class PartitionRecord:
    """What is recorded of one written partition."""

    rows: int
    fingerprint: str
    reads: tuple[Content, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Commit:
    """One atomic write of one table. refused: partitions that could not be made and keep what they hold, and why."""

    table: str
    provenance: Provenance
    partitions: Mapping[str, PartitionRecord] = field(default_factory=dict)
    refused: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)

    @property
    def blocking(self) -> list[tuple[str, Verdict]]:
        """The verdicts for which partitions were refused."""
        return [
            (partition, one)
            for partition, said in self.refused.items()
            for one in said
            if one.blocking and not one.passed
        ]

    def to_dict(self) -> dict[str, Any]:
        """As plain values; ``from_dict`` takes them back."""
        # A range reads the same contents for many partitions, so each is written once.
        shared: dict[Content, int] = {}
        partitions = {
            key: {
                "rows": record.rows,
                "fingerprint": record.fingerprint,
                "reads": [shared.setdefault(read, len(shared)) for read in record.reads],
                "verdicts": [vars(verdict) for verdict in record.verdicts],
            }
            for key, record in self.partitions.items()
        }
        return {
            "provenance": vars(self.provenance),
            "contents": [vars(content) for content in shared],
            "partitions": partitions,
            "refused": {key: [vars(verdict) for verdict in said] for key, said in self.refused.items()},
        }

    def to_metadata(self) -> dict[str, str]:
        """As the custom metadata of a Delta commit."""
        return {COMMIT_KEY: json.dumps(self.to_dict(), separators=(",", ":"))}

    @classmethod
    def from_metadata(cls, table: str, metadata: Mapping[str, Any]) -> Commit | None:
        """The record in a Delta commit's metadata; None for a commit that is not ours."""
        return cls.from_dict(table, json.loads(metadata[COMMIT_KEY])) if COMMIT_KEY in metadata else None

    @classmethod
    def from_dict(cls, table: str, body: Mapping[str, Any]) -> Commit:
        """What ``to_dict`` gave."""
        contents = [Content(**content) for content in body["contents"]]
        partitions = {
            key: PartitionRecord(
                rows=record["rows"],
                fingerprint=record["fingerprint"],
                reads=tuple(contents[index] for index in record["reads"]),
                verdicts=tuple(Verdict(**verdict) for verdict in record["verdicts"]),
            )
            for key, record in body["partitions"].items()
        }
        refused = {
            key: tuple(Verdict(**verdict) for verdict in said)
            for key, said in body.get("refused", {}).items()
        }
        return cls(table, Provenance(**body["provenance"]), partitions, refused)
