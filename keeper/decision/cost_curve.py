"""The loss of an asset's trade to the pools that it can use, by its size.

Uniswap V3 whitepaper, section 2: within its range of prices, a pool with liquidity L at price P trades as a pool of
constant product with the *virtual* reserves L / sqrt(P) and L sqrt(P), so that both sides are worth the same, V. Of x
USD sold, x' = (1 - f) x are traded after the fee f and return V x' / (V + x'): the loss is

    x - V x' / (V + x')  =  f x + x'^2 / (V + x')  <=  f x + x^2 / V,

and the bound is the estimate. It exceeds the loss by less than 2 f + x / V of its second part. The marginal cost is
f + 2 x / V.

Parallel pools share a trade best where their marginal costs are equal (water-filling; Boyd and Vandenberghe, Convex
Optimization, 5.5.3): at a marginal cost the sizes add. Pools in series all take the full trade: at a size the marginal
costs add. Piecewise linear marginal costs stay so under both, so the loss of any such network is convex and piecewise
quadratic, without approximation.

Three things are not modelled: the end of a pool's liquidity range; the plan's limit of three routes without a common
pool, as the curve uses all; and trades of the same plan that move a common pool.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.pool_state import PoolLiquidity
from keeper.domain.units import BPS, USD

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""
Q96 = 2.0**96
PRICE_BAND = 0.02
"""Maximum gap of a pool's price to the feeds. Beyond it the pool is manipulated or not traded. Two honest feeds that
update after one per cent can be that far off."""


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Marginal cost, USD per USD, against size in USD. It is linear between ``rates`` at ``sizes`` (both ascending,
    from size 0) and rises by ``slope`` per USD beyond the last."""

    sizes: tuple[float, ...]
    rates: tuple[float, ...]
    slope: float

    @property
    def fee(self) -> float:
        """Cost of the first dollar, a fraction. No dollar costs less."""
        return self.rates[0]

    def marginal(self, size_usd: float) -> float:
        for (size, rate), (next_size, next_rate) in pairwise(zip(self.sizes, self.rates, strict=True)):
            if size_usd < next_size:
                return rate + (next_rate - rate) * (size_usd - size) / (next_size - size)
        return self.rates[-1] + self.slope * (size_usd - self.sizes[-1])

    def size_at(self, rate: float) -> float:
        """USD that can be traded up to this marginal cost."""
        if rate <= self.rates[0]:
            return 0.0
        for (size, low), (next_size, high) in pairwise(zip(self.sizes, self.rates, strict=True)):
            if rate < high:
                return size + (next_size - size) * (rate - low) / (high - low)
        return self.sizes[-1] + (rate - self.rates[-1]) / self.slope

    def loss_usd(self, size_usd: float) -> float:
        """The area under the marginal cost."""
        total = 0.0
        for (start, rate), (end, next_rate) in pairwise(zip(self.sizes, self.rates, strict=True)):
            if size_usd <= end:
                return total + 0.5 * (rate + self.marginal(size_usd)) * (size_usd - start)
            total += 0.5 * (rate + next_rate) * (end - start)
        beyond = size_usd - self.sizes[-1]
        return total + (self.rates[-1] + 0.5 * self.slope * beyond) * beyond

    def impact_usd(self, size_usd: float) -> float:
        """Loss beyond the fee of the first dollar, at least 0."""
        return max(0.0, self.loss_usd(size_usd) - self.fee * size_usd)

    def curvature(self, size_usd: float) -> float:
        """k for which ``fee x + k x^2 / 2`` meets the curve at this size, or a dollar's where it is less, per USD."""
        size = max(1.0, size_usd)
        return 2.0 * self.impact_usd(size) / (size * size)


def cost_curves(snapshot: MarketSnapshot) -> Mapping[str, CostCurve]:
    """By risk asset, against the accounting asset: its direct pools in parallel with the route through the hub, in the
    pools that the vault lists. An asset without a usable pool is left out.

    Buying and selling cost the same, because virtual reserves are worth the same on both sides.
    """
    cash, pairs = snapshot.debt_token.symbol, _pairs(snapshot)
    curves = {}
    for symbol in snapshot.risk_symbols:
        routes = [pairs[symbol, cash]] if (symbol, cash) in pairs else []
        if symbol != HUB and (symbol, HUB) in pairs and (HUB, cash) in pairs:
            routes.append(in_series(pairs[symbol, HUB], pairs[HUB, cash]))
        if routes:
            curves[symbol] = in_parallel(routes)
    return curves


