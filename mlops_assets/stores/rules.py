"""What the database itself asks of a new row: conditions, in SQL, under which it is refused.

The same that ``governance/changes.py`` decides, for whoever writes past it. Moments are texts that sort as they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Clocks of machines differ by so many seconds at most.
APART = 300


@dataclass(frozen=True)
class Sql:
    """How a dialect says what the two say differently."""

    postgres: bool

    def seconds(self, moment: str) -> str:
        """A moment's text as a number of seconds."""
        if self.postgres:
            return f"extract(epoch FROM ({moment})::timestamptz)"
        return f"((julianday({moment}) - 2440587.5) * 86400.0)"

    def now(self) -> str:
        """The clock of the database, in seconds."""
        return "extract(epoch FROM clock_timestamp())" if self.postgres else self.seconds("'now'")

    def field(self, column: str, name: str) -> str:
        """A field of a column of JSON, as text."""
        if self.postgres:
            return f"({column}::jsonb ->> '{name}')"
        return f"CAST(json_extract({column}, '$.{name}') AS TEXT)"

    def text(self, column: str) -> str:
        return f"CAST({column} AS TEXT)"


def rules(table: str, *, postgres: bool) -> dict[str, str]:
    """What is said -> the condition on the new row under which it is said; none for most tables."""
    makes = {"change_request": _of_a_request, "vote": _of_a_vote, "application": _of_an_application}
    return dict(makes[table](Sql(postgres))) if table in makes else {}


def _of_a_request(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield (
        "it opens before it is proposed, or after it expires",
        "NEW.opens < NEW.at OR NEW.expires <= NEW.opens",
    )
    yield "less than nothing is asked for", "NEW.approvals < 0"


def _of_a_vote(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield "an answer is approve, refuse or withdraw", "NEW.answer NOT IN ('approve', 'refuse', 'withdraw')"
    own = _request('asked."by" = NEW."by"')
    yield "nobody approves or refuses what they proposed", f"NEW.answer <> 'withdraw' AND {own}"
    yield "who did not propose it cannot withdraw it", f"NEW.answer = 'withdraw' AND NOT {own}"
    yield "it is of another digest than the request", f"NOT {_request('asked.digest = NEW.digest')}"
    yield "the request expired", f"NOT {_request('asked.expires > NEW.at')}"
    yield "the request was refused or withdrawn", _ended()
    yield (
        "the request was applied",
        ("EXISTS (SELECT 1 FROM application done WHERE done.request_id = NEW.request_id)"),
    )


def _of_an_application(sql: Sql) -> Iterator[tuple[str, str]]:
    yield from _now(sql)
    yield "it is of another digest than the request", f"NOT {_request('asked.digest = NEW.digest')}"
    yield "the request was refused or withdrawn", _ended()
    yield "the request expired", f"NOT {_request('asked.expires > NEW.at')}"
    yield "too few approved", f"NOT {_request(f'{_approvals()} >= asked.approvals')}"
    yield "it is too early", f"NOT {_request('asked.opens <= NEW.at')}"


def _now(sql: Sql) -> Iterator[tuple[str, str]]:
    """A moment is that of the transaction: after what was recorded last, and by no clock in the future."""
    newest = "(SELECT said.at FROM ledger said ORDER BY said.number DESC LIMIT 1)"
    yield "it is dated before what was recorded last", f"NEW.at < {newest}"
    ahead = f"{sql.seconds('NEW.at')} > {sql.now()} + {APART}"
    yield "it is dated in the future", f"{ahead} AND NEW.at > coalesce({newest}, '')"


def _request(holds: str) -> str:
    """Whether something holds of the request that the new row is about."""
    return f"EXISTS (SELECT 1 FROM change_request asked WHERE asked.id = NEW.request_id AND {holds})"


def _ended() -> str:
    return (
        "EXISTS (SELECT 1 FROM vote said WHERE said.request_id = NEW.request_id "
        "AND said.answer IN ('refuse', 'withdraw'))"
    )


def _approvals() -> str:
    """How many approved the request ``asked``."""
    return (
        "(SELECT count(*) FROM vote said WHERE said.request_id = asked.id AND said.answer = 'approve' "
        'AND said.digest = asked.digest AND said."by" <> asked."by")'
    )
