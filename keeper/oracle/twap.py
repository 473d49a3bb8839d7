"""Uniswap V3 pools' time-weighted mean prices as opinions (Uniswap V3 core, Oracle.observe; whitepaper, 5.2).

``slot0`` is not used: one trade moves it, and that trade can be in the same block.
"""

from __future__ import annotations

import math

from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import OraclePolicy
from keeper.domain.pool_state import PoolHistory
from keeper.domain.prices import Opinion

TICK_BASE = 1.0001
"""Price ratio of neighbouring ticks."""
DEPTH_MOVE = 0.01
"""Relative price move by which depth is measured."""
MIN_OBSERVATIONS = 2
"""A pool that keeps one observation knows the price of its last block, not a mean."""
FEE_PER_PERCENT = 10_000
"""Uniswap counts fees in millionths."""


def twap_opinions(snapshot: MarketSnapshot, policy: OraclePolicy) -> tuple[Opinion, ...]:
    """Opinions in USD, converted at the accounting asset's feed price.

    Only the deepest usable pool of an asset counts, because arbitrage keeps its pools at one price. Where no pool is
    usable, each gives its reason.
    """
    opinions: list[Opinion] = []
    for symbol in dict.fromkeys(pool.symbol for pool in snapshot.pools):
        pools = [pool for pool in snapshot.pools if pool.symbol == symbol]
        opinion_of = {pool.pool: _opinion(pool, snapshot, policy) for pool in pools}
        usable = [pool for pool in pools if opinion_of[pool.pool].price_usd is not None]
        if usable:
            deepest = max(usable, key=lambda pool: depth(pool, snapshot.debt_token.decimals))
            opinions.append(opinion_of[deepest.pool])
        else:
            opinions += opinion_of.values()
    return tuple(opinions)


def mean_price(pool: PoolHistory, mean_tick: int, *, asset_decimals: int, cash_decimals: int) -> float:
    """Whole accounting tokens per whole asset token at ``mean_tick``."""
    raw_ratio = math.pow(TICK_BASE, mean_tick)
    scale = math.pow(10.0, asset_decimals - cash_decimals)
    return raw_ratio * scale if pool.asset_is_token0 else scale / raw_ratio


def depth(pool: PoolHistory, cash_decimals: int) -> float:
    """Whole accounting tokens of a trade that moves the price by one per cent at the mean liquidity: L Δ√P."""
    if pool.mean_liquidity is None or pool.mean_tick is None:
        return 0.0
    root = math.pow(TICK_BASE, pool.mean_tick / 2)
    cash_root = root if pool.asset_is_token0 else 1.0 / root
    moved = pool.mean_liquidity * cash_root * (math.sqrt(1.0 + DEPTH_MOVE) - 1.0)
    return moved / math.pow(10.0, cash_decimals)


def _opinion(pool: PoolHistory, snapshot: MarketSnapshot, policy: OraclePolicy) -> Opinion:
    cash, cash_usd = snapshot.debt_token, snapshot.feeds[0].price_usd
    depth_usd = depth(pool, cash.decimals) * cash_usd
    price, reason = None, ""
    if pool.observations < MIN_OBSERVATIONS:
        reason = f"the pool keeps {pool.observations} observation, so it knows one block only"
    elif pool.mean_tick is None:
        reason = f"its {pool.observations} observations do not reach back {pool.window_s} s"
    elif depth_usd < policy.twap_min_depth_usd:
        reason = (
            f"{depth_usd:,.0f} USD move its price by one per cent, "
            f"at least {policy.twap_min_depth_usd:,.0f} are required"
        )
    else:
        asset_decimals = snapshot.token(pool.symbol).decimals
        price = cash_usd * mean_price(
            pool, pool.mean_tick, asset_decimals=asset_decimals, cash_decimals=cash.decimals
        )
    return Opinion(
        symbol=pool.symbol,
        source=f"Uniswap {pool.fee / FEE_PER_PERCENT:g} %",
        price_usd=price,
        observed_at=snapshot.block.timestamp,
        reason=reason,
    )
