"""Feeds of a local chain that nobody trades on stay fresh by the chain's own clock."""

from __future__ import annotations

import threading

from web3.types import RPCEndpoint

from keeper.devnet.feeds import latest_round
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.market_hours import DEFAULT_HEARTBEAT_S, heartbeat_s
from keeper.devnet.publisher import BLOCK_EVERY_S, mine_due, publish_due, publishing

HALF = DEFAULT_HEARTBEAT_S // 2


def advance_without_a_block(world: LocalChain, seconds: int) -> None:
    world.w3.provider.make_request(RPCEndpoint("evm_increaseTime"), [seconds])


def test_fresh_feeds_are_left_alone(chain: LocalChain) -> None:
    chain.pass_time(1)
    block = chain.w3.eth.block_number
    assert publish_due(chain) == ()
    assert chain.w3.eth.block_number == block


def test_after_half_a_heartbeat_every_due_feed_repeats_its_price_as_of_now(chain: LocalChain) -> None:
    chain.pass_time(1)
    before = {symbol: chain.spot(symbol) for symbol in chain.tokens}
    advance_without_a_block(chain, HALF)
    due = publish_due(chain)
    assert set(due) == {symbol for symbol in chain.tokens if heartbeat_s(symbol) == DEFAULT_HEARTBEAT_S}
    for symbol in due:
        price, updated_at = latest_round(chain.w3, chain.feeds.addresses[symbol])
        assert price == before[symbol]
        assert chain.now() - updated_at < 60
    assert publish_due(chain) == ()


def test_the_slow_feed_is_due_after_half_of_its_own_heartbeat(chain: LocalChain) -> None:
    chain.pass_time(1)
    advance_without_a_block(chain, heartbeat_s("USDC") // 2)
    assert "USDC" in publish_due(chain)


def test_publishing_ends_with_its_block(chain: LocalChain) -> None:
    with publishing(chain):
        assert "feeds" in {thread.name for thread in threading.enumerate()}
    assert "feeds" not in {thread.name for thread in threading.enumerate()}


def test_an_idle_chain_mines_so_that_no_deadline_is_over_at_the_next_block(chain: LocalChain) -> None:
    chain.mine()
    block = chain.w3.eth.block_number
    assert not mine_due(chain)
    advance_without_a_block(chain, 10 * BLOCK_EVERY_S)
    assert mine_due(chain)
    assert chain.w3.eth.block_number == block + 1
    assert chain.clock() - chain.now() < BLOCK_EVERY_S
