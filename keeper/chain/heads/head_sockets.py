"""Nodes that tell their new blocks by WebSocket, one thread for each. A socket that fails is opened again, more and
more rarely."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from keeper.chain.heads.subscription import SocketLostError, Subscription
from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.domain.addresses import masked
from keeper.domain.head_socket import HeadSocketState
from keeper.runtime.logs import logger

if TYPE_CHECKING:
    from keeper.chain.heads.websocket import WebSocket

SUBSCRIBE_S = 10.0
SILENCE_S = 60.0
"""A subscription that tells no head for so long is made anew. On a chain that stands still this costs nothing else."""
STEADY_S = 60.0
"""A socket that lived for so long is opened again soon after its end."""
JOIN_S = 0.5
NewHead = Callable[[int], None]
"""Is called with the timestamp of a head, Unix seconds, on the socket's thread. It must not wait."""


class HeadSockets:
    """The heads of several nodes. One that tells them is enough."""

    def __init__(self, urls: Sequence[str] = (), chain_id: int = 0) -> None:
        self._sockets = tuple(HeadSocket(url, chain_id) for url in urls)
        self._telling = False

    @property
    def states(self) -> tuple[HeadSocketState, ...]:
        """Empty while nobody listens: nothing is lost then."""
        return tuple(socket.state for socket in self._sockets) if self._telling else ()

    @contextmanager
    def telling(self, new_head: NewHead) -> Iterator[None]:
        """Until the block is left. Neither its begin nor its end waits for a node."""
        for socket in self._sockets:
            socket.begin(new_head)
        self._telling = True
        try:
            yield
        finally:
            self._telling = False
            for socket in self._sockets:
                socket.end()
            ends_at = time.monotonic() + JOIN_S
            for socket in self._sockets:
                socket.join(ends_at - time.monotonic())


class HeadSocket:
    """The heads of one node. Whatever the node does, it is logged and not raised."""

    def __init__(self, url: str, chain_id: int) -> None:
        self._url = url
        self._chain_id = chain_id
        self._state = HeadSocketState(masked(url), heard_at=None, trouble="has told no block yet")
        self._lost_is_logged = False
        self._socket: WebSocket | None = None
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
        if self._socket is not None:
            self._socket.interrupt()

    def join(self, patience_s: float) -> None:
        """A thread that still connects ends by itself when that has failed or succeeded."""
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
        from keeper.chain.heads.websocket import WebSocket  # only who has a socket loads the library

        try:
            with closing(WebSocket(self._url)) as self._socket:
                return self._follow(self._socket, new_head)
        except SocketLostError as lost:
            return str(lost)

    def _follow(self, socket: WebSocket, new_head: NewHead) -> str:
        """As ``_listen``. Raises SocketLostError."""
        subscription = Subscription(self._chain_id)
        for request in subscription.requests():
            socket.send(request)
        patience_s, since = SUBSCRIBE_S, time.monotonic()
        while not self._closed.is_set() and (left_s := since + patience_s - time.monotonic()) > 0.0:
            for message in socket.received(left_s):
                timestamp = subscription.heard(message)
                if timestamp is not None:
                    patience_s, since = SILENCE_S, time.monotonic()
                    new_head(timestamp)
                    self._heard()
            if patience_s == SUBSCRIBE_S and subscription.confirmed:
                patience_s = SILENCE_S
        return f"told no block for {patience_s:g} s"

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
