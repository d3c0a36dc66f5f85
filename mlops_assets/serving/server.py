"""The process that listens: uvicorn with patience of its own, signals, and a drain before the end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlops_assets.serving.app import App

# Within which a request's head must have come, in seconds and bytes.
HEAD_SECONDS, HEAD_BYTES = 5.0, 2**15
# How long answers that are being computed are waited for.
LAST_SECONDS = 30
CONNECTIONS = 1000


class Impatient(HttpToolsProtocol):
    """A connection on which a request's head comes in time and is not endless, or which is closed."""

    # A listening socket makes transports that are written to; uvicorn narrows the type so too.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes while a head is waited for."""
        waited = self._timer is not None
        super().data_received(data)
        if waited and self._timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._hang_up()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """A head has come."""
        self._head_came()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._head_bytes = 0
            self._timer = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _head_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._head_came()
        if not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Serves an application until it is told to end: then it is not ready for so many seconds, and ends.

    SIGTERM and SIGINT drain, a second one of them ends at once; SIGHUP looks who reigns. started: called when
    requests are taken.
    """

    def __init__(
        self, app: App, listener: socket.socket, *, drain_seconds: float, started: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=Impatient,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        super().__init__(config)
        self._app, self._listener, self._drain_seconds = app, listener, drain_seconds
        self._tell_started = started
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and listen to signals."""
        await super().startup(sockets=sockets)
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._app.service.look_now)
        self._tell_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; when that was asked already, end."""
        if self._loop is None or self._app.service.state.draining:
            self.should_exit = True
            return
        self._app.service.drain()
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._end)

    def _end(self) -> None:
        self.should_exit = True

    def serve_for_ever(self) -> None:
        """Serve until a signal ends it."""
        # What is there by now stays: looking for garbage among it would stop answers for a tenth of a second.
        gc.collect()
        gc.freeze()
        self.run(sockets=[self._listener])


def listener_at(host: str, port: int) -> socket.socket:
    """A socket that listens; port zero is any that is free. Raises OSError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener
