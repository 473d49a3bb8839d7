"""The doctor's line of the WebSockets, with nodes that take the subscription and others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from keeper.chain.heads import new_heads
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, LineStatus
from keeper.doctor.nodes import web_sockets
from keeper.settings.execution import WatchTable
from keeper.settings.schema import Settings
from tests.servers.head_server import CHAIN_ID, HeadServer

pytestmark = pytest.mark.faults

SECRET = "/v2/key-of-a-provider"
ADDRESS = "0x" + "11" * 20


@pytest.fixture
def node() -> Iterator[HeadServer]:
    with HeadServer().running() as running:
        yield running


def line(*urls: str, every_s: float = 2.0) -> Diagnosis:
    with ExitStack() as stack:
        context = DoctorContext(stack)
        context.settings = Settings(
            rpc_url="http://127.0.0.1:9",
            ws_url=",".join(urls) or None,
            chain_id=CHAIN_ID,
            vault=ADDRESS,
            quoter=ADDRESS,
            watch=WatchTable(every_s=every_s),
        )
        return web_sockets(context)


def test_without_a_web_socket_all_is_well() -> None:
    assert line().status is LineStatus.OK


def test_a_node_that_takes_the_subscription_is_well_and_its_key_is_not_shown(node: HeadServer) -> None:
    answer = line(node.url + SECRET)
    assert answer.status is LineStatus.OK, answer
    assert f"{node.url}/… takes the subscription" in answer.detail
    assert SECRET not in answer.detail


def test_each_node_that_tells_nothing_is_named_with_the_reason(node: HeadServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = f"ws://127.0.0.1:{gone.getsockname()[1]}"
    answer = line(node.url, dead + SECRET)
    assert answer.status is LineStatus.WARNING
    assert f"{node.url} takes the subscription" in answer.detail
    assert f"{dead}/… cannot be reached (ConnectionRefusedError)" in answer.detail
    assert SECRET not in answer.detail
    assert "KEEPER_WS_URL" in answer.remedy


def test_a_node_of_another_chain_is_named(node: HeadServer) -> None:
    node.chain_id = 1
    answer = line(node.url)
    assert (answer.status, "is on chain 1, not on 31337" in answer.detail) == (LineStatus.WARNING, True)


def test_a_node_that_does_not_answer_is_left_in_time(
    node: HeadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_heads, "SUBSCRIBE_S", 0.05)
    node.misbehaves = [lambda connection: list(connection).clear()]
    assert "did not take the subscription in 0.05 s" in line(node.url).detail


def test_a_web_socket_that_nobody_listens_to_is_a_warning(node: HeadServer) -> None:
    answer = line(node.url, every_s=0.0)
    assert (answer.status, node.connections) == (LineStatus.WARNING, 0)
    assert "watch.every_s" in answer.detail
