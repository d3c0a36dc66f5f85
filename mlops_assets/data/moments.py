"""Moments as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops_assets.errors import BadRequest


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
