"""The pools' cost curve against what the real pools return: each asset, both ways, from small to large.

``make tables TESTS=tests/chain/test_cost_curve_on_chain.py`` prints the table of docs/trading.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.decision.cost_curve import cost_curves, depth_usd
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, raw_from_usd_floor
from keeper.planning.fills import best_fills
from keeper.planning.netting import Trade
from keeper.planning.quotes import quote_requests, routes
from keeper.planning.split import by_route
from keeper.recorded.pools import POOL_DEPTHS
from keeper.settings.schema import Settings
from tests.chain.keeper_command import Run
from tests.chain.node_scene import node_in, node_of, url_of
from tests.chain.vault_scene import RISKY, scene_on
from tests.planning.plans import some_terms

HOUR = 3_600
SIZES_USD = (10_000.0, 100_000.0, 1_000_000.0)
WITHIN = 0.20
ANY_SLIPPAGE_BPS = 5_000


@pytest.fixture
def node(chain: LocalChain) -> Iterator[ChainReader]:
    with Rpc(chain.deployment.rpc_url) as rpc:
        yield node_in(chain, rpc)


def with_any_slippage(snapshot: MarketSnapshot) -> MarketSnapshot:
    """The vault itself refuses what the largest trades lose."""
    loose = tuple(replace(asset, slippage_bps=ANY_SLIPPAGE_BPS) for asset in snapshot.vault.assets)
    return replace(snapshot, vault=replace(snapshot.vault, assets=loose))


def really_lost_usd(node: ChainReader, snapshot: MarketSnapshot, sell: str, buy: str, usd: float) -> float:
    """By QuoterV2, along the way or ways that the planner takes, against the feeds' prices."""
    amount = raw_from_usd_floor(usd, snapshot.token(sell).decimals, snapshot.price(sell))
    trade = Trade(sell, buy, amount, usd)
    quotes = node.quote(quote_requests([trade], snapshot), snapshot)
    answers = by_route(quotes)
    of_trade = {route: answers[route] for route in routes(trade, snapshot)}
    fills = best_fills(trade, of_trade, some_terms(snapshot, ANY_SLIPPAGE_BPS))
    return math.fsum(fill.fees_usd + fill.impact_usd for fill in fills)


def test_each_assets_loss_is_foretold_in_both_directions_at_every_size(
    node: ChainReader, show: Callable[[str], None]
) -> None:
    snapshot = with_any_slippage(node.read({}, 0).snapshot)
    curves = cost_curves(snapshot)
    assumed = Settings().decision.trade_cost_bps
    rows = []
    for symbol in RISKY:
        for usd in SIZES_USD:
            foretold = curves[symbol].loss_usd(usd)
            bought, sold = (
                really_lost_usd(node, snapshot, *pair, usd) for pair in (("USDC", symbol), (symbol, "USDC"))
            )
            for lost in (bought, sold):
                assert lost > 0.0
                assert foretold == pytest.approx(lost, rel=WITHIN), (symbol, usd)
            rows.append((symbol, usd, assumed, foretold, bought, sold))
    lines = ["| asset | USD | assumed, bps | curve | buying | selling |", "|---|---|---|---|---|---|"]
    for symbol, usd, flat, *losses in rows:
        bps = " | ".join(f"{loss / usd * BPS:.1f}" for loss in losses)
        lines.append(f"| {symbol} | {usd:,.0f} | {flat} | {bps} |")
    show("\n".join(lines))


def test_what_is_read_is_what_the_pools_say_and_as_deep_as_they_were_made(
    chain: LocalChain, node: ChainReader
) -> None:
    snapshot = node.read({}, 0).snapshot
    made = {(pool.symbol, pool.quote, pool.fee): pool.virtual_usd for pool in POOL_DEPTHS}
    assert {(pool.symbol, pool.quote, pool.fee) for pool in snapshot.depths} == set(made)
    factory = contract_at(chain.w3, "UniswapV3Factory", chain.uniswap.factory)
    for pool in snapshot.depths:
        pair = (chain.tokens[pool.symbol].address, chain.tokens[pool.quote].address)
        contract = contract_at(
            chain.w3, "UniswapV3Pool", factory.functions.getPool(*pair, pool.fee).call()
        ).functions
        assert contract.slot0().call()[0] == pool.sqrt_price
        assert contract.liquidity().call() == pool.liquidity
        assert (contract.token0().call() == pair[0]) is pool.asset_is_token0
        assert depth_usd(pool, snapshot) == pytest.approx(made[pool.symbol, pool.quote, pool.fee], rel=0.03)
    assert {(pool.symbol, pool.fee) for pool in snapshot.pools} == {
        (pool.symbol, pool.fee) for pool in snapshot.depths if pool.quote == "USDC"
    }


def test_liquidity_put_in_for_a_moment_makes_nothing_look_cheap(chain: LocalChain) -> None:
    scene = scene_on(chain)
    chain.pass_time(HOUR)  # so that the pools remember half an hour
    with Rpc(url_of(scene)) as rpc:
        node = node_of(scene, rpc)
        before = node.read({}, 0).snapshot
        scene.thiefs_pool("LINK", "USDC", 10_000, 1.0)
        after = node.read({}, 0).snapshot
    was, now = (
        next(pool for pool in one.depths if (pool.symbol, pool.quote, pool.fee) == ("LINK", "USDC", 10_000))
        for one in (before, after)
    )
    assert now.liquidity > 3 * was.liquidity
    assert now.mean_liquidity is not None
    assert depth_usd(now, after) == pytest.approx(depth_usd(was, before), rel=0.02)


def by_symbol(keeper: Run) -> dict[str, Any]:
    ended = keeper("rebalance", "--simulate", "--json")
    assert ended.code == 0, ended.out
    return {one["symbol"]: one for one in ended.json()["trade_costs"]}


def test_a_decision_tells_which_costs_are_the_pools_and_the_setting_turns_them_off(
    keeper: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = keeper("rebalance", "--simulate", "--json").json()
    costs = by_symbol(keeper)
    assert set(costs) == set(RISKY)
    for one in costs.values():
        assert one["source"] == "pools"
        assert one["size_usd"] > 0.0
        assert one["expected_bps"] == pytest.approx(one["linear_bps"] + one["impact_bps"])
        assert 0.0 < one["impact_bps"] < one["expected_bps"] < 100.0
    planned = told["plan"]["cost_usd"]
    foretold = sum(one["expected_bps"] / BPS * one["size_usd"] for one in costs.values())
    assert foretold == pytest.approx(planned["fees"] + planned["slippage"], rel=WITHIN)
    assert "Trading costs, bps of value" in keeper("rebalance", "--simulate").out

    monkeypatch.setenv("KEEPER_DECISION__POOL_COSTS", "false")
    for one in by_symbol(keeper).values():
        assert (one["source"], one["expected_bps"], one["size_usd"]) == ("assumed", 40.0, None)