def pools_passed(snapshot: MarketSnapshot, symbol: str, size_usd: float, slippage_bps: int) -> int:
    """Through how many pools a trade of the asset against the accounting asset goes: one, if one pool carries it within
    the slippage; else two, through the hub. Where no depth is known a listed pool counts as deep enough."""
    cash = snapshot.debt_token.symbol
    direct = snapshot.vault.fees(symbol, cash)
    if symbol == HUB or not snapshot.vault.fees(symbol, HUB):
        return 1
    depths = [
        depth_usd(pool, snapshot)
        for pool in snapshot.depths
        if (pool.symbol, pool.quote) == (symbol, cash) and pool.fee in direct
    ]
    if direct and not snapshot.depths:
        return 1
    return 1 if size_usd * BPS <= slippage_bps * max(depths, default=0.0) else 2


def pool_curve(fee: float, depth_usd: float) -> CostCurve:
    """``fee`` a fraction, ``depth_usd`` V, above 0."""
    return CostCurve((0.0,), (fee,), 2.0 / depth_usd)


def in_parallel(curves: Sequence[CostCurve]) -> CostCurve:
    """One trade spread over all of them (at least one) so that its loss is minimal."""
    rates = sorted({rate for curve in curves for rate in curve.rates})
    sizes = tuple(math.fsum(curve.size_at(rate) for curve in curves) for rate in rates)
    return CostCurve(sizes, tuple(rates), 1.0 / math.fsum(1.0 / curve.slope for curve in curves))


def in_series(first: CostCurve, then: CostCurve) -> CostCurve:
    """A trade through one and then the other. The first one's loss counts as if it passed through the second too."""
    sizes = sorted({*first.sizes, *then.sizes})
    rates = tuple(first.marginal(size) + then.marginal(size) for size in sizes)
    return CostCurve(tuple(sizes), rates, first.slope + then.slope)


def depth_usd(pool: PoolLiquidity, snapshot: MarketSnapshot) -> float:
    """V at the feeds' prices, or 0 for a pool that is not usable.

    The liquidity is the smaller of the present one and the pool's mean, where the pool keeps one, so that liquidity
    added for one block does not make a trade look cheap. ``L sqrt(p0 p1)`` with the feeds' prices p of raw units is the
    geometric mean of both sides' values, at any price of the pool.
    """
    asset, quote = _usd_per_unit(pool.symbol, snapshot), _usd_per_unit(pool.quote, snapshot)
    price0, price1 = (asset, quote) if pool.asset_is_token0 else (quote, asset)
    if price0 <= 0.0 or price1 <= 0.0:
        return 0.0
    root = pool.sqrt_price / Q96
    if abs(root * root * price1 / price0 - 1.0) > PRICE_BAND:
        return 0.0
    liquidity = pool.liquidity if pool.mean_liquidity is None else min(pool.liquidity, pool.mean_liquidity)
    return liquidity * math.sqrt(price0 * price1)


def _pairs(snapshot: MarketSnapshot) -> Mapping[tuple[str, str], CostCurve]:
    """The parallel curve of each pair's pools."""
    pools: dict[tuple[str, str], list[CostCurve]] = {}
    for pool in snapshot.depths:
        if pool.fee in snapshot.vault.fees(pool.symbol, pool.quote):
            depth = depth_usd(pool, snapshot)
            if depth > 0.0:
                curve = pool_curve(pool.fee / FEE_UNIT, depth)
                pools.setdefault((pool.symbol, pool.quote), []).append(curve)
    return {pair: in_parallel(curves) for pair, curves in pools.items()}


def _usd_per_unit(symbol: str, snapshot: MarketSnapshot) -> float:
    return snapshot.price(symbol) / USD / math.pow(10.0, snapshot.token(symbol).decimals)
