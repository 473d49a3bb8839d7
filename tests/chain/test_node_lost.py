"""A node that dies under the keeper: while it looks, while it quotes, while it simulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet.anvil import AnvilNode, stop
from keeper.devnet.local_chain import LocalChain, forked
from keeper.domain.errors import NodeUnavailable
from keeper.domain.plan import QuoteRequest, Route
from tests.chain.node_scene import HISTORY_S, Between, a_plan, node_in


@pytest.fixture
def doomed(world: LocalChain) -> Iterator[tuple[AnvilNode, LocalChain]]:
    with forked(world) as copy:
        yield copy


@pytest.mark.parametrize("after", [1, 4, 5, 6])
def test_a_node_killed_during_a_read_is_unavailable(doomed: tuple[AnvilNode, LocalChain], after: int) -> None:
    anvil, world = doomed
    transport = Between(after, lambda: stop(anvil.process))
    with Rpc(anvil.url, transport=transport, pause=lambda _: None) as rpc:
        with pytest.raises(NodeUnavailable, match="no answer from the node at http://127"):
            node_in(world, rpc).read({}, HISTORY_S)
        attempts = 3
        assert after + attempts == rpc.round_trips


def test_a_node_killed_after_a_read_neither_quotes_nor_simulates(
    doomed: tuple[AnvilNode, LocalChain],
) -> None:
    anvil, world = doomed
    with Rpc(anvil.url, pause=lambda _: None) as rpc:
        node = node_in(world, rpc)
        snapshot = node.read({}, 0).snapshot
        stop(anvil.process)
        request = QuoteRequest(Route(("USDC", "WETH"), (500,)), 10**6)
        calls: list[Callable[[], object]] = [
            lambda: node.quote([request], snapshot),
            lambda: node.simulate(a_plan(snapshot, ()), snapshot),
            lambda: node.read({}, 0),
        ]
        for call in calls:
            with pytest.raises(NodeUnavailable):
                call()
