"""The status page as an answer. A thread of its own reads the journal, once at a time; no request waits long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus

from keeper.domain.errors import KeeperError
from keeper.monitoring.daemon_state import DaemonState
from keeper.runtime.concurrency import run_in_background
from keeper.runtime.logs import logger
from keeper.web.content import bare_page, page_of, trouble_page
from keeper.web.reading import JournalReading
from keeper.web.render import rendered

LONGEST_READ_S = 8.0
"""How long a request waits for the journal. It is less than a client has (``listener.CONNECTION_S``)."""
FRESH_S = 3.0
"""Requests within this time of a read get the same page, so that many of them cost what one costs."""

ReadJournal = Callable[[], JournalReading]
"""Opens a connection of its own, reads and closes it. Raises KeeperError."""
CurrentState = Callable[[], DaemonState]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Document:
    status: HTTPStatus
    html: str


class StatusPage:
    """``clock`` gives Unix seconds, ``monotonic`` seconds for waits."""

    def __init__(
        self,
        read_journal: ReadJournal,
        state: CurrentState,
        clock: Clock,
        *,
        monotonic: Clock = time.monotonic,
        longest_read_s: float = LONGEST_READ_S,
    ) -> None:
        self._read_journal = read_journal
        self._state = state
        self._clock = clock
        self._monotonic = monotonic
        self._longest_read_s = longest_read_s
        self._running: Future[Document] | None = None
        self._began_at = 0.0
        self._log = logger()

    async def document(self) -> Document:
        """The page, or one that says why there is none. A read that lasts goes on in its thread, and the next request
        waits for the same one."""
        running = self._running
        if running is None or (running.done() and self._monotonic() - self._began_at > FRESH_S):
            self._began_at = self._monotonic()
            running = self._running = run_in_background(self._made)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(running)), self._longest_read_s)
        except TimeoutError:
            return self._trouble(
                HTTPStatus.SERVICE_UNAVAILABLE,
                name="The journal does not answer",
                text=f"It was asked {self._longest_read_s:g} s ago. The page waits on; reload it.",
            )

    def _made(self) -> Document:
        try:
            return Document(
                HTTPStatus.OK, rendered(page_of(self._read_journal(), self._state(), self._clock()))
            )
        except KeeperError as error:
            text = f"{error.message}\n{error.remedy}"
            return self._trouble(HTTPStatus.SERVICE_UNAVAILABLE, name=error.name, text=text)
        except Exception:  # noqa: BLE001 -- logged, and answered as an error of the server
            self._log.exception("status_page_failed")
            return self._trouble(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                name="The page cannot be made",
                text="The keeper's log says why. The keeper itself goes on.",
            )

    def _trouble(self, status: HTTPStatus, *, name: str, text: str) -> Document:
        state, now = self._state(), self._clock()
        try:
            return Document(status, rendered(trouble_page(name, text, state=state, now=now)))
        except Exception:  # noqa: BLE001 -- logged; what is left needs no record
            self._log.exception("status_page_failed")
            return Document(status, rendered(bare_page(name, text, state=state, now=now)))
