"""Which events a model may learn from and be judged on, as of a date, and why the others are left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from mlops_assets.data.sql import local_day, moment, name, names, text
from mlops_assets.declaration.model import Model, Window
from mlops_assets.declaration.sql import bracketed
from mlops_assets.declaration.training_columns import LABEL, LABEL_KNOWN_AT, PREDICTED_AT, USE

Use = Literal["train", "evaluate", "unlabelled", "not_known_yet", "overlaps_evaluation"]


@dataclass(frozen=True)
class Horizon:
    """The days and moments of one as-of date.

    first..last are the event days, evaluation starts on ``evaluate_from``; the two moments are UTC.
    """

    first: date
    evaluate_from: date
    last: date
    evaluation_starts: datetime
    as_of: datetime

    @classmethod
    def watched(cls, as_of: date, days: int, zone: ZoneInfo) -> Horizon:
        """The ``days`` before ``as_of``, none of them to train on."""
        first = as_of - timedelta(days=days)
        return cls(
            first=first,
            evaluate_from=first,
            last=as_of - timedelta(days=1),
            evaluation_starts=datetime.combine(first, time(), zone),
            as_of=datetime.combine(as_of, time(), zone),
        )

    @classmethod
    def of(cls, as_of: date, window: Window, zone: ZoneInfo) -> Horizon:
        """The window that ends the day before ``as_of``; midnights are local to ``zone``."""
        evaluate_from = as_of - timedelta(days=window.evaluate_days)
        return cls(
            first=as_of - timedelta(days=window.days),
            evaluate_from=evaluate_from,
            last=as_of - timedelta(days=1),
            evaluation_starts=datetime.combine(evaluate_from, time(), zone),
            as_of=datetime.combine(as_of, time(), zone),
        )


def labelled_events(
    model: Model, key: tuple[str, ...], carried: tuple[str, ...], horizon: Horizon, timezone: str
) -> str:
    """SQL over the label's table: every event of the window, its label and how it may be used.

    carried: columns taken along: what comes with the request and the keys of the views.
    An event without a label is ``unlabelled``; one whose label is known only at or after the
    as-of moment, or nobody knows when, is ``not_known_yet``; a training label that became known only when
    evaluation had begun ``overlaps_evaluation``.
    """
    day = local_day("event_time", timezone)
    before = int(model.predict_before.total_seconds())
    columns = names(dict.fromkeys((*key, *carried)))
    return f"""
        SELECT {columns}, event_time, event_time - to_seconds({before}) AS {PREDICTED_AT},
               available_at AS {LABEL_KNOWN_AT}, CAST({bracketed(model.label.positive)} AS BOOLEAN) AS {LABEL},
               CASE
                 WHEN {bracketed(model.label.positive)} IS NULL THEN 'unlabelled'
                 WHEN coalesce(available_at >= {moment(horizon.as_of)}, true) THEN 'not_known_yet'
                 WHEN {day} >= {text(horizon.evaluate_from.isoformat())} THEN 'evaluate'
                 WHEN available_at >= {moment(horizon.evaluation_starts)} THEN 'overlaps_evaluation'
                 ELSE 'train'
               END AS {USE}
        FROM {name(model.label.table)}
        WHERE {day} BETWEEN {text(horizon.first.isoformat())} AND {text(horizon.last.isoformat())}"""


def usable(events: str) -> str:
    """SQL: the events to train or evaluate on."""
    return f"SELECT * FROM {name(events)} WHERE {USE} IN ('train', 'evaluate')"


def use_counts(events: str) -> str:
    """SQL: how many events fall to each use."""
    return f"SELECT {USE}, count(*) AS rows FROM {name(events)} GROUP BY {USE} ORDER BY {USE}"
