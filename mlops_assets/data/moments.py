"""Moments as people say them, and the span of time in which they lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlops_assets.errors import BadRequest

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def as_utc(said: str) -> datetime:
    """A moment in ISO 8601; without a zone it is UTC. Raises BadRequest for anything else.

    >>> as_utc("2013-04-01").isoformat()
    '2013-04-01T00:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRequest(f"found {said!r}, expected a moment such as 2013-04-01T12:00+00:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def earlier(moment: datetime, by: timedelta) -> datetime:
    """So much before a moment, or the first that there is."""
    return moment - min(by, moment - EARLIEST)


def later(moment: datetime, by: timedelta) -> datetime:
    """So much after a moment, or the last that there is.

    >>> later(datetime(9999, 12, 31, 12, tzinfo=UTC), timedelta(days=1)) == LATEST
    True
    """
    return moment + min(by, LATEST - moment)
