"""The one listener of the daemon, in a thread of its own. A slow client costs a connection for a few seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from keeper.domain.errors import InvalidSetting

CONNECTION_S = 10.0
"""A connection is cut after this time, whatever it does."""
MAX_CONNECTIONS = 32
MAX_HEAD_BYTES = 16_384
BACKLOG = 64
END_S = 1


@contextmanager
def serving(application: ASGIApp, address: str, port: int) -> Iterator[int]:
    """Answers on ``address`` until the block ends. Yields the port, which the system chooses for 0.

    Raises InvalidSetting where the port cannot be used.
    """
    with _listening(address, port) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=ShortConnection,
                ws="none",
                lifespan="off",
                loop="asyncio",
                interface="asgi3",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_graceful_shutdown=END_S,
            )
        )
        thread = Thread(target=server.run, args=([listener],), name="listener", daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(CONNECTION_S)


class ShortConnection(H11Protocol):
    """Uvicorn waits without end for a client's first line and for a client that does not read. This one does not."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= MAX_CONNECTIONS:
            transport.abort()
        self._deadline = self.loop.call_later(CONNECTION_S, transport.abort)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)


def _listening(address: str, port: int) -> socket.socket:
    """Raises InvalidSetting."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidSetting(
            f"KEEPER_METRICS_ADDRESS = {address}, KEEPER_METRICS_PORT = {port}: {error.strerror or error}",
            remedy="Choose an address of this machine and a port that is free, or leave KEEPER_METRICS_PORT empty.",
        ) from None
