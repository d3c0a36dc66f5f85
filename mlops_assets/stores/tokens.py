"""Tokens: who has one, for what, until when. A secret is shown once and stored as its SHA-256."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

import sqlalchemy as sa

from mlops_assets.errors import AccessDenied, BadRequest
from mlops_assets.governance.access import Scope
from mlops_assets.governance.canonical import digest
from mlops_assets.stores.database import revocation as revocations
from mlops_assets.stores.database import token as tokens
from mlops_assets.stores.ledger import add, append

# So that whoever scans for secrets knows one.
PREFIX = "mlops"
# 256 random bits cannot be guessed, so one round of SHA-256 keeps them.
BYTES = 32
LONGEST_DAYS = 90


@dataclass(frozen=True)
class Token:
    """What is known of a token. name: of its bearer. by, at: who made it, and when. expires: a moment in UTC.

    revoked: by whom, when and why; empty while it is good.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    by: str
    at: str
    expires: str
    revoked: str = ""

    def state(self, at: str) -> str:
        """``good``, ``expired`` or ``revoked``, at a moment."""
        return "revoked" if self.revoked else "good" if at < self.expires else "expired"


@dataclass(frozen=True)
class Kept:
    """What is stored of a token, with the digest of its secret."""

    token: Token
    secret_digest: str


class Tokens:
    """Made, revoked, never changed."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def make(
        self, name: str, *, scopes: Sequence[Scope] = (), days: int, by: str, at: str
    ) -> tuple[Token, str]:
        """A new token of somebody, and its text, which is never seen again."""
        if not 1 <= days <= LONGEST_DAYS:
            raise BadRequest(f"found {days} days, expected 1 to {LONGEST_DAYS}; make another when it expires")
        made, secret = secrets.token_hex(6), secrets.token_urlsafe(BYTES)
        values = {
            "id": made,
            "name": name,
            "secret_digest": digest(secret),
            "scopes": [[one.action, one.resource] for one in scopes],
            "by": by,
            "at": at,
            "expires": (datetime.fromisoformat(at) + timedelta(days=days))
            .astimezone(UTC)
            .isoformat(timespec="seconds"),
        }
        with self._database.begin() as connection:
            append(connection, add(connection, tokens, values, by=by))
        return self.get(made), f"{PREFIX}_{made}_{secret}"

    def get(self, token_id: str) -> Token:
        """A token by its id. Raises BadRequest when there is none."""
        with self._database.connect() as connection:
            row = connection.execute(_select().where(tokens.c.id == token_id)).first()
        if row is None:
            raise BadRequest(f"there is no token {token_id!r}; `mlops access show` lists them")
        return _token(row)

    def all(self) -> list[Token]:
        """Every token, oldest first."""
        with self._database.connect() as connection:
            return [_token(row) for row in connection.execute(_select().order_by(tokens.c.at, tokens.c.id))]

    def shown(self, text: str, at: str) -> Token:
        """The token whose text somebody shows at a moment. Raises AccessDenied when it is good for nothing."""
        return recognized(text, at, self._kept)

    def known(self) -> dict[str, Kept]:
        """Every token by its id, with the digest of its secret: for who looks often and does not ask each time."""
        with self._database.connect() as connection:
            return {row.id: Kept(_token(row), row.secret_digest) for row in connection.execute(_select())}

    def _kept(self, token_id: str) -> Kept | None:
        with self._database.connect() as connection:
            row = connection.execute(_select().where(tokens.c.id == token_id)).first()
        return Kept(_token(row), row.secret_digest) if row else None

    def revoke(self, token_id: str, *, by: str, reason: str, at: str) -> Token:
        """Make a token good for nothing, at once. Raises BadRequest when there is none, or it was before."""
        before = self.get(token_id)
        try:
            with self._database.begin() as connection:
                values = {"token_id": token_id, "by": by, "reason": reason, "at": at}
                append(connection, add(connection, revocations, values, by=by))
        except sa.exc.IntegrityError as error:
            raise BadRequest(
                f"token {token_id} of {before.name} was revoked before: {self.get(token_id).revoked}"
            ) from error
        return self.get(token_id)


def recognized(text: str, at: str, kept: Callable[[str], Kept | None]) -> Token:
    """The token whose text somebody shows at a moment. kept: what is known of an id.

    Raises AccessDenied when it is good for nothing.
    """
    # Other characters are of no token, and some have no bytes that could be looked for.
    prefix, token_id, secret = [*(text.strip() if text.isascii() else "").split("_", 2), "", ""][:3]
    found = kept(token_id)
    # What is shown is never told: it may be a token with a slip of the hand.
    right = compare_digest(found.secret_digest if found else "", digest(secret))
    if prefix != PREFIX or found is None or not right:
        raise AccessDenied("the token is not one of this platform; make one with `mlops access token NAME`")
    token = found.token
    if token.state(at) != "good":
        said = f"was revoked: {token.revoked}" if token.revoked else f"expired at {token.expires}"
        raise AccessDenied(f"token {token.id} of {token.name} {said}; make another", who=token.name)
    return token


def _select() -> sa.Select[tuple[object, ...]]:
    return sa.select(
        tokens,
        revocations.c.by.label("revoked_by"),
        revocations.c.at.label("revoked_at"),
        revocations.c.reason.label("revoked_why"),
    ).join_from(tokens, revocations, tokens.c.id == revocations.c.token_id, isouter=True)


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    revoked = f"by {row.revoked_by} at {row.revoked_at}: {row.revoked_why}" if row.revoked_by else ""
    scopes = tuple(Scope(*one) for one in row.scopes)
    return Token(row.id, row.name, scopes, row.by, row.at, row.expires, revoked)
