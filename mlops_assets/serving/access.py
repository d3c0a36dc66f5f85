"""Who may ask the service what."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, Protocol

from mlops_assets.errors import ServiceRefused
from mlops_assets.serving.request import Refused

Action = Literal["predict", "read", "metrics"]
LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}


class Gatekeeper(Protocol):
    """Says who may ask."""

    @property
    def asks(self) -> bool:
        """Whether a token has to be shown."""

    def admit(self, token: str | None, action: Action) -> str:
        """The name of who shows a token, or none, and may do this; empty where nobody says their name.

        Raises Refused: 401 where nobody is known, 403 where who is known may not.
        """

    async def watch(self) -> None:
        """Learn what changes, until cancelled."""


@dataclass(frozen=True)
class Anyone:
    """Whoever reaches the service. Only for an address that others do not reach."""

    asks = False

    def admit(self, token: str | None, action: Action) -> str:
        """Nobody says their name."""
        return ""

    async def watch(self) -> None:
        """Nothing changes."""


@dataclass(frozen=True)
class HolderOf:
    """Whoever shows this one token may do everything."""

    secret: str
    asks = True

    def admit(self, token: str | None, action: Action) -> str:
        """Who has it is not known by name."""
        if token is None or not hmac.compare_digest(token.encode(), self.secret.encode()):
            raise Refused(401, "unauthorized", f"the token is missing or may not {action}")
        return ""

    async def watch(self) -> None:
        """Nothing changes."""


def require_guarded(host: str, gatekeeper: Gatekeeper) -> None:
    """Raise ServiceRefused for an address that others reach, when anyone may ask."""
    if not gatekeeper.asks and not is_loopback(host):
        raise ServiceRefused(
            f"the service would listen on {host} and answer anyone; adopt a policy (`mlops access adopt`), set "
            "MLOPS_SERVE_TOKEN, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(headers: Mapping[bytes, bytes]) -> str | None:
    """What a request shows: ``Authorization: Bearer …``."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def comes_from_a_page(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a name other than this machine's was asked, as a page in a browser does that had its name rebound."""
    host = headers.get(b"host", b"").decode("latin-1")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.lower() not in LOCAL_NAMES
