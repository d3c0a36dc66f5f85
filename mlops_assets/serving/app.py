"""The service over HTTP, as a raw ASGI application: no framework stands between a request and the model."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mlops_assets.serving.access import (
    Action,
    Anyone,
    Gatekeeper,
    comes_from_a_page,
    token_of,
)
from mlops_assets.serving.metrics import TEXT
from mlops_assets.serving.openapi import openapi
from mlops_assets.serving.request import Refused, read_request
from mlops_assets.serving.service import Service

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PREDICT = "/predict"
JSON = "application/json"
logger = logging.getLogger(__name__)
# Before anything of a body has come there is more to come.
FIRST: Message = {"more_body": True}
_spelled = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request's. body_seconds: in which it must have come. at_once: requests that are answered.

    coming: bytes of all bodies of which more is to come. They take the place of no request that could be answered.
    """

    body: int = 2**20
    body_seconds: float = 10.0
    at_once: int = 64
    coming: int = 2**26


@dataclass(frozen=True)
class Response:
    """What is sent back. headers: beside type and length."""

    status: int
    body: bytes
    kind: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.kind.encode()),
            (b"content-length", str(len(self.body)).encode()),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class App:
    """One model behind six addresses."""

    def __init__(
        self, service: Service, gatekeeper: Gatekeeper | None = None, limits: Limits | None = None
    ) -> None:
        self.service, self._limits = service, limits or Limits()
        self._gatekeeper = gatekeeper or Anyone()
        self._in_flight = self._coming = 0
        self._watching: list[asyncio.Task[None]] = []
        self._shown: dict[str, tuple[Action | None, Callable[[], Response]]] = {
            "/health": (None, lambda: self._state(healthy=True)),
            "/ready": (None, lambda: self._state(healthy=self.service.state.is_ready)),
            "/contract": ("read", self._contract),
            "/openapi.json": ("read", self._openapi),
            "/metrics": ("metrics", lambda: Response(200, self.service.metrics.text(), TEXT)),
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._answer(scope, receive)
            await response.send(send)

    async def start(self) -> None:
        """Look who reigns, and begin to do so again and again."""
        await self.service.look()
        self._watching = [asyncio.create_task(one.watch()) for one in (self.service, self._gatekeeper)]

    async def stop(self) -> None:
        """Answer what waits, and bring the log to disk."""
        for one in self._watching:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
        self.service.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Response:
        begun = time.perf_counter()
        asks, kind = scope["path"] == PREDICT, ""
        try:
            if asks:
                response = await self._predict(scope, receive, begun)
            else:
                response = self._show(scope)
        except Refused as refused:
            kind = refused.kind
            response = _refusal(refused, uuid4().hex)
        except Exception:
            request_id = uuid4().hex
            logger.exception("request %s failed", request_id)
            kind = "internal"
            told = Refused(500, kind, "the service failed; its log says more under this request_id")
            response = _refusal(told, request_id)
        if kind:
            self.service.metrics.failed(kind)
        if asks:
            seconds = time.perf_counter() - begun
            self.service.metrics.answered(response.status, seconds)
            self.service.windows.answered(response.status, kind, seconds)
        return response

    async def _predict(self, scope: Mapping[str, Any], receive: Receive, begun: float) -> Response:
        _require_method(scope, "POST")
        headers = dict(scope["headers"])
        by = self._admitted(headers, "predict")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON.encode():
            raise Refused(415, "unreadable", f"the content type is not {JSON}")
        body = await self._body(headers, receive)
        self.service.metrics.came(len(body))
        if self._in_flight >= self._limits.at_once:
            raise Refused(503, "busy", f"{self._limits.at_once} requests are being answered")
        self._in_flight += 1
        try:
            current = self.service.current
            request = read_request(body, current.released.fields)
            answer = await self.service.predict(request, current, begun=begun, by=by)
        finally:
            self._in_flight -= 1
        return Response(200, _spelled(answer).encode())

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body, counted while it comes: what a header says of its length may be wrong."""
        said = headers.get(b"content-length", b"0")
        # More digits than a number of 64 bits has are too many bytes too.
        if said.isdigit():
            self._require_small(int(said) if len(said) <= 19 else 2**63)
        parts: list[bytes] = []
        size, held, message = 0, 0, FIRST
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while message.get("more_body", False):
                    message = await receive()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    self._require_small(size)
                    if message.get("more_body", False):
                        self._coming += size - held
                        held = size
                        self._require_room()
        except TimeoutError:
            raise Refused(
                408, "slow", f"the body did not come within {self._limits.body_seconds:g} seconds"
            ) from None
        finally:
            self._coming -= held
        if message["type"] == "http.disconnect":
            raise Refused(400, "unreadable", "the connection ended before the body did")
        return b"".join(parts)

    def _require_small(self, size: int) -> None:
        if size > self._limits.body:
            raise Refused(413, "too_large", f"the body has more than {self._limits.body} bytes")

    def _require_room(self) -> None:
        if self._coming > self._limits.coming:
            raise Refused(503, "busy", f"bodies of more than {self._limits.coming} bytes are coming")

    def _show(self, scope: Mapping[str, Any]) -> Response:
        if scope["path"] not in self._shown:
            raise Refused(404, "unknown", f"there are {', '.join([PREDICT, *self._shown])}")
        _require_method(scope, "GET")
        action, show = self._shown[scope["path"]]
        if action is not None:
            self._admitted(dict(scope["headers"]), action)
        return show()

    def _admitted(self, headers: Mapping[bytes, bytes], action: Action) -> str:
        """The name of who asks and may; empty where nobody says it. Raises Refused."""
        if not self._gatekeeper.asks and comes_from_a_page(headers):
            raise Refused(
                421, "unauthorized", "without a token the service answers to the names of this machine only"
            )
        return self._gatekeeper.admit(token_of(headers), action)

    def _state(self, *, healthy: bool) -> Response:
        state = self.service.state
        told = {
            "model": self.service.model,
            "version": self.service.current.released.release.version,
            "tries": self.service.tries,
            "engine": self.service.current.released.engine.name,
            "ready": state.is_ready,
            "reasons": state.reasons,
        }
        return Response(200 if healthy else 503, _spelled(told).encode())

    def _contract(self) -> Response:
        released = self.service.current.released
        told = {**released.contract.to_dict(), "version": released.release.version}
        return Response(200, _spelled({**told, "digest": released.release.contract}).encode())

    def _openapi(self) -> Response:
        released = self.service.current.released
        token = self._gatekeeper.asks
        described = openapi(released.contract, released.release.version, released.fields, token=token)
        return Response(200, _spelled(described).encode())


# Whose connection is of no more use: what is left of its body is not waited for.
HANG_UP = {408, 413}
COME_AGAIN = {503: (b"retry-after", b"1"), 401: (b"www-authenticate", b"Bearer")}


def _refusal(refused: Refused, request_id: str) -> Response:
    headers = [(b"connection", b"close")] if refused.status in HANG_UP else []
    if refused.status in COME_AGAIN:
        headers.append(COME_AGAIN[refused.status])
    if isinstance(refused, _OtherMethod):
        headers.append((b"allow", refused.expected.encode()))
    return Response(refused.status, _spelled(refused.told(request_id)).encode(), headers=tuple(headers))


class _OtherMethod(Refused):
    """Asked by another method than an address takes."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(405, "unknown", f"found {found}, expected {expected}")
        self.expected = expected


def _require_method(scope: Mapping[str, Any], expected: str) -> None:
    if scope["method"] != expected:
        raise _OtherMethod(scope["method"], expected)
