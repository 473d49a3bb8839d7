"""Chainlink's own proxy and aggregator in place of the local chain's feed: rounds, a change of phase, and no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_typing import ChecksumAddress
from web3.contract import Contract

from keeper.chain.chain_reader import ChainReader
from keeper.chain.feed_rounds import MissingRounds, fetch, joined, since
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.multicall import Multicall
from keeper.devnet.transactions import NO_ADDRESS, deployed, send
from keeper.domain.market import FeedReading, Round
from tests.chain.node_scene import MULTICALL, node_of
from tests.chain.vault_scene import Scene, scene_on

HOUR, HISTORY_S = 3_600, 90 * 86_400
PRICE = 2_000 * 10**8
LARGEST = 10**15
DECIMALS = 8


@dataclass(frozen=True, slots=True)
class RealFeed:
    """WETH's feed: an EACAggregatorProxy before FluxAggregators with one oracle each."""

    scene: Scene
    proxy: Contract
    owner: ChecksumAddress

    def aggregator(self) -> Contract:
        return new_aggregator(self.scene, self.owner)

    def publish(self, aggregator: Contract, count: int, first: int = 1) -> None:
        """An answer an hour."""
        for number in range(first, first + count):
            self.scene.mine_at(self.scene.now() + HOUR)
            send(self.scene.w3, aggregator.functions.submit(number, PRICE + number), self.owner)

    def change_to(self, aggregator: Contract) -> None:
        """A new phase, as the owner of the proxy confirms it."""
        for call in (self.proxy.functions.proposeAggregator, self.proxy.functions.confirmAggregator):
            send(self.scene.w3, call(aggregator.address), self.owner)


def new_aggregator(scene: Scene, owner: ChecksumAddress) -> Contract:
    """Paid nothing, so that any token stands for LINK."""
    link, no_validator = scene.address("WETH"), NO_ADDRESS
    terms = (0, 600, no_validator, 1, LARGEST, DECIMALS, "ETH / USD")
    aggregator = deployed(scene.w3, owner, "FluxAggregator", link, *terms)
    send(scene.w3, aggregator.functions.changeOracles([], [owner], [owner], 1, 1, 0), owner)
    return aggregator


@pytest.fixture
def scene(chain: object) -> Scene:
    return scene_on(chain)  # type: ignore[arg-type]


@pytest.fixture
def real(scene: Scene) -> RealFeed:
    owner = scene.world.owner
    first = new_aggregator(scene, owner)
    proxy = deployed(scene.w3, owner, "EACAggregatorProxy", first.address, NO_ADDRESS)
    feed = RealFeed(scene, proxy, owner)
    feed.publish(first, 5)
    scene.set_feed_of("WETH", proxy.address, 2 * HOUR)
    return feed


@pytest.fixture
def rpc(scene: Scene) -> Iterator[Rpc]:
    with Rpc(scene.world.deployment.rpc_url) as opened:
        yield opened


def weth(node: ChainReader) -> FeedReading:
    snapshot = node.read({}, HISTORY_S).snapshot
    return snapshot.feeds[snapshot.index("WETH")]


def ids(rounds: tuple[Round, ...]) -> list[int]:
    return [round_.round_id for round_ in rounds]


def test_rounds_are_read_through_a_change_of_phase_that_has_no_data_at_first(
    scene: Scene, real: RealFeed, rpc: Rpc
) -> None:
    node = node_of(scene, rpc)
    seen = weth(node)
    assert (seen.round.round_id, seen.price) == (joined(1, 5), PRICE + 5)

    second = real.aggregator()
    real.change_to(second)
    silent = weth(node)
    assert (silent.round.round_id, silent.price) == (0, 0)

    real.publish(second, 3)
    snapshot = node.read({}, HISTORY_S).snapshot
    newest = snapshot.feeds[snapshot.index("WETH")].round
    assert newest.round_id == joined(2, 3)
    multicall, feed = Multicall(rpc, MULTICALL), real.proxy.address
    for known, expected in (
        (None, [joined(1, n) for n in range(1, 6)] + [joined(2, n) for n in range(1, 4)]),
        (joined(1, 4), [joined(1, 5)] + [joined(2, n) for n in range(1, 4)]),
        (joined(2, 2), [joined(2, 3)]),
    ):
        missing = {"WETH": MissingRounds(feed, newest, known)}
        rounds = fetch(multicall, snapshot.block, missing, HISTORY_S, progress=lambda _: None)["WETH"]
        assert ids(rounds) == expected
    (at,) = [round_.updated_at for round_ in rounds]
    assert ids(since(multicall, snapshot.block, {feed: newest}, at - HOUR)[feed]) == [
        joined(2, 2),
        joined(2, 3),
    ]
