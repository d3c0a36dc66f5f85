"""The few places where text becomes SQL: quoted names, quoted literals, days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mlops_assets.declaration.source import PARTITION

__all__ = ["PARTITION", "WHOLE", "local_day", "moment", "name", "names", "text"]

# The one partition of a table that is not partitioned.
WHOLE = "all"


def name(identifier: str) -> str:
    """A quoted identifier.

    >>> name('a"b')
    '"a""b"'
    """
    return '"' + identifier.replace('"', '""') + '"'


def names(identifiers: Iterable[str], *, of: str = "") -> str:
    """Quoted identifiers, comma separated, optionally each ``of`` a relation.

    >>> names(["a", "b"], of="t")
    't."a", t."b"'
    """
    prefix = f"{of}." if of else ""
    return ", ".join(prefix + name(identifier) for identifier in identifiers)


def text(value: str) -> str:
    """A quoted string literal.

    >>> text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def moment(at: datetime) -> str:
    """A literal of an instant; ``at`` has a time zone."""
    return f"TIMESTAMPTZ {text(at.isoformat())}"


def local_day(column: str, timezone: str) -> str:
    """The local calendar day of a UTC instant, as ISO text: the key of its daily partition."""
    return f"strftime({column} AT TIME ZONE {text(timezone)}, '%Y-%m-%d')"
