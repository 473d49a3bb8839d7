"""Deadlines for HTTP exchanges and for all that a command or cycle waits for, and a watch for servers that hang.

A client's timeouts bound only each wait for a byte, so a server that sends byte by byte could keep it for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore
import httpx


class ServerHangsError(Exception):
    """The server is silent and shows no sign of life."""


@dataclass(frozen=True, slots=True)
class _Watch:
    patience_s: float
    alive: Callable[[], bool]


_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
_work_ends_at: ContextVar[float] = ContextVar("work_ends_at", default=math.inf)
_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bounds the waits of every DeadlineTransport in this thread, all of them together."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


@contextmanager
def work_within(seconds: float) -> Iterator[None]:
    """Bounds all waits of a command or cycle, also those in threads that it starts by ``run_in_background``."""
    token = _work_ends_at.set(min(_work_ends_at.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _work_ends_at.reset(token)


@contextmanager
def watching(patience_s: float, alive: Callable[[], bool]) -> Iterator[None]:
    """After ``patience_s`` without a byte, ``alive`` is asked whether the server still answers at all. If it says no,
    the wait ends with ServerHangsError. If it says yes, the server is slow and is waited for."""
    token = _watch.set(_Watch(patience_s, alive))
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def unwatched() -> Iterator[None]:
    """For the question whether a server is alive."""
    token = _watch.set(None)
    try:
        yield
    finally:
        _watch.reset(token)


def passed() -> bool:
    return time.monotonic() > min(_ends_at.get(), _work_ends_at.get())


def work_is_late() -> bool:
    """Whether the deadline of the whole command or cycle has passed."""
    return time.monotonic() > _work_ends_at.get()


@cache
def certificates() -> SSLContext:
    """The authorities that certifi trusts. Reading them takes longer than most requests, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's transport on sockets that know the deadline. It ignores proxies in the environment."""

    def __init__(self) -> None:
        super().__init__(verify=certificates(), trust_env=False)
        # httpx has no parameter for the network backend of its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=certificates(),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Network(),
        )


class _Network(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._sockets.connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _watch.get()
        if watch is not None:
            left = _left(timeout, httpcore.ReadTimeout)
            try:
                return self._stream.read(
                    max_bytes, watch.patience_s if left is None else min(left, watch.patience_s)
                )
            except httpcore.ReadTimeout:
                if passed():
                    raise
                if not watch.alive():
                    raise ServerHangsError from None
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    """Seconds that this wait may take. Raises ``late`` after the deadline."""
    ends_at = min(_ends_at.get(), _work_ends_at.get())
    if ends_at == math.inf:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0.0:
        raise late("deadline")
    return left if timeout is None else min(timeout, left)
