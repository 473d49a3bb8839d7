"""Messages of one WebSocket (RFC 6455), with limits. The library ``websockets`` knows the protocol, and does no I/O."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from logging import CRITICAL, Logger

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from keeper.chain.heads.subscription import SocketLostError
from keeper.domain.remote_text import printable
from keeper.runtime.deadline import certificates

OPEN_S = 10.0
"""For connecting, TLS and the handshake; looking up the name comes on top of it."""
SEND_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024
"""A head has about 2 kB."""
MAX_FRAMES_PER_S = 100
"""Of any kind. The fastest chains have 4 to 10 blocks a second."""
MAX_BYTES_PER_S = 256 * 1024
"""Of any kind, the handshake too."""
READ_BYTES = 64 * 1024
_SILENT = Logger("websocket", CRITICAL)
"""The library's lines would have the URL, and a key in it."""


class WebSocket:
    """A client's side. It takes no compression, so that no small message becomes a large one.

    ``connected`` gets the socket before the handshakes, of TLS too. It may raise SocketLostError.
    """

    def __init__(self, url: str, connected: Callable[[socket.socket], None]) -> None:
        """Raises SocketLostError."""
        ends_at = time.monotonic() + OPEN_S
        self._message = bytearray()
        self._frames = _PerSecond(MAX_FRAMES_PER_S, "frames")
        self._bytes = _PerSecond(MAX_BYTES_PER_S, "bytes")
        try:
            uri = parse_uri(url)
            self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_SILENT)
            self._socket = _connection(uri, connected)
        except (OSError, InvalidURI, UnicodeError) as error:
            raise SocketLostError(f"cannot be reached ({type(error).__name__})") from error
        try:
            self._shake_hands(ends_at)
            self._early = self._messages()
        except BaseException:
            self.close()
            raise

    def send(self, text: str) -> None:
        """Raises SocketLostError."""
        self._require_open()
        self._protocol.send_text(text.encode())
        self._flush()

    def received(self, patience_s: float) -> list[bytes]:
        """The messages that are complete when bytes have come, at most ``patience_s`` later. Raises SocketLostError."""
        if self._early:
            messages, self._early = self._early, []
            return messages
        self._require_open()
        return self._messages() if self._read_some(patience_s) else []

    def close(self) -> None:
        """At once, without the farewell of the protocol."""
        self._socket.close()

    # ------------------------------------------------------------------ inside

    def _shake_hands(self, ends_at: float) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING:
            if not self._read_some(ends_at - time.monotonic()):
                raise SocketLostError(f"did not answer the handshake in {OPEN_S:g} s")
            self._require_handshake()

    def _read_some(self, patience_s: float) -> bool:
        """Whether bytes came in time."""
        if patience_s <= 0.0:
            return False
        try:
            self._socket.settimeout(patience_s)
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise SocketLostError(f"closed the socket ({type(error).__name__})") from error
        self._bytes.count(len(data))
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()
        return True

    def _flush(self) -> None:
        """What the protocol has to send, its answers to pings too."""
        waiting = b"".join(self._protocol.data_to_send())
        try:
            if waiting:
                self._socket.settimeout(SEND_S)
                self._socket.sendall(waiting)
        except OSError as error:
            raise SocketLostError(f"closed the socket ({type(error).__name__})") from error

    def _require_handshake(self) -> None:
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidHandshake):
            raise SocketLostError(f"is no WebSocket: {printable(str(error))[:120]}") from error
        if error is not None:
            raise SocketLostError("closed the socket during the handshake") from error

    def _messages(self) -> list[bytes]:
        """Whole messages. Raises SocketLostError where the socket has ended or floods."""
        whole: list[bytes] = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue  # the answer to the handshake
            self._frames.count(1)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._message += event.data
                if event.fin:
                    whole.append(bytes(self._message))
                    self._message.clear()
        if not whole:
            self._require_open()
        return whole

    def _require_open(self) -> None:
        if self._protocol.state is State.OPEN:
            return
        wrong = self._protocol.parser_exc
        if wrong is not None and not isinstance(wrong, EOFError):
            raise SocketLostError(
                f"breaks the protocol: {type(wrong).__name__}: {printable(str(wrong))[:120]}"
            )
        raise SocketLostError("closed the socket")


class _PerSecond:
    """``most`` of what a node sends in each second of the clock."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._second, self._counted = 0, 0

    def count(self, more: int) -> None:
        """Raises SocketLostError."""
        second = int(time.monotonic())
        self._counted = self._counted + more if second == self._second else more
        self._second = second
        if self._counted > self._most:
            raise SocketLostError(f"sends more than {self._most} {self._what} in a second")


def _connection(uri: WebSocketURI, connected: Callable[[socket.socket], None]) -> socket.socket:
    """Raises OSError, SocketLostError."""
    plain = socket.create_connection((uri.host, uri.port), timeout=OPEN_S)
    with ExitStack() as stack:
        stack.callback(plain.close)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not uri.secure:
            connected(plain)
            stack.pop_all()
            return plain
        secure = certificates().wrap_socket(plain, server_hostname=uri.host, do_handshake_on_connect=False)
        stack.callback(secure.close)
        connected(secure)
        secure.do_handshake()
        stack.pop_all()
        return secure
