"""What Uniswap V3 pools remember, as an opinion on a price: Uniswap V3 core, Oracle.observe, and its whitepaper, 5.2.

``slot0`` is never looked at: one trade moves it, and the trade can be in the same block.
"""

from __future__ import annotations

import math

from keeper.domain.market import MarketSnapshot, PoolHistory
from keeper.domain.policy import OraclePolicy
from keeper.domain.prices import Opinion

TICK_BASE = 1.0001
ONE_PER_CENT = 0.01
TOO_FEW = 2
"""A pool that keeps a single observation remembers its last block, not a mean."""


def twap_opinions(snapshot: MarketSnapshot, policy: OraclePolicy) -> tuple[Opinion, ...]:
    """USD at the accounting asset's feed price. An asset's pools have one voice, that of the deepest usable one: they
    move together, and whoever moves one moves them all. Where none is usable, each says why."""
    found: list[Opinion] = []
    for symbol in dict.fromkeys(pool.symbol for pool in snapshot.pools):
        pools = [pool for pool in snapshot.pools if pool.symbol == symbol]
        opinions = {pool.pool: _opinion(pool, snapshot, policy) for pool in pools}
        speaking = [pool for pool in pools if opinions[pool.pool].price_usd is not None]
        if speaking:
            deepest = max(speaking, key=lambda pool: depth(pool, snapshot.debt_token.decimals))
            found.append(opinions[deepest.pool])
        else:
            found += opinions.values()
    return tuple(found)


def mean_price(pool: PoolHistory, asset_decimals: int, cash_decimals: int) -> float:
    """Accounting asset per asset, in whole tokens. ``pool.mean_tick`` must be there."""
    assert pool.mean_tick is not None, "asked only of pools that remember"
    raw = math.pow(TICK_BASE, pool.mean_tick)
    whole = math.pow(10.0, asset_decimals - cash_decimals)
    return raw * whole if pool.asset_is_token0 else whole / raw


def depth(pool: PoolHistory, cash_decimals: int) -> float:
    """Whole accounting tokens that a trade takes to move the price by one per cent, at the mean liquidity: L Δ√P."""
    if pool.mean_liquidity is None or pool.mean_tick is None:
        return 0.0
    root = math.pow(TICK_BASE, pool.mean_tick / 2)
    cash_root = root if pool.asset_is_token0 else 1.0 / root
    moved = pool.mean_liquidity * cash_root * (math.sqrt(1.0 + ONE_PER_CENT) - 1.0)
    return moved / math.pow(10.0, cash_decimals)


def _opinion(pool: PoolHistory, snapshot: MarketSnapshot, policy: OraclePolicy) -> Opinion:
    cash = snapshot.debt_token
    source = f"Uniswap {pool.fee / 10_000:g} %"
    cash_usd = snapshot.feeds[0].price_usd
    usable = depth(pool, cash.decimals) * cash_usd
    if pool.observations < TOO_FEW:
        why = f"the pool keeps {pool.observations} observation, so it remembers one block"
    elif pool.mean_tick is None:
        why = f"its {pool.observations} observations do not reach back {pool.window_s} s"
    elif usable < policy.twap_min_depth_usd:
        why = (
            f"{usable:,.0f} USD move its price by one per cent, "
            f"at least {policy.twap_min_depth_usd:,.0f} are asked for"
        )
    else:
        price = mean_price(pool, snapshot.token(pool.symbol).decimals, cash.decimals) * cash_usd
        return Opinion(pool.symbol, source, price, snapshot.block.timestamp, "")
    return Opinion(pool.symbol, source, None, snapshot.block.timestamp, why)
