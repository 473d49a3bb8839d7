"""Asks an ASGI application without a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
from starlette.types import ASGIApp

from keeper.monitoring.daemon_state import DaemonState
from keeper.monitoring.exporter import Pages
from keeper.web.application import application
from keeper.web.reading import JournalReading
from keeper.web.status_page import StatusPage
from tests.factories import NOW

LATER = float(NOW + 60)


def site(
    read: Callable[[], JournalReading],
    state: DaemonState | None = None,
    *names: str,
    longest_read_s: float = 8.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The daemon's pages a minute after ``NOW``."""
    known = state if state is not None else DaemonState()
    page = StatusPage(read, lambda: known, lambda: LATER, monotonic=monotonic, longest_read_s=longest_read_s)
    return application(Pages(lambda: known, lambda: LATER), page, names)


def answer(
    site: ASGIApp, path: str = "/", *, method: str = "GET", host: str = "127.0.0.1:9188"
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(site)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9188") as client:
            return await client.request(method, path, headers={"Host": host})

    return asyncio.run(asked())
