"""What the pools return after a fall, by their liquidity in range. No node is asked.

Uniswap V3 whitepaper, section 6.2.3: within its range of prices a pool is one of constant product on virtual reserves.
The liquidity is taken to stay the same as prices fall: of the present one and the pool's mean the smaller, as in
``keeper.decision.cost_curve``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest
from keeper.domain.pool_state import PoolLiquidity
from keeper.planning.gas import HOP

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""
Q96 = 2**96

Pools = Mapping[tuple[str, str, int], PoolLiquidity]
"""By token sold, token bought and fee."""


def pool_quotes(requests: Sequence[QuoteRequest], snapshot: MarketSnapshot) -> tuple[Quote, ...]:
    """In the order of the requests. A route through a pool of unknown depth has no amount."""
    pools = {
        (sold, bought, pool.fee): pool
        for pool in snapshot.depths
        for sold, bought in ((pool.symbol, pool.quote), (pool.quote, pool.symbol))
    }
    return tuple(_quote(request, pools) for request in requests)


def _quote(request: QuoteRequest, pools: Pools) -> Quote:
    route, amount = request.route, request.amount_in
    for sold, bought, fee in zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True):
        pool = pools.get((sold, bought, fee))
        amount = amount_out(pool, sold, amount) if pool is not None else 0
    return Quote(route, request.amount_in, amount or None, gas=HOP * len(route.fees))


def amount_out(pool: PoolLiquidity, sold: str, amount: int) -> int:
    """Raw, rounded as the pool rounds: against the seller."""
    liquidity = pool.liquidity if pool.mean_liquidity is None else min(pool.liquidity, pool.mean_liquidity)
    kept = amount * (FEE_UNIT - pool.fee) // FEE_UNIT
    root = pool.sqrt_price
    if liquidity <= 0 or root <= 0 or kept <= 0:
        return 0
    if (sold == pool.symbol) == pool.asset_is_token0:
        scaled = liquidity * Q96
        end = -(-scaled * root // (scaled + kept * root))
        return liquidity * (root - end) // Q96
    end = root + kept * Q96 // liquidity
    return liquidity * Q96 * (end - root) // end // root
