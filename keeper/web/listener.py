"""The one listener of the daemon, in a thread of its own. A slow client costs a connection for a few seconds."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from keeper.domain.errors import InvalidSetting
from keeper.runtime.logs import logger

CONNECTION_S = 10.0
"""A connection is cut after this time, whatever it does."""
MAX_CONNECTIONS = 32
MAX_HEAD_BYTES = 16_384
BACKLOG = 64
END_S = 1
BEGIN_S = 5.0
"""How long the start waits for the listener's thread to answer."""
POLL_S = 0.01


@contextmanager
def serving(application: ASGIApp, address: str, port: int) -> Iterator[int]:
    """Answers on ``address`` until the block ends. Yields the port, which the system chooses for 0.

    Raises InvalidSetting where the port cannot be used, or nothing answers on it after ``BEGIN_S``.
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
        thread = Thread(target=_run, args=(server, listener), name="listener", daemon=True)
        thread.start()
        try:
            _wait_for(server, thread, address=address, port=port)
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(CONNECTION_S)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        server.run([listener])
    except Exception:  # noqa: BLE001 -- logged; the keeper goes on without its listener
        logger().exception("listener_failed")


def _wait_for(server: uvicorn.Server, thread: Thread, *, address: str, port: int) -> None:
    """A port that is open while nobody accepts would look like a slow keeper. Raises InvalidSetting."""
    deadline = time.monotonic() + BEGIN_S
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        thread.join(POLL_S)
    if not server.started:
        raise InvalidSetting(
            f"KEEPER_METRICS_ADDRESS = {address}, KEEPER_METRICS_PORT = {port}: nothing answers there",
            remedy="Free memory, processes or file descriptors of this machine, or leave KEEPER_METRICS_PORT empty.",
        )


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
