"""The arithmetic of a Uniswap V3 position: prices as √(token1 per token0, raw) × 2^96, liquidity, amounts."""

from __future__ import annotations

import math

from keeper.domain.units import USD

Q96 = 1 << 96


def sqrt_price_x96(price0: float, price1: float, decimals0: int, decimals1: int) -> int:
    """√(token1 per token0, raw) × 2^96, rounded down, from USD prices (taken at the feeds' 8 decimals)."""
    raw0 = round(price0 * USD) * 10**decimals1
    raw1 = round(price1 * USD) * 10**decimals0
    return math.isqrt((raw0 << 192) // raw1)


def tick_at(sqrt_price: int) -> int:
    """The tick of a √price × 2^96; within one of the contract's."""
    return math.floor(2 * math.log(sqrt_price / Q96) / math.log(1.0001))


def sqrt_price_at(tick: int) -> int:
    """√1.0001^tick × 2^96, to a float's precision."""
    return int(math.exp(tick / 2 * math.log(1.0001)) * Q96)


def liquidity_for(virtual_usd: float, price0: float, decimals0: int, sqrt_price: int) -> int:
    """L for which the virtual reserve of token0 is worth ``virtual_usd`` (so is token1's)."""
    virtual0: int = round(virtual_usd / price0 * 10**decimals0)
    return virtual0 * sqrt_price // Q96


def amounts_for(liquidity: int, sqrt_price: int, lower: int, upper: int) -> tuple[int, int]:
    """Raw token0 and token1 of a position around the price, rounded up (whitepaper, 6.29 and 6.30)."""
    amount0 = -(-liquidity * Q96 * (upper - sqrt_price) // (sqrt_price * upper))
    amount1 = -(-liquidity * (sqrt_price - lower) // Q96)
    return amount0, amount1
