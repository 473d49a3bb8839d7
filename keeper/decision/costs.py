"""What trading an asset is expected to cost: what its pools' depth says, else what is assumed, drawn towards what it
did cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.decision.cost_curve import CostCurve
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.policy import Policy
from keeper.domain.units import BPS

HALF_LIFE_TRADES = 20
"""A trade counts half as much as one that came so many trades of the same asset later."""
PRIOR_TRADES = 5.0
"""The assumption counts as much as so many trades of now."""
REMEMBERED = 10 * HALF_LIFE_TRADES
"""Older trades of an asset would count less than a thousandth."""


def learned_costs(executed_swaps: Sequence[ExecutedSwap], symbols: Sequence[str]) -> tuple[LearnedCost, ...]:
    """Of each of ``symbols`` that was traded, in their order. ``executed_swaps`` oldest first.

    An asset traded against another carries half of the leg's cost: the decision counts the change of both."""
    return tuple(
        found for symbol in symbols if (found := _learned(symbol, executed_swaps, symbols)) is not None
    )


def parts(swap: ExecutedSwap, symbols: Sequence[str]) -> Mapping[str, float]:
    """Which of ``symbols`` a leg traded, and the part of its cost that is each one's."""
    traded = [symbol for symbol in (swap.sold, swap.bought) if symbol in symbols]
    return {symbol: 1.0 / len(traded) for symbol in traded}


@dataclass(frozen=True, slots=True)
class AssetCost:
    """Of a trade of one asset, bps of its value, without gas. ``linear_bps`` is paid at any size; ``curve``, where the
    pools are known, adds the impact, of which ``curve_part`` counts beside experience. ``cautious_bps`` is what would
    be counted without the curve."""

    linear_bps: float
    cautious_bps: float
    curve: CostCurve | None = None
    curve_part: float = 1.0

    def impact_bps(self, size_usd: float) -> float:
        if self.curve is None or size_usd <= 0.0:
            return 0.0
        return self.curve_part * self.curve.impact_usd(size_usd) / size_usd * BPS

    def bps(self, size_usd: float) -> float:
        """Of the value traded, at most all of it."""
        if self.curve is None:
            return self.linear_bps
        return min(float(BPS), self.linear_bps + self.impact_bps(size_usd))

    def curvature(self, size_usd: float) -> float:
        """k for which ``linear x + k x^2 / 2`` USD is what this size costs, per USD; 0 without a curve."""
        return 0.0 if self.curve is None else self.curve_part * self.curve.curvature(size_usd)


def expected_costs(
    policy: Policy,
    symbols: Sequence[str],
    learned: Sequence[LearnedCost] = (),
    curves: Mapping[str, CostCurve] | None = None,
) -> tuple[AssetCost, ...]:
    """Of each of ``symbols``. A curve takes the place of the assumption: experience draws its fee as it does the
    assumption, and leaves as much of its impact as the assumption's weight in that mean."""
    known = {one.symbol: one for one in learned} if policy.decision.learn_costs else {}
    deep = curves if curves is not None and policy.decision.pool_costs else {}
    return tuple(
        _expected(assumed, known.get(symbol), deep.get(symbol))
        for symbol, assumed in zip(symbols, assumed_costs_bps(policy, symbols), strict=True)
    )


def assumed_costs_bps(policy: Policy, symbols: Sequence[str]) -> tuple[float, ...]:
    """Each asset's own assumed cost, else the decision's."""
    own = {asset.symbol: asset.trade_cost_bps for asset in policy.assets}
    usual = float(policy.decision.trade_cost_bps)
    return tuple(usual if (cost := own.get(symbol)) is None else float(cost) for symbol in symbols)


def drawn_towards(assumed_bps: float, learned: LearnedCost) -> float:
    """The mean of assumption and experience, each with its weight; never less than the pools' fees that were paid, as
    a feed that lags behind the market can make a trade look like a gain."""
    total = PRIOR_TRADES + learned.weight
    mean = (PRIOR_TRADES * assumed_bps + learned.weight * learned.realised_bps) / total
    return max(mean, learned.fees_bps)


def _expected(assumed_bps: float, learned: LearnedCost | None, curve: CostCurve | None) -> AssetCost:
    def drawn(bps: float) -> float:
        return bps if learned is None else drawn_towards(bps, learned)

    if curve is None:
        return AssetCost(drawn(assumed_bps), drawn(assumed_bps))
    part = 1.0 if learned is None else PRIOR_TRADES / (PRIOR_TRADES + learned.weight)
    return AssetCost(drawn(curve.fee * BPS), drawn(assumed_bps), curve, part)


def _learned(
    symbol: str, executed_swaps: Sequence[ExecutedSwap], symbols: Sequence[str]
) -> LearnedCost | None:
    shares = ((swap, parts(swap, symbols).get(symbol)) for swap in executed_swaps)
    traded = [(swap, share) for swap, share in shares if share is not None][-REMEMBERED:]
    if not traded:
        return None
    weights = [0.5 ** (age / HALF_LIFE_TRADES) for age in reversed(range(len(traded)))]
    total = math.fsum(weights)
    return LearnedCost(
        symbol=symbol,
        trades=len(traded),
        weight=total,
        realised_bps=math.fsum(
            weight * share * swap.realised_bps for weight, (swap, share) in zip(weights, traded, strict=True)
        )
        / total,
        fees_bps=math.fsum(
            weight * share * swap.fees_bps for weight, (swap, share) in zip(weights, traded, strict=True)
        )
        / total,
    )
