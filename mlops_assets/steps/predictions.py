"""Predictions that a service wrote down, as rows of days: each once, in the day in which it was answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from mlops_assets.data.sql import PARTITION
from mlops_assets.stores.prediction_log import Segment, read_log, segments
from mlops_assets.stores.shipments import forgettable

MOMENT = pa.timestamp("us", tz="UTC")
# One row for each row of a request. request, features: as they were sent and as they were served, as JSON.
SCHEMA = pa.schema(
    {
        PARTITION: pa.string(),
        "request_id": pa.string(),
        "row": pa.int64(),
        "predicted_at": MOMENT,
        "version": pa.int64(),
        "probability": pa.float64(),
        "milliseconds": pa.float64(),
        "request": pa.string(),
        "features": pa.string(),
    }
)


@dataclass(frozen=True)
class Compacted:
    """rows: in order of time. segments: that they were read from, to be removed once the rows are kept."""

    rows: pa.Table
    segments: tuple[Segment, ...]

    @property
    def days(self) -> list[str]:
        """The days that rows are of."""
        return sorted(set(self.rows[PARTITION].to_pylist()))

    def forget(self) -> None:
        """Remove the segments, but for those that are still to be shipped; they are read again the next time."""
        for segment in forgettable(self.segments):
            segment.path.unlink()


def compacted(folder: Path, zone: ZoneInfo) -> Compacted:
    """What finished segments of a log hold; a service goes on writing its own. zone: of the days.

    Raises LogDamaged when a record is missing or changed.
    """
    found = segments(folder, finished=True)
    return Compacted(rows_of(read_log(found), zone), tuple(found))


def rows_of(records: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]], zone: ZoneInfo) -> pa.Table:
    """Records of a log as rows, in order of time and request."""
    rows = [row for record in records for row in _rows(record, zone)]
    rows.sort(key=lambda row: (row["predicted_at"], row["request_id"], row["row"]))
    return pa.Table.from_pylist(rows, SCHEMA)


def _rows(record: Mapping[str, Any], zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    at = datetime.fromisoformat(record["at"])
    told = zip(record["request"], record["features"], record["probability"], strict=True)
    for number, (request, features, probability) in enumerate(told):
        yield {
            PARTITION: at.astimezone(zone).date().isoformat(),
            "request_id": record["id"],
            "row": number,
            "predicted_at": at.astimezone(UTC),
            "version": record["version"],
            "probability": probability,
            "milliseconds": record["milliseconds"],
            "request": json.dumps(request, sort_keys=True),
            "features": json.dumps(features, sort_keys=True),
        }
