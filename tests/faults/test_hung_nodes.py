"""Faults of docs/faults.md: nodes that take connections and do not answer. Real processes, stopped as SIGSTOP does."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.endpoint import Endpoint
from keeper.devnet.anvil import AnvilNode, anvil
from keeper.domain.errors import NodeHangs, NodeUnavailable
from keeper.jsonrpc import requests as ask
from keeper.runtime.deadline import work_within
from tests.faults.processes import Ended, ForkServer
from tests.servers.faulty_node import faulty_node
from tests.servers.json_rpc import Answered, serving

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
CLOSED = "http://127.0.0.1:9"
LONGER_S = 7.0
"""How much longer than with a closed port a command may take: with its own three seconds, ten."""


def stop(node: AnvilNode) -> None:
    os.kill(node.process.pid, signal.SIGSTOP)
    # A thread that runs on another core may answer before it stops.
    os.waitid(os.P_PID, node.process.pid, os.WSTOPPED | os.WNOWAIT)


@contextmanager
def stopped(node: AnvilNode) -> Iterator[str]:
    stop(node)
    try:
        yield node.url
    finally:
        os.kill(node.process.pid, signal.SIGCONT)


def settings(urls: str, folder: Path) -> dict[str, str]:
    given = {"RPC_URL": urls, "CHAIN_ID": "31337", "VAULT": ADDRESS, "QUOTER": ADDRESS, "SENDER": ADDRESS}
    return {f"KEEPER_{name}": value for name, value in given.items()} | {"HOME": str(folder)}


def timed(keepers: ForkServer, arguments: tuple[str, ...], given: dict[str, str]) -> tuple[Ended, float]:
    began = time.monotonic()
    ended = keepers.run(arguments, given)
    return ended, time.monotonic() - began


@pytest.mark.parametrize(
    "arguments", [("status",), ("rebalance", "--simulate"), ("deleverage", "--simulate"), ("doctor",)]
)
def test_row_76_a_command_by_hand_names_the_node_that_hangs(
    arguments: tuple[str, ...], keepers: ForkServer, tmp_path: Path
) -> None:
    _, usual = timed(keepers, arguments, settings(CLOSED, tmp_path))
    with anvil() as node, stopped(node) as url:
        ended, took = timed(keepers, arguments, settings(url, tmp_path))
    assert ended.exit_code == 3, ended.out + ended.err
    told = "".join((ended.out + ended.err).replace("│", "").split())
    assert f"{url}hangs" in told
    assert took < usual + LONGER_S


def test_row_76_a_node_that_hangs_after_it_told_its_head_is_named_too(
    keepers: ForkServer, tmp_path: Path
) -> None:
    with anvil() as node, httpx.Client(timeout=60.0, trust_env=False) as client:

        def until_it_stops(body: Any) -> Answered:
            if "eth_getCode" in str(body):
                stop(node)
            return Answered(client.post(node.url, json=body).content)

        with serving(until_it_stops) as url:
            try:
                ended = keepers.run(("status", "--json"), settings(url, tmp_path))
            finally:
                os.kill(node.process.pid, signal.SIGCONT)
    assert ended.exit_code == 3, ended.out + ended.err
    assert f"eth_getCode: the node at {url} hangs" in ended.out
    waited = re.search(r"silent for (\S+) s, .* in another (\S+) s", ended.out)
    assert waited is not None
    assert sum(map(float, waited.groups())) <= LONGER_S


def test_row_76_of_two_that_must_agree_the_one_that_hangs_is_named(
    keepers: ForkServer, tmp_path: Path
) -> None:
    _, usual = timed(keepers, ("status", "--json"), settings(CLOSED, tmp_path))
    with anvil() as alive, anvil() as node, stopped(node) as url:
        ended, took = timed(keepers, ("status", "--json"), settings(f"{alive.url},{url}", tmp_path))
    assert ended.exit_code == 3, ended.out + ended.err
    assert f"{url} hangs" in ended.out
    assert took < usual + LONGER_S


def test_row_76_a_node_that_hangs_is_not_asked_again_at_once_but_a_send_is_tried() -> None:
    with anvil() as node, stopped(node) as url, Rpc(url) as rpc:
        for _ in range(2):
            with pytest.raises(NodeHangs):
                rpc.request(ask.chain_id())
        assert rpc.round_trips == 1
        with pytest.raises(NodeHangs):
            rpc.send(ask.raw_transaction("0x02"))
        assert rpc.round_trips == 2


def test_row_76_one_of_several_that_hangs_is_left_out_for_a_while() -> None:
    with anvil() as node, stopped(node) as url, Rpc(url) as rpc:
        endpoint = Endpoint(rpc, CircuitBreaker(time.monotonic))
        with pytest.raises(NodeHangs):
            endpoint.request(ask.chain_id())
        with pytest.raises(NodeUnavailable, match="not asked for"):
            endpoint.request(ask.chain_id())


def test_a_node_that_is_slow_with_one_request_and_answers_others_is_waited_for() -> None:
    """It holds the answer back until it has been asked for its chain id."""
    with anvil() as node, faulty_node(node.url) as slow, Rpc(slow.url) as rpc:
        held = slow.fault("eth_getBlockByNumber", "hold", count=1)

        def release(answer: str) -> str:
            held.released.set()
            return answer

        slow.fault("eth_chainId", "lie", count=1, change=release)
        assert rpc.request(ask.block("latest")).number == 0
        assert slow.asked == ["eth_getBlockByNumber", "eth_chainId"]


def test_the_deadline_of_the_whole_work_ends_a_wait_for_a_node() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Rpc(f"http://127.0.0.1:{silent.getsockname()[1]}") as rpc,
        work_within(0.2),
        pytest.raises(NodeUnavailable, match="the deadline of the whole work passed"),
    ):
        rpc.request(ask.chain_id())
