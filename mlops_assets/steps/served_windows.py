"""What became of a service's requests, minute by minute, as its processes wrote it down: by day, and what is news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mlops_assets.data.sql import PARTITION
from mlops_assets.errors import NotMaterialized
from mlops_assets.monitoring.service import REPORT, Window
from mlops_assets.stores.prediction_log import readings, segments, windows_folder
from mlops_assets.stores.stores import Stores

# Days of windows that are looked through for failures of which no report knows.
NEWEST = 7


def windows_of(stores: Stores, model: str, zone: ZoneInfo, day: str) -> list[Window]:
    """What the processes of a service wrote down of the minutes of a local day; damaged lines are left out."""
    begin = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), zone)
    folder = windows_folder(stores.places.home, model)
    of_utc = sorted({begin.astimezone(UTC).date().isoformat(), end.astimezone(UTC).date().isoformat()})
    found = (one for name in of_utc for one in _written(folder / name))
    return [one for one in found if begin <= datetime.fromisoformat(one.at) < end]


def unjudged(stores: Stores, model: str, zone: ZoneInfo) -> dict[str, int]:
    """Day -> how many requests failed on it, where its report, if there is one, does not count as many.

    Of the newest days of windows: a service that only fails answers nothing that would have a report made.
    """
    folder = windows_folder(stores.places.home, model)
    newest = sorted(path.name for path in folder.iterdir())[-NEWEST:] if folder.is_dir() else []
    failed: Counter[str] = Counter()
    for name in newest:
        for one in _written(folder / name):
            failed[datetime.fromisoformat(one.at).astimezone(zone).date().isoformat()] += one.failed
    days = sorted(day for day, count in failed.items() if count)
    judged = _judged_failures(stores, model, days)
    return {day: failed[day] for day in days if failed[day] > judged.get(day, 0)}


def _written(folder: Path) -> Iterator[Window]:
    """What was written down of the minutes of a day of UTC."""
    for _, reading in readings(segments(folder)):
        for record in reading.records:
            yield Window(record["at"], record["statuses"], record["kinds"], record["milliseconds"]["p95"])


def _judged_failures(stores: Stores, model: str, days: Sequence[str]) -> dict[str, int]:
    """Day -> how many failed requests its report counts, for days that have one."""
    try:
        pinned = stores.lake.pin(f"{model}/{REPORT}", days)
    except NotMaterialized:
        return {}
    rows = stores.engine.rows(f"SELECT {PARTITION}, failed FROM reports", {"reports": pinned})
    return dict(zip(rows[PARTITION].to_pylist(), rows["failed"].to_pylist(), strict=True))
