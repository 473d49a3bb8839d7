"""What the keeper sees when governance, the admin or Chainlink change something under it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from keeper.domain.market import Sequencer
from keeper.sizing.categories import CollateralTerms
from tests.chain.emode_category import make_category
from tests.chain.node_scene import HISTORY_S, node_in
from tests.chain.sequencer import set_sequencer
from tests.chain.vault_scene import scene_on


@pytest.fixture
def node(chain: LocalChain) -> Iterator[ChainReader]:
    with Rpc(chain.deployment.rpc_url) as rpc:
        yield node_in(chain, rpc)


def test_the_sequencers_status_and_grace_period_are_read(chain: LocalChain, node: ChainReader) -> None:
    before = node.read({}, 0).snapshot.sequencer
    assert before is not None
    assert before.up
    now = chain.now()
    set_sequencer(chain, up=False, since=now)
    assert Sequencer(up=False, status_since=now, grace_s=3_600) == node.read({}, 0).snapshot.sequencer


def test_a_sequencer_feed_that_never_started_does_not_count_as_up(
    chain: LocalChain, node: ChainReader
) -> None:
    set_sequencer(chain, up=True, since=0)
    assert Sequencer(up=False, status_since=0, grace_s=3_600) == node.read({}, 0).snapshot.sequencer


def test_a_sequencer_feed_that_is_taken_away_is_noticed(chain: LocalChain, node: ChainReader) -> None:
    assert node.read({}, 0).snapshot.sequencer is not None
    scene = scene_on(chain)
    registry = scene.impersonated(chain.registry.address)
    scene.send(scene.book.functions.setSequencer("0x" + "00" * 20, 0), registry)
    assert node.read({}, 0).snapshot.sequencer is None


def test_a_new_aggregator_behind_a_feed_loses_no_round(chain: LocalChain, node: ChainReader) -> None:
    reading = node.read({}, HISTORY_S)
    known = {symbol: rounds[-3].round_id for symbol, rounds in reading.new_rounds.items()}
    feed = contract_at(chain.w3, "RoundFeed", chain.feeds.addresses["WETH"])
    send(chain.w3, feed.functions.startPhase(), chain.owner)
    push = feed.get_function_by_signature("push(int256,uint256)")
    for i in range(2):
        send(chain.w3, push(1_800 * 10**8 + i, chain.now()), chain.owner)
    before = node.round_trips
    new = node.read(known, HISTORY_S).new_rounds["WETH"]
    assert 3 == node.round_trips - before
    second_phase = 2 << 64
    assert [known["WETH"] + 1, known["WETH"] + 2, second_phase | 1, second_phase | 2] == [
        round_.round_id for round_ in new
    ]


def test_the_vaults_e_mode_decides_over_the_reserves_own_limits(chain: LocalChain, node: ChainReader) -> None:
    before = node.read({}, 0).snapshot
    make_category(chain, 1, "ETH against USDC", collateral="WETH")
    scene = scene_on(chain)
    registry = scene.impersonated(chain.registry.address)
    scene.send(chain.portfolio.functions.setCategory(0, 1), registry)

    after = node.read({}, 0).snapshot
    assert (9_300, 9_500) == (
        after.reserve("WETH").ltv_bps,
        after.reserve("WETH").liquidation_threshold_bps,
    )
    assert before.reserve("WBTC").ltv_bps == after.reserve("WBTC").ltv_bps
    assert after.reserve("USDC").borrowing_enabled
    assert not after.reserve("WETH").borrowing_enabled


def test_every_configured_category_is_found_whatever_its_number(chain: LocalChain, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    assert [0] == [one.number for one in node.categories(snapshot).known]
    make_category(chain, 3, "ETH against USDC", collateral="WETH")
    make_category(chain, 255, "BTC, no new debt", collateral="WBTC", ltv_zero=True)

    found = node.categories(node.read({}, 0).snapshot)
    outside, ether, bitcoin = found.known
    assert [(0, ""), (3, "ETH against USDC"), (255, "BTC, no new debt")] == [
        (one.number, one.label) for one in found.known
    ]
    symbols = [token.symbol for token in snapshot.tokens]
    weth, wbtc = symbols.index("WETH"), symbols.index("WBTC")
    assert CollateralTerms(9_300, 9_500, borrowable=False) == ether.terms[weth]
    assert CollateralTerms(0, 9_500, borrowable=False) == bitcoin.terms[wbtc]
    assert replace(outside.terms[wbtc], borrowable=False) == ether.terms[wbtc]
    assert ether.terms[0].borrowable
    assert (snapshot.reserve("WETH").ltv_bps, 0) == (outside.terms[weth].ltv_bps, found.chosen)
