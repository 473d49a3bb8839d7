"""Expected cost of trading an asset: from its pools' depth, else as assumed, and drawn towards what its trades did
cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.decision.cost_curve import CostCurve
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.policy import Policy
from keeper.domain.units import BPS

HALF_LIFE_TRADES = 20
"""A trade counts half as much as one that is so many trades of the same asset newer."""
PRIOR_TRADES = 5.0
"""The assumption counts as much as so many new trades."""
REMEMBERED = 10 * HALF_LIFE_TRADES
"""Older trades of an asset would count less than a thousandth, so they are ignored."""


def learned_costs(executed_swaps: Sequence[ExecutedSwap], symbols: Sequence[str]) -> tuple[LearnedCost, ...]:
    """The learned cost of each of ``symbols`` that was traded, in their order. ``executed_swaps`` are oldest first.

    An asset traded against another carries half of the swap's cost, because the decision counts the change of both.
    """
    return tuple(
        cost for symbol in symbols if (cost := _learned(symbol, executed_swaps, symbols)) is not None
    )


def parts(swap: ExecutedSwap, symbols: Sequence[str]) -> Mapping[str, float]:
    """Which of ``symbols`` a swap traded, and the part of its cost that each carries."""
    traded = [symbol for symbol in (swap.sold, swap.bought) if symbol in symbols]
    return {symbol: 1.0 / len(traded) for symbol in traded}


@dataclass(frozen=True, slots=True)
class AssetCost:
    """Cost of trading one asset, bps of the value traded, without gas.

    ``linear_bps`` is paid at any size. ``curve`` adds the impact where the pools are known, times ``curve_part``, which
    experience lowers. ``cautious_bps`` is the cost without the curve.
    """

    linear_bps: float
    cautious_bps: float
    curve: CostCurve | None
    curve_part: float

    def impact_bps(self, size_usd: float) -> float:
        if self.curve is None or size_usd <= 0.0:
            return 0.0
        return self.curve_part * self.curve.impact_usd(size_usd) / size_usd * BPS

    def bps(self, size_usd: float) -> float:
        """At most all of the value traded."""
        if self.curve is None:
            return self.linear_bps
        return min(float(BPS), self.linear_bps + self.impact_bps(size_usd))

    def curvature(self, size_usd: float) -> float:
        """k, per USD, for which ``linear x + k x^2 / 2`` is the cost of this size. It is 0 without a curve."""
        return 0.0 if self.curve is None else self.curve_part * self.curve.curvature(size_usd)


def expected_costs(
    policy: Policy,
    symbols: Sequence[str],
    learned: Sequence[LearnedCost],
    curves: Mapping[str, CostCurve],
) -> tuple[AssetCost, ...]:
    """The expected cost of each of ``symbols``. A curve replaces the assumption: its fee is drawn towards experience as
    the assumption is, and its impact keeps the assumption's weight in that mean."""
    by_symbol = {cost.symbol: cost for cost in learned} if policy.decision.learn_costs else {}
    used_curves = curves if policy.decision.pool_costs else {}
    return tuple(
        _expected(assumed, by_symbol.get(symbol), used_curves.get(symbol))
        for symbol, assumed in zip(symbols, assumed_costs_bps(policy, symbols), strict=True)
    )


def assumed_costs_bps(policy: Policy, symbols: Sequence[str]) -> tuple[float, ...]:
    """Each asset's own assumed cost, else ``decision.trade_cost_bps``."""
    own = {asset.symbol: asset.trade_cost_bps for asset in policy.assets}
    default = float(policy.decision.trade_cost_bps)
    return tuple(default if (cost := own.get(symbol)) is None else float(cost) for symbol in symbols)


def drawn_towards(assumed_bps: float, learned: LearnedCost) -> float:
    """The weighted mean of assumption and experience. It is never below the pools' fees that were paid, because a feed
    that lags behind the market can make a trade look like a gain."""
    total = PRIOR_TRADES + learned.weight
    mean = (PRIOR_TRADES * assumed_bps + learned.weight * learned.realised_bps) / total
    return max(mean, learned.fees_bps)


def _expected(assumed_bps: float, learned: LearnedCost | None, curve: CostCurve | None) -> AssetCost:
    def drawn(bps: float) -> float:
        return bps if learned is None else drawn_towards(bps, learned)

    if curve is None:
        return AssetCost(drawn(assumed_bps), drawn(assumed_bps), None, curve_part=1.0)
    part = 1.0 if learned is None else PRIOR_TRADES / (PRIOR_TRADES + learned.weight)
    return AssetCost(drawn(curve.fee * BPS), drawn(assumed_bps), curve, curve_part=part)


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
