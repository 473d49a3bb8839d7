"""What a trade of an asset loses to the pools it can go through, by its size.

Uniswap V3 whitepaper, section 2: within its range of prices, a pool with liquidity L at price P trades as a pool of
constant product with the *virtual* reserves L / sqrt(P) and L sqrt(P), so that both sides are worth the same, V. Of x
USD sold, x' = (1 - f) x are traded after the fee f and return V x' / (V + x'): the loss is

    x - V x' / (V + x')  =  f x + x'^2 / (V + x')  <=  f x + x^2 / V,

which is counted on: too much by less than 2 f + x / V of its second part. The marginal cost is f + 2 x / V.

Pools side by side share a trade best where their marginal costs are equal (water-filling; Boyd and Vandenberghe,
Convex Optimization, 5.5.3): at a marginal cost the sizes add. Pools one after the other all take the whole trade: at a
size the marginal costs add. Straight lines stay straight under both, so the loss of any such net is convex and
piecewise quadratic, exactly.

What is not in it: the range ends somewhere, and beyond it the next liquidity is another; a planned trade is split over
three routes without a common pool, here over all; other trades of the same plan move pools that both go through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.domain.market import HUB, MarketSnapshot, PoolLiquidity
from keeper.domain.units import USD

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""
Q96 = 2.0**96
PRICE_BAND = 0.02
"""Of a pool's price against the feeds': beyond it somebody is pushing the pool, or nobody trades there. Two feeds that
answer anew after one per cent may honestly be that far off."""


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Marginal cost, USD per USD, against size in USD: straight between ``rates`` at ``sizes`` (both ascending, from
    size 0), and with ``slope`` per USD beyond the last."""

    sizes: tuple[float, ...]
    rates: tuple[float, ...]
    slope: float

    @property
    def fee(self) -> float:
        """Of the first dollar: the least there is, a fraction."""
        return self.rates[0]

    def marginal(self, size_usd: float) -> float:
        for (size, rate), (next_size, next_rate) in pairwise(zip(self.sizes, self.rates, strict=True)):
            if size_usd < next_size:
                return rate + (next_rate - rate) * (size_usd - size) / (next_size - size)
        return self.rates[-1] + self.slope * (size_usd - self.sizes[-1])

    def size_at(self, rate: float) -> float:
        """USD that can be traded at up to this marginal cost."""
        if rate <= self.rates[0]:
            return 0.0
        for (size, low), (next_size, high) in pairwise(zip(self.sizes, self.rates, strict=True)):
            if rate < high:
                return size + (next_size - size) * (rate - low) / (high - low)
        return self.sizes[-1] + (rate - self.rates[-1]) / self.slope

    def loss_usd(self, size_usd: float) -> float:
        """The area under the marginal cost."""
        knots = [size for size in self.sizes if size < size_usd]
        return math.fsum(
            0.5 * (self.marginal(start) + self.marginal(end)) * (end - start)
            for start, end in pairwise([*knots, size_usd])
        )

    def impact_usd(self, size_usd: float) -> float:
        """What is lost beyond the least fee, at least 0."""
        return max(0.0, self.loss_usd(size_usd) - self.fee * size_usd)

    def curvature(self, size_usd: float) -> float:
        """k for which ``fee x + k x^2 / 2`` meets the curve at this size, per USD; at size 0 the slope there."""
        if size_usd > 0.0:
            return 2.0 * self.impact_usd(size_usd) / (size_usd * size_usd)
        if len(self.sizes) == 1:
            return self.slope
        return (self.rates[1] - self.rates[0]) / (self.sizes[1] - self.sizes[0])


def cost_curves(snapshot: MarketSnapshot) -> Mapping[str, CostCurve]:
    """By risk asset, against the accounting asset: its direct pools beside the way through the hub, in the fee tiers
    that the vault allows. An asset of which no pool can be counted on is left out.

    Whether it is bought or sold makes no difference: virtual reserves are worth the same on both sides.
    """
    cash = snapshot.debt_token.symbol
    found = {}
    for symbol in snapshot.risk_symbols:
        direct, to_hub, onwards = (
            _between(snapshot, *pair) for pair in ((symbol, cash), (symbol, HUB), (HUB, cash))
        )
        if symbol != HUB and to_hub is not None and onwards is not None:
            ways = [one for one in (direct, in_series(to_hub, onwards)) if one is not None]
            found[symbol] = side_by_side(ways)
        elif direct is not None:
            found[symbol] = direct
    return found


def pool_curve(fee: float, depth_usd: float) -> CostCurve:
    """``fee`` a fraction, ``depth_usd`` V, above 0."""
    return CostCurve((0.0,), (fee,), 2.0 / depth_usd)


def side_by_side(curves: Sequence[CostCurve]) -> CostCurve:
    """A trade spread over all of them (at least one) so that it loses least."""
    rates = sorted({rate for curve in curves for rate in curve.rates})
    sizes = tuple(math.fsum(curve.size_at(rate) for curve in curves) for rate in rates)
    return CostCurve(sizes, tuple(rates), 1.0 / math.fsum(1.0 / curve.slope for curve in curves))


def in_series(first: CostCurve, then: CostCurve) -> CostCurve:
    """A trade through one and then the other. What the first loses no longer goes through the second: counted as if."""
    sizes = sorted({*first.sizes, *then.sizes})
    rates = tuple(first.marginal(size) + then.marginal(size) for size in sizes)
    return CostCurve(tuple(sizes), rates, first.slope + then.slope)


def depth_usd(pool: PoolLiquidity, snapshot: MarketSnapshot) -> float:
    """V at the feeds' prices, 0 where it cannot be counted on.

    The liquidity is the smaller of now and on average, where the pool remembers one: what is put in for one block
    must not make a trade look cheap. ``L sqrt(p0 p1)`` with the feeds' prices p of raw units is the geometric mean of
    what both sides are worth, wherever the pool's own price is.
    """
    one, other = _usd_per_unit(pool.symbol, snapshot), _usd_per_unit(pool.quote, snapshot)
    price0, price1 = (one, other) if pool.asset_is_token0 else (other, one)
    if price0 <= 0.0 or price1 <= 0.0:
        return 0.0
    root = pool.sqrt_price / Q96
    if abs(root * root * price1 / price0 - 1.0) > PRICE_BAND:
        return 0.0
    liquidity = pool.liquidity if pool.mean_liquidity is None else min(pool.liquidity, pool.mean_liquidity)
    return liquidity * math.sqrt(price0 * price1)


def _between(snapshot: MarketSnapshot, symbol: str, quote: str) -> CostCurve | None:
    known = []
    for pool in snapshot.depths:
        if (pool.symbol, pool.quote) == (symbol, quote) and pool.fee in snapshot.vault.fee_tiers:
            depth = depth_usd(pool, snapshot)
            if depth > 0.0:
                known.append(pool_curve(pool.fee / FEE_UNIT, depth))
    return side_by_side(known) if known else None


def _usd_per_unit(symbol: str, snapshot: MarketSnapshot) -> float:
    return snapshot.price(symbol) / USD / math.pow(10.0, snapshot.token(symbol).decimals)
