"""Row 54 of docs/faults.md: the pools' own prices."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet import feeds
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from tests.chain.keeper_command import Ended, Run
from tests.faults.price_faults import (
    asset,
    held_by,
    levers,
)


def weth_pools(ended: Ended) -> dict[str, Any]:
    return {
        one["source"]: one
        for one in ended.json()["opinions"]
        if one["symbol"] == "WETH" and one["source"].startswith("Uniswap")
    }


def test_row_54_a_pool_that_remembers_one_block_has_no_voice(keeper: Run, chain: LocalChain) -> None:
    found = weth_pools(levers(keeper, chain))
    assert found
    assert all(one["price_usd"] is None and "1 observation" in one["reason"] for one in found.values())


def pools_remember(chain: LocalChain) -> None:
    """WETH's pools keep 50 observations from now on, and have the first of them."""
    for pool in chain.uniswap.pools:
        if "WETH" in pool.symbols and "USDC" in pool.symbols:
            grown = contract_at(chain.w3, "UniswapV3Pool", pool.address)
            send(chain.w3, grown.functions.increaseObservationCardinalityNext(50), chain.owner)
    chain.set_price("WETH", chain.spot("WETH") * 1.001)


def test_row_54_a_pool_that_remembers_long_enough_and_is_deep_speaks_and_a_thin_one_does_not(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools_remember(chain)
    monkeypatch.setenv("KEEPER_ORACLE__TWAP_WINDOW_S", "86400")
    young = weth_pools(keeper("rebalance", "--simulate", "--json"))
    assert any("do not reach back" in one["reason"] for one in young.values())
    monkeypatch.delenv("KEEPER_ORACLE__TWAP_WINDOW_S")
    chain.pass_time(2_000)
    spoken = weth_pools(keeper("rebalance", "--simulate", "--json"))
    (voice,) = spoken.values()
    assert voice["price_usd"] == pytest.approx(chain.spot("WETH"), rel=0.01)
    monkeypatch.setenv("KEEPER_ORACLE__TWAP_MIN_DEPTH_USD", "1e12")
    thin = weth_pools(keeper("rebalance", "--simulate", "--json"))
    assert all("by one per cent" in one["reason"] for one in thin.values())


def test_row_54_a_feed_that_leaves_its_pool_behind_is_not_levered_on(
    keeper: Run, chain: LocalChain, alone: None
) -> None:
    """No exchange answers; the pool's mean price is the only other word."""
    pools_remember(chain)
    chain.pass_time(2_000)
    feeds.publish_now(chain.w3, chain.owner, chain.feeds.addresses["WETH"], chain.spot("WETH") * 1.05)
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "disagrees"
