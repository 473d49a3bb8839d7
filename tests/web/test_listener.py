"""Clients on real sockets that are slow, many or wrong: each is cut, and the next one is answered."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from keeper.domain.errors import InvalidSetting
from keeper.web import listener
from keeper.web.listener import serving
from tests.monitoring.reported import a_quiet_record
from tests.web.answers import site
from tests.web.readings import a_reading

pytestmark = pytest.mark.faults

CUT_S = 0.3
WAIT_S = 10.0


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(listener, "CONNECTION_S", CUT_S)
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 4)
    with serving(site(lambda: a_reading(a_quiet_record())), "127.0.0.1", 0) as number:
        yield number


def fetched(port: int, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT_S) as answer:
        return answer.status, answer.read().decode()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def until_cut(client: socket.socket) -> bytes:
    """What came before the server ended the connection. Fails by its timeout where it does not."""
    came = b""
    try:
        while part := client.recv(65_536):
            came += part
    except ConnectionError:
        pass
    return came


def test_page_and_health_are_served_on_one_port(port: int) -> None:
    assert fetched(port, "/")[0] == 200
    assert '"ok": true' in fetched(port, "/healthz")[1]


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_client_that_never_ends_its_request_is_cut_and_delays_nobody(port: int, sent: bytes) -> None:
    with connected(port) as client:
        client.sendall(sent)
        assert fetched(port, "/healthz")[0] == 200
        assert until_cut(client) == b""


def test_a_client_that_does_not_read_is_cut(port: int) -> None:
    with connected(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert fetched(port, "/")[0] == 200


def test_a_connection_is_closed_after_its_answer(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert until_cut(client).startswith(b"HTTP/1.1 200")


def test_a_probe_without_a_host_gets_the_health_pages_only(port: int) -> None:
    for path, status in ((b"/healthz", b"200"), (b"/readyz", b"503"), (b"/metrics", b"421"), (b"/", b"421")):
        with connected(port) as client:
            client.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
            assert until_cut(client).startswith(b"HTTP/1.1 " + status)


def test_too_many_connections_are_refused_and_later_ones_are_answered(port: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for _ in range(12)]
        assert [until_cut(client) for client in clients] == [b""] * 12
    assert fetched(port, "/healthz")[0] == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=["tls", "two hosts", "no host", "a long path", "a body", "an upgrade"],
)
def test_a_wrong_request_shows_no_traceback_and_the_next_is_answered(
    port: int, request_bytes: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(port) as client:
        client.sendall(request_bytes)
        answered = until_cut(client)
    assert b"Traceback" not in answered
    assert b"keeper_" not in answered
    assert fetched(port, "/healthz")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_nobody_listens_when_the_daemon_has_ended() -> None:
    with serving(site(lambda: a_reading()), "127.0.0.1", 0) as number:
        pass
    with pytest.raises(ConnectionRefusedError):
        connected(number)


def test_the_loopback_of_the_newer_protocol_is_served_too() -> None:
    with (
        serving(site(lambda: a_reading()), "::1", 0) as number,
        urllib.request.urlopen(f"http://[::1]:{number}/healthz", timeout=WAIT_S) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("ends", [True, False], ids=["its thread ends", "it never begins"])
def test_a_listener_that_does_not_begin_is_an_error_before_the_first_cycle(
    ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def startup(self: uvicorn.Server, sockets: object = None) -> None:
        if ends:
            raise OSError(24, "Too many open files")
        while not self.should_exit:
            await asyncio.sleep(0.005)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    monkeypatch.setattr(listener, "BEGIN_S", 0.05)
    with (
        pytest.raises(InvalidSetting, match="KEEPER_METRICS_PORT = 0: nothing answers there"),
        serving(site(lambda: a_reading()), "127.0.0.1", 0),
    ):
        raise AssertionError("nobody is served")


def test_an_address_of_another_machine_is_refused_before_the_first_cycle() -> None:
    with (
        pytest.raises(InvalidSetting, match="KEEPER_METRICS_ADDRESS = 192.0.2.1"),
        serving(site(lambda: a_reading()), "192.0.2.1", 0),
    ):
        raise AssertionError("it does not listen there")
