"""What became of the requests of each minute, also of those that were not answered: written down once it is over."""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from mlops_assets.errors import LogUnwritable
from mlops_assets.stores.prediction_log import PredictionLog

# A window is brought to disk with the next one, and all of a day are in one segment of a process.
SYNC_SECONDS, SEGMENT_SECONDS = 60.0, 86_400.0
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
logger = logging.getLogger(__name__)


class Windows:
    """Counts the requests of a process by minute of the service's clock, and logs each minute that had some.

    A process that is killed loses the counts of its last minute, and no prediction. folder: of a model's windows, in
    which each day of UTC has a log of its own; None where nothing is written. now: the service's clock.
    """

    def __init__(self, folder: Path | None, now: Callable[[], datetime]) -> None:
        self._folder, self._now = folder, now
        self._minute: datetime | None = None
        self._statuses: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._milliseconds = array("d")
        self._day = ""
        self._log: PredictionLog | None = None

    def answered(self, status: int, kind: str, seconds: float) -> None:
        """A request has its answer. status: of HTTP. kind: of what it failed for; empty where it did not."""
        self.flush()
        if self._minute is None:
            self._minute = self._now().replace(second=0, microsecond=0)
        self._statuses[str(status)] += 1
        if kind:
            self._kinds[kind] += 1
        self._milliseconds.append(1000 * seconds)

    def flush(self) -> None:
        """Write the minute down if it is over."""
        if self._minute is not None and self._now().replace(second=0, microsecond=0) != self._minute:
            self._write()

    def close(self) -> None:
        """Write down the last minute, and bring all to disk."""
        if self._minute is not None:
            self._write()
        self._end_day()

    def _write(self) -> None:
        assert self._minute is not None
        found = np.quantile(np.asarray(self._milliseconds), list(QUANTILES.values()), method="inverted_cdf")
        record = {
            "id": uuid4().hex,
            "at": self._minute.isoformat(),
            "statuses": dict(self._statuses),
            "kinds": dict(self._kinds),
            "milliseconds": dict(zip(QUANTILES, found.round(3).tolist(), strict=True)),
        }
        try:
            self._append(record, self._minute.date().isoformat())
        except (LogUnwritable, OSError) as error:
            # Requests are answered all the same; the log of predictions has a failure of its own.
            logger.error("%s", error)
        self._minute = None
        self._statuses.clear()
        self._kinds.clear()
        del self._milliseconds[:]

    def _append(self, record: Mapping[str, Any], day: str) -> None:
        if self._folder is None:
            return
        if self._log is None or self._day != day:
            self._end_day()
            self._log = PredictionLog(
                self._folder / day, sync_seconds=SYNC_SECONDS, max_seconds=SEGMENT_SECONDS
            )
            self._day = day
        self._log.append(record)

    def _end_day(self) -> None:
        """Bring the log of a day to disk; one that somebody has cleared away ends all the same."""
        ended, self._log = self._log, None
        if ended is None:
            return
        try:
            ended.close()
        except (LogUnwritable, OSError):
            logger.exception("the windows of %s could not be brought to disk", self._day)
