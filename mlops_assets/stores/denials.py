"""What was refused to whom, noted once for each of them, action and day: who asks again and again adds nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from mlops_assets.data.legible import legible
from mlops_assets.stores.database import denial as denials
from mlops_assets.stores.ledger import PLATFORM, add, append, moment, wait_for_others

# Of what somebody says who was refused, so many characters are kept.
LONGEST = 500


@dataclass(frozen=True)
class Denial:
    """who: as they were known; empty for nobody. action, resource: what they asked for. reason: why not."""

    who: str
    action: str
    resource: str
    reason: str


class Denials:
    """Written once each, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def note(self, denied: Denial) -> bool:
        """Note what was refused, unless something of the kind was noted of them today; whether it was.

        Raises what the database raises when it cannot be written: the caller refuses all the same.
        """
        kept = {name: _kept(said) for name, said in asdict(denied).items()}
        with self._database.begin() as connection:
            # Who asks all day does not make others wait for the ledger.
            if _noted(connection, kept, moment(connection)):
                return False
        with self._database.begin() as connection:
            wait_for_others(connection)
            at = moment(connection)
            if _noted(connection, kept, at):
                return False
            values = {**kept, "day": _day(at), "at": at}
            append(connection, add(connection, denials, values, by=kept["who"] or PLATFORM))
        return True

    def all(self) -> list[tuple[str, Denial]]:
        """Each with its moment, oldest first."""
        query = sa.select(denials).order_by(denials.c.at, denials.c.who, denials.c.action)
        with self._database.connect() as connection:
            return [
                (row.at, Denial(row.who, row.action, row.resource, row.reason))
                for row in connection.execute(query)
            ]


def _noted(connection: sa.Connection, kept: dict[str, str], at: str) -> bool:
    same = (denials.c[name] == kept[name] for name in ("who", "action"))
    query = sa.select(denials.c.day).where(denials.c.day == _day(at), *same)
    return connection.execute(query).first() is not None


def _day(at: str) -> str:
    return at[: len("2024-01-31")]


def _kept(said: str) -> str:
    """On one line, of characters that every database takes, and not endless."""
    return legible(said.encode("utf-8", "replace").decode(), LONGEST)
