"""WebSockets that tell new blocks, and those that hang, close, lie and flood. The watch goes on without them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from structlog.testing import capture_logs
from websockets.sync.server import ServerConnection

from keeper.chain.heads import head_sockets, new_heads
from keeper.chain.heads.head_sockets import HeadSockets
from keeper.chain.heads.websocket import MAX_MESSAGE_BYTES
from tests.servers.head_server import CHAIN_ID, HeadServer, head

TIME = 1_650_000_000


class Heard:
    """The times that were told."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.places: set[int] = set()
        self.believes = True
        self._changed = threading.Condition()

    def __call__(self, place: int, timestamp: int) -> bool:
        with self._changed:
            self.times.append(timestamp)
            self.places.add(place)
            self._changed.notify_all()
            return self.believes

    def until(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.times) >= count, 10.0), self.times


@pytest.fixture
def node() -> Iterator[HeadServer]:
    with HeadServer().running() as running:
        yield running


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait before another connection; each further one is twice as long."""
    monkeypatch.setattr("keeper.chain.rpc.circuit_breaker.FIRST_OPEN_S", 0.01)
    monkeypatch.setattr("keeper.chain.rpc.circuit_breaker.MAX_OPEN_S", 0.02)


@contextmanager
def listening(*urls: str) -> Iterator[tuple[HeadSockets, Heard]]:
    heard = Heard()
    sockets = HeadSockets(urls, CHAIN_ID)
    with sockets.telling(heard):
        yield sockets, heard


def until(true: Callable[[], object]) -> None:
    pause = threading.Event()
    ends_at = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < ends_at
        pause.wait(0.005)


def test_each_new_block_is_told_at_once(node: HeadServer) -> None:
    with listening(node.url) as (sockets, heard):
        node.until_subscribed()
        node.tell(TIME)
        node.tell(TIME + 12)
        heard.until(2)
        (state,) = sockets.states
    assert heard.times == [TIME, TIME + 12]
    assert state.trouble == ""
    assert state.heard_at is not None


def says(text: str | bytes) -> Callable[[HeadServer], Callable[[ServerConnection], None]]:
    def say(connection: ServerConnection) -> None:
        for _ in range(2):
            connection.recv()  # what is closed with bytes unread is reset, and what it said is lost
        connection.send(text)

    return lambda node: say


def closes(node: HeadServer) -> Callable[[ServerConnection], None]:
    return lambda connection: None


def closes_in_a_message(node: HeadServer) -> Callable[[ServerConnection], None]:
    return lambda connection: connection.socket.sendall(b"\x01\x05he")


def breaks_the_protocol(node: HeadServer) -> Callable[[ServerConnection], None]:
    return lambda connection: connection.socket.sendall(b"\xff" * 64)


def floods(node: HeadServer) -> Callable[[ServerConnection], None]:
    def flood(connection: ServerConnection) -> None:
        while True:
            connection.send(head(TIME))

    return flood


def floods_with_pings(node: HeadServer) -> Callable[[ServerConnection], None]:
    def flood(connection: ServerConnection) -> None:
        while True:
            connection.ping()

    return flood


def floods_with_bytes(node: HeadServer) -> Callable[[ServerConnection], None]:
    unasked = '{"method": "' + "0" * (MAX_MESSAGE_BYTES - 100) + '"}'

    def flood(connection: ServerConnection) -> None:
        while True:
            connection.send(unasked)

    return flood


def never_ends_a_message(node: HeadServer) -> Callable[[ServerConnection], None]:
    def parts() -> Iterator[str]:
        while True:
            yield "0" * 4096

    return lambda connection: connection.send(parts())


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (closes, "closed the socket"),
        (closes_in_a_message, "closed the socket"),
        (breaks_the_protocol, "breaks the protocol"),
        (says("{"), "sends what is not JSON"),
        (says(b"\x00" * 100), "sends what is not JSON"),
        (says("0" * (MAX_MESSAGE_BYTES + 1)), "breaks the protocol: PayloadTooBig"),
        (never_ends_a_message, "breaks the protocol: PayloadTooBig"),
        (
            says('{"id": 2, "error": {"message": "unknown method"}}'),
            "refuses to tell its blocks: unknown method",
        ),
        (floods, "sends more than 100 frames in a second"),
        (floods_with_pings, "sends more than 100 frames in a second"),
        (floods_with_bytes, "sends more than 262144 bytes in a second"),
    ],
)
def test_a_socket_that_misbehaves_is_left_with_one_line_and_opened_again(
    node: HeadServer,
    misbehaves: Callable[[HeadServer], Callable[[ServerConnection], None]],
    reason: str,
) -> None:
    bad = misbehaves(node)
    node.misbehaves = [bad, bad, node.answer]
    with capture_logs() as lines, listening(node.url) as (_, heard):
        node.until_subscribed(3)
        node.tell(TIME)
        heard.until(1)
        until(lambda: lines[-1]["event"] == "heads_told")
    assert [line["event"] for line in lines] == ["heads_lost", "heads_told"]
    assert reason in lines[0]["reason"]
    assert node.url in lines[0]["reason"]


def test_a_node_of_another_chain_is_not_heard(node: HeadServer) -> None:
    node.chain_id = 1
    with listening(node.url) as (sockets, heard):
        until(lambda: "is on chain 1, not on 31337" in sockets.states[0].trouble)
    assert heard.times == []


def test_a_socket_that_goes_silent_is_made_anew(node: HeadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_heads, "SILENCE_S", 0.2)
    with listening(node.url) as (sockets, heard):
        node.until_subscribed()
        node.tell(TIME)
        heard.until(1)
        node.until_subscribed(2)
        until(lambda: sockets.states[0].trouble == "told no block for 0.2 s")
        node.tell(TIME + 12)
        heard.until(2)


@pytest.mark.parametrize("others", [(), (TIME - 12,)])
def test_a_node_that_tells_the_same_blocks_again_and_again_is_silent(
    node: HeadServer, monkeypatch: pytest.MonkeyPatch, others: tuple[int, ...]
) -> None:
    monkeypatch.setattr(new_heads, "SILENCE_S", 0.1)
    with listening(node.url) as (sockets, heard):
        node.until_subscribed()

        def told_again() -> bool:
            for timestamp in (TIME, *others):
                node.tell(timestamp)
            return "told no block for" in sockets.states[0].trouble

        until(told_again)
        assert set(heard.times) == {TIME}
    assert sockets.states == ()


def test_a_node_that_never_confirms_the_subscription_is_left(
    node: HeadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_heads, "SUBSCRIBE_S", 0.1)
    hangs = threading.Event()

    def hang(connection: ServerConnection) -> None:
        hangs.wait(10.0)

    node.misbehaves = [hang, node.answer]
    with capture_logs() as lines, listening(node.url):
        node.until_subscribed(2)
        hangs.set()
    assert "did not take the subscription in 0.1 s" in lines[0]["reason"]


def test_whoever_never_answers_the_handshake_is_left(
    node: HeadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.chain.heads.websocket.OPEN_S", 0.1)
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sockets, _ = stack.enter_context(listening(f"ws://127.0.0.1:{silent.getsockname()[1]}"))
        until(lambda: sockets.states[0].trouble == "did not answer the handshake in 0.1 s")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"garbage\r\n\r\n", b""]
)
def test_what_is_no_websocket_is_left(answer: bytes) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    with server.accept()[0] as client:
                        client.recv(65_536)
                        client.sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        with listening(f"ws://127.0.0.1:{server.getsockname()[1]}") as (sockets, _):
            until(
                lambda: (
                    "handshake" in sockets.states[0].trouble or "no WebSocket" in sockets.states[0].trouble
                )
            )
        server.shutdown(socket.SHUT_RDWR)


def test_a_node_whose_blocks_no_look_finds_is_left_with_one_line_and_opened_again(node: HeadServer) -> None:
    with capture_logs() as lines, listening(node.url) as (sockets, heard):
        heard.believes = False
        node.until_subscribed()
        node.tell(TIME)
        node.until_subscribed(2)
        (state,) = sockets.states
        assert "tells blocks that no look finds" in state.trouble
        assert state.heard_at is None
        heard.believes = True
        node.tell(TIME + 12)
        until(lambda: not sockets.states[0].trouble)
    assert [line["event"] for line in lines] == ["heads_lost", "heads_told"]


def test_one_node_that_tells_is_enough(node: HeadServer) -> None:
    with listening("ws://127.0.0.1:9/secret-key-of-a-provider", node.url) as (sockets, heard):
        node.until_subscribed()
        node.tell(TIME)
        heard.until(1)
        until(lambda: "cannot be reached" in sockets.states[0].trouble)
        assert "secret" not in str(sockets.states)
    assert heard.places == {1}


def test_the_end_waits_for_no_node_that_is_subscribed_to(node: HeadServer) -> None:
    with listening(node.url):
        node.until_subscribed()
        began = time.monotonic()
    assert time.monotonic() - began < 1.0
    assert not [thread for thread in threading.enumerate() if thread.name == "heads"]


def test_the_end_leaves_every_node_that_hangs_in_its_handshake_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_sockets, "JOIN_S", 5.0)
    with ExitStack() as stack:
        hanging = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = hanging.getsockname()[1]
        with listening(*[f"{scheme}://127.0.0.1:{port}/{one}" for scheme in ("ws", "wss") for one in "ab"]):
            for _ in range(4):
                client = stack.enter_context(hanging.accept()[0])
                client.recv(1)  # the handshake has begun, of TLS too
            began = time.monotonic()
        assert time.monotonic() - began < 2.5
        assert not [thread for thread in threading.enumerate() if thread.name == "heads"]


def test_the_end_waits_once_for_all_nodes_that_are_not_reached_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_sockets, "JOIN_S", 0.1)
    connected = threading.Event()

    def connects(*_: object, **__: object) -> socket.socket:
        connected.wait(10.0)
        raise OSError

    monkeypatch.setattr("keeper.chain.heads.websocket.socket.create_connection", connects)
    with listening(*[f"ws://127.0.0.1:9/{place}" for place in range(20)]):
        began = time.monotonic()
    took_s = time.monotonic() - began
    connected.set()
    assert took_s < 1.0


def test_who_is_reached_after_the_end_is_left_before_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_sockets, "JOIN_S", 0.0)
    ended = threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        create = socket.create_connection

        def connects(address: tuple[str, int], timeout: float) -> socket.socket:
            ended.wait(10.0)
            return create(address, timeout)

        monkeypatch.setattr("keeper.chain.heads.websocket.socket.create_connection", connects)
        with listening(f"ws://127.0.0.1:{server.getsockname()[1]}"):
            pass
        ended.set()
        client = stack.enter_context(server.accept()[0])
        client.settimeout(5.0)
        assert client.recv(1) == b""
