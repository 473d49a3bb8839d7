"""Nodes that tell their new blocks by WebSocket, one thread for each. A socket that fails is opened again, more and
more rarely."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from keeper.chain.heads.subscription import SocketLostError
from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.domain.addresses import masked
from keeper.domain.head_socket import HeadSocketState
from keeper.runtime.logs import logger

STEADY_S = 60.0
"""A socket that lived for so long is opened again soon after its end."""
JOIN_S = 0.5
NewHead = Callable[[int, int], bool]
"""Is called on the socket's thread with the place of its URL among all, and the timestamp of a head, Unix seconds.
Returns whether the socket is listened to. It must not wait."""


class HeadSockets:
    """The heads of several nodes. One that tells them is enough."""

    def __init__(self, urls: Sequence[str] = (), chain_id: int = 0) -> None:
        self._sockets = tuple(HeadSocket(url, chain_id, place) for place, url in enumerate(urls))
        self._telling = False

    @property
    def states(self) -> tuple[HeadSocketState, ...]:
        """Empty while nobody listens: nothing is lost then."""
        return tuple(each.state for each in self._sockets) if self._telling else ()

    @contextmanager
    def telling(self, new_head: NewHead) -> Iterator[None]:
        """Until the block is left. Neither its begin nor its end waits for a node."""
        for each in self._sockets:
            each.begin(new_head)
        self._telling = True
        try:
            yield
        finally:
            self._telling = False
            for each in self._sockets:
                each.end()
            ends_at = time.monotonic() + JOIN_S
            for each in self._sockets:
                each.join(ends_at - time.monotonic())


class HeadSocket:
    """The heads of one node. Whatever the node does, it is logged and not raised."""

    def __init__(self, url: str, chain_id: int, place: int) -> None:
        self._url = url
        self._chain_id = chain_id
        self._place = place
        self._state = HeadSocketState(masked(url), heard_at=None, trouble="has told no block yet")
        self._lost_is_logged = False
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._breaker = CircuitBreaker(time.monotonic)
        self._log = logger()

    @property
    def state(self) -> HeadSocketState:
        return self._state

    def begin(self, new_head: NewHead) -> None:
        """Once."""
        self._thread = threading.Thread(target=self._run, args=(new_head,), name="heads", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Without waiting."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            with suppress(OSError):  # TLS has a farewell of its own, which would wait
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def join(self, patience_s: float) -> None:
        """A thread that still looks up a name or connects ends by itself when that has failed or succeeded."""
        if self._thread is not None:
            self._thread.join(max(patience_s, 0.0))

    # ------------------------------------------------------------------ inside

    def _run(self, new_head: NewHead) -> None:
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                trouble = self._listen(new_head)
            except Exception:  # noqa: BLE001 -- a bug here costs the hints of one node, and the looks go on
                self._log.exception("heads_failed", node=self._state.node)
                trouble = "is not understood, which is a defect: report it with the log"
            if self._closed.is_set():
                return
            if time.monotonic() - began >= STEADY_S and not self._state.trouble:
                self._breaker.succeeded()
            self._breaker.trip()
            self._lost(trouble)
            self._closed.wait(self._breaker.open_for_s)

    def _listen(self, new_head: NewHead) -> str:
        """Until the socket ends. Returns why it did, a text that goes on after the address of the node."""
        from keeper.chain.heads.new_heads import new_heads  # only who has a socket loads the library

        try:
            with closing(new_heads(self._url, self._chain_id, self._connected)) as heads:
                for timestamp in heads:
                    if self._closed.is_set():
                        break
                    if timestamp is not None:
                        if not new_head(self._place, timestamp):
                            return "tells blocks that no look finds at the nodes of KEEPER_RPC_URL"
                        self._heard()
        except SocketLostError as lost:
            return str(lost)
        return ""

    def _connected(self, connection: socket.socket) -> None:
        """Raises SocketLostError after the end, which has had nothing to interrupt."""
        self._connection = connection
        if self._closed.is_set():
            raise SocketLostError("is not listened to any more")

    def _heard(self) -> None:
        if self._state.trouble:
            self._log.info("heads_told", node=self._state.node)
        self._state = HeadSocketState(self._state.node, heard_at=time.time(), trouble="")
        self._lost_is_logged = False

    def _lost(self, trouble: str) -> None:
        """It is logged once until the next head."""
        if not self._lost_is_logged:
            self._log.warning(
                "heads_lost",
                reason=f"{self._state.node} {trouble}",
                remedy="The watch looks at its own pace and the keeper connects again. "
                "If it lasts, check KEEPER_WS_URL.",
            )
        self._lost_is_logged = True
        self._state = HeadSocketState(self._state.node, self._state.heard_at, trouble)
