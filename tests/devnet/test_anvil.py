"""The port of a local node, and another server on it."""

from __future__ import annotations

import socket

import pytest

from keeper.devnet import anvil
from keeper.devnet.anvil import PORTS, free_port, rpc
from keeper.devnet.loopback import answering
from keeper.domain.errors import BadInput, NodeUnavailable, PortTaken

pytestmark = pytest.mark.faults


def test_a_port_is_free_and_not_one_that_a_system_gives_away() -> None:
    port = free_port()
    assert port in PORTS
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_a_taken_port_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setattr(anvil, "PORTS", range(server.getsockname()[1], server.getsockname()[1] + 1))
        with pytest.raises(BadInput, match="all taken"):
            free_port()


@pytest.mark.parametrize("body", ["hello", 5, ["a"]])
def test_another_server_on_the_port_is_named_as_what_it_is(body: object) -> None:
    with (
        answering(lambda _path, _params: (200, body), "another") as url,
        pytest.raises(NodeUnavailable, match="is no JSON-RPC node"),
    ):
        rpc(url, "eth_chainId")


def test_a_node_whose_port_is_taken_before_it_starts_gets_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(lambda _path, _params: (200, "hello"), "another") as url:
        taken = int(url.rsplit(":", 1)[1])
        choices = iter([taken, free_port()])
        monkeypatch.setattr(anvil, "free_port", lambda: next(choices))
        with anvil.anvil() as node:
            assert node.url != url
            assert node.request("eth_chainId") == hex(31_337)


def test_a_node_gives_up_where_every_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda _path, _params: (200, "hello"), "another") as url:
        monkeypatch.setattr(anvil, "free_port", lambda: int(url.rsplit(":", 1)[1]))
        with pytest.raises(PortTaken, match="another server has the port"), anvil.anvil():
            pass
