"""Quotes of QuoterV2 on real pools, at the pinned block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.compile import artifact
from keeper.devnet.local_chain import LocalChain
from keeper.domain.plan import QuoteRequest, Route
from tests.chain.node_scene import node_of, url_of
from tests.chain.vault_scene import Scene, scene_on

USDC = 10**6


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.fixture
def node(scene: Scene) -> Iterator[ChainReader]:
    with Rpc(url_of(scene)) as rpc:
        yield node_of(scene, rpc)


def directly(scene: Scene, path: bytes, amount: int) -> int:
    quoter = scene.w3.eth.contract(address=scene.uniswap.quoter, abi=artifact("QuoterV2").abi)
    return int(quoter.functions.quoteExactInput(path, amount).call()[0])


def test_quotes_come_in_the_order_asked_and_in_one_round_trip(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    requests = [
        QuoteRequest(Route(("USDC", "WETH"), (500,)), 10_000 * USDC),
        QuoteRequest(Route(("USDC", "WETH", "LINK"), (500, 3_000)), 10_000 * USDC),
        QuoteRequest(Route(("WETH", "USDC"), (3_000,)), 10**18),
    ]
    before = node.round_trips
    quotes = node.quote(requests, snapshot)
    assert 1 == node.round_trips - before
    assert [request.route for request in requests] == [quote.route for quote in quotes]
    paths = [
        scene.path("USDC", 500, "WETH"),
        scene.path("USDC", 500, "WETH", 3_000, "LINK"),
        scene.path("WETH", 3_000, "USDC"),
    ]
    expected = [
        directly(scene, path, request.amount_in) for path, request in zip(paths, requests, strict=True)
    ]
    assert expected == [quote.amount_out for quote in quotes]
    assert all(30_000 < quote.gas < 1_000_000 for quote in quotes)


def test_a_route_without_a_pool_has_no_amount_and_does_not_spoil_the_others(
    scene: Scene, node: ChainReader
) -> None:
    snapshot = node.read({}, 0).snapshot
    nowhere, direct = Route(("USDC", "WETH"), (100,)), Route(("USDC", "WETH"), (500,))
    quotes = node.quote([QuoteRequest(nowhere, USDC), QuoteRequest(direct, USDC)], snapshot)
    assert quotes[0].amount_out is None
    assert quotes[1].amount_out is not None


def test_a_quote_is_of_the_snapshots_block(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    request = QuoteRequest(Route(("USDC", "WETH"), (500,)), 10_000 * USDC)
    before = node.quote([request], snapshot)
    scene.push_pool("USDC", 1_000_000 * USDC, "WETH")
    assert before == node.quote([request], snapshot)
    later = node.quote([request], node.read({}, 0).snapshot)
    assert later[0].amount_out is not None
    assert before[0].amount_out is not None
    assert later[0].amount_out < before[0].amount_out
