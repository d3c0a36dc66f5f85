"""Days of data and as-of dates of models, and how one looks back on the other."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.catalog import Calendar

# The tags of a run over a range of partitions.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def days_of(calendar: Calendar | None) -> dg.DailyPartitionsDefinition | None:
    """One partition per local day of the calendar that is over; None for what is not daily."""
    return None if calendar is None else _daily(calendar.start, calendar.end, calendar.timezone)


def as_of_dates(first: date, last: date | None, timezone: str) -> dg.DailyPartitionsDefinition:
    """One partition per local date from ``first`` to ``last``, both included, that has begun.

    A date asks for the days before it, so today's is there: yesterday is over.
    """
    return _daily(first, last, timezone, end_offset=1)


def _daily(
    first: date, last: date | None, timezone: str, *, end_offset: int = 0
) -> dg.DailyPartitionsDefinition:
    # Dagster's end is exclusive.
    end = None if last is None else (last + timedelta(days=1)).isoformat()
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), end_date=end, timezone=timezone, end_offset=end_offset
    )


def looking_back(first: int, last: int = 0) -> dg.PartitionMapping:
    """A partition reads the days from ``first`` to ``last`` days before its own; days that never were are left out."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-first, end_offset=-last, allow_nonexistent_upstream_partitions=True
    )


def produced(context: dg.AssetExecutionContext, partitions: dg.PartitionsDefinition | None) -> Sequence[str]:
    """The table partitions a step writes: the run's, or the only one of a table that has no days."""
    return [WHOLE] if partitions is None else list(context.partition_keys)


def days_before(day: str, count: int) -> str:
    """The ISO day ``count`` days before another.

    >>> days_before("2013-03-01", 1)
    '2013-02-28'
    """
    return (date.fromisoformat(day) - timedelta(days=count)).isoformat()
