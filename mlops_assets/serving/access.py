"""Who may ask the service what."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Literal

from mlops_assets.errors import ServiceRefused

Action = Literal["predict", "read"]
# Who may do something with a token (None: with none); None when nobody of that token may.
Gatekeeper = Callable[[str | None, Action], str | None]
ANYONE = "anyone"
LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}


def anyone(token: str | None, action: Action) -> str | None:
    """Whoever reaches the service. Only for an address that others do not reach."""
    return ANYONE


def holder_of(secret: str) -> Gatekeeper:
    """Whoever shows this token may do everything."""

    def may(token: str | None, action: Action) -> str | None:
        shown = token is not None and hmac.compare_digest(token.encode(), secret.encode())
        return "the token's holder" if shown else None

    return may


def require_guarded(host: str, gatekeeper: Gatekeeper) -> None:
    """Raise ServiceRefused for an address that others reach, when anyone may ask."""
    if gatekeeper is anyone and not is_loopback(host):
        raise ServiceRefused(
            f"the service would listen on {host} and answer anyone; set MLOPS_SERVE_TOKEN, or listen on 127.0.0.1"
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
