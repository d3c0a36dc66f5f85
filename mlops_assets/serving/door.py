"""Who may ask the service by the policy in force, as the database has it; no request waits for the database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from mlops_assets.errors import AccessDenied, LedgerBroken
from mlops_assets.governance.access import Who, decide
from mlops_assets.governance.grants import Held
from mlops_assets.governance.id_tokens import read_id_token
from mlops_assets.serving.access import Action, Gatekeeper
from mlops_assets.serving.request import Refused
from mlops_assets.serving.shelves import Shelves
from mlops_assets.stores.denials import Denial
from mlops_assets.stores.ledger import clock
from mlops_assets.stores.policies import Adopted
from mlops_assets.stores.tokens import PREFIX, Kept, recognized

# Between two looks at the database: so long, and while it is read, may a token that was revoked be good.
LOOK_SECONDS = 2.0
# So long what was known is gone by, where the database does not answer.
LONGEST_SECONDS = 300.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What the database had at a look. head: the number of the ledger's last entry. at: the moment of the look, in UTC.

    since: when it was looked, monotonic. held: name -> roles held for a time, those that had not ended.
    admitted: who was let in by it, which says nothing once more is known: a token's digest and an action -> the name of
    its bearer, and when.
    """

    adopted: Adopted | None
    head: int
    tokens: Mapping[str, Kept]
    held: Mapping[str, tuple[Held, ...]]
    at: str
    since: float
    admitted: dict[tuple[bytes, Action], tuple[str, float]] = field(default_factory=dict)


class Door:
    """Lets in whom the policy lets; where none was adopted, whom another gatekeeper does.

    Raises what the database raises when it cannot be read at the beginning, LedgerBroken for a policy that was edited.
    """

    def __init__(
        self, shelves: Shelves, model: str, otherwise: Gatekeeper, *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._shelves, self._resource, self._otherwise = shelves, f"model:{model}", otherwise
        self._look_seconds = look_seconds
        self._known: Known | None = None
        self._broken = ""
        self._denied: dict[tuple[str, str], Denial] = {}
        self._known = self._read()

    @property
    def asks(self) -> bool:
        """Whether a token has to be shown."""
        return self._known is None or self._known.adopted is not None or self._otherwise.asks

    def admit(self, token: str | None, action: Action) -> str:
        """The name of who shows a token and may do this; empty where no policy is in force.

        Raises Refused: 401 where nobody is known, 403 where who is known may not, 503 where nobody knows who may.
        """
        known = self._current()
        if known.adopted is None:
            return self._otherwise.admit(token, action)
        asked = (sha256((token or "").encode()).digest(), action)
        name, since = known.admitted.get(asked, ("", 0.0))
        if name and time.monotonic() - since < self._look_seconds:
            return name
        name = self._let_in(known, known.adopted, token, action)
        known.admitted[asked] = (name, time.monotonic())
        return name

    async def watch(self) -> None:
        """Look at the database every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Learn what the database has by now, and note there who was refused; where it does not answer, go on."""
        try:
            self._known, self._broken = self._read(), ""
        except LedgerBroken as error:
            logger.exception("the policy is not what was adopted")
            self._broken = str(error)
        except Exception:
            logger.exception("who may ask cannot be read")
        self._note_denied()

    def _read(self) -> Known:
        shelves, before, since = self._shelves, self._known, time.monotonic()
        adopted, head, at = shelves.policies.current(), shelves.ledger.head(), shelves.ledger.now()
        number = head.number if head else 0
        # Every token, revocation and grant is an entry too.
        if before is not None and before.head == number:
            return replace(before, adopted=adopted, at=at, since=since, admitted={})
        held: dict[str, tuple[Held, ...]] = {}
        for one in shelves.grants.all():
            if one.state(at) == "held":
                held[one.name] = (*held.get(one.name, ()), one.held)
        return Known(adopted, number, shelves.tokens.known(), held, at, since)

    def _current(self) -> Known:
        if self._broken or self._known is None:
            raise Refused(503, "access", f"nobody knows who may ask: {self._broken}")
        if time.monotonic() - self._known.since > LONGEST_SECONDS:
            raise Refused(503, "access", "nobody knows who may ask: the database does not answer")
        return self._known

    def _let_in(self, known: Known, adopted: Adopted, token: str | None, action: Action) -> str:
        try:
            # A clock that is set back makes no token good again.
            who = _who(known, adopted, token, max(clock(), known.at))
        except AccessDenied as error:
            raise self._refused(401, error.who, action, str(error)) from error
        answer = decide(adopted.policy, who, action, self._resource)
        if not answer.allowed:
            raise self._refused(403, who.name, action, f"{answer.sentence} (policy {adopted.number})")
        return who.name

    def _refused(self, status: int, name: str, action: Action, why: str) -> Refused:
        self._denied.setdefault((name, action), Denial(name, action, self._resource, why))
        return Refused(status, "unauthorized" if status == 401 else "forbidden", why)

    def _note_denied(self) -> None:
        denied, self._denied = self._denied, {}
        for one in denied.values():
            try:
                self._shelves.denials.note(one)
            except Exception:
                logger.exception("a refusal was not noted: %s", one.reason)


def _who(known: Known, adopted: Adopted, token: str | None, at: str) -> Who:
    """Whose token it is at a moment, with what they hold. Raises AccessDenied."""
    if token is None:
        raise AccessDenied(
            f"policy {adopted.number} is in force: show a token of the platform, or an ID token, as Authorization: "
            "Bearer …"
        )
    if token.startswith(f"{PREFIX}_"):
        found = recognized(token, at, known.tokens.get)
        who = Who(found.name, f"token {found.id}", scopes=found.scopes)
    else:
        who = read_id_token(token, adopted.policy, at=at)
    return replace(who, held=tuple(one for one in known.held.get(who.name, ()) if at < one.expires))
