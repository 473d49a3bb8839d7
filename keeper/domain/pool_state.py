"""What is read of the Uniswap V3 pools in which the vault trades."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """The last ``window_s`` seconds of a Uniswap V3 pool of an asset and the accounting asset.

    ``mean_tick`` is the time-weighted mean, ``mean_liquidity`` the harmonic mean of the liquidity in range; both are
    None where the pool's observations do not go back that far. ``observations`` is the pool's cardinality. The tick is
    the price of the asset where ``asset_is_token0``, else its inverse."""

    symbol: str
    pool: str
    fee: int
    asset_is_token0: bool
    observations: int
    window_s: int
    mean_tick: int | None
    mean_liquidity: int | None


@dataclass(frozen=True, slots=True)
class PoolLiquidity:
    """A Uniswap V3 pool of the asset ``symbol`` and the token ``quote``.

    ``sqrt_price`` is slot0's: the root of raw token1 per token0, times 2^96. ``liquidity`` is the liquidity in range,
    ``mean_liquidity`` its harmonic mean over the window of ``PoolHistory``, None where the pool's observations do not
    go back that far."""

    symbol: str
    quote: str
    fee: int
    asset_is_token0: bool
    sqrt_price: int
    liquidity: int
    mean_liquidity: int | None
