"""How far one cycle goes: recentring the largest trade, and the way down in an emergency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.decision.situation import Position
from keeper.domain.decision import Goal
from keeper.domain.market import Trust
from keeper.domain.policy import UrgencyLimits
from keeper.domain.units import BPS, UINT256_MAX, WAD, usd
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Move:
    """Where to go this cycle, and whether the trade limit cut the way short."""

    goal: Goal
    cut_short: bool


def towards_target(position: Position, limits: UrgencyLimits) -> Move:
    """``w + recentring (w* - w)``, cut to the largest trade, and to what the vault lets one rebalance lose."""
    largest = min(limits.max_trade, affordable_trade(position))
    return _within_trade_limit(position, position.target.weights, limits.recentring, largest)


def affordable_trade(position: Position) -> float:
    """NAVs that can be traded before the assumed cost is more than the vault lets one rebalance lose."""
    cost_bps = position.policy.decision.trade_cost_bps
    return position.snapshot.vault.policy.max_loss_bps / cost_bps if cost_bps else math.inf


def ripcord(position: Position) -> Move:
    """All weights lowered alike until the health factor is at its safe level.

    An asset whose price is DEAD stays as it is. The health factor is the lending market's own, after losing
    the whole emergency slippage on what is sold. What the assets cannot reach is left: the goal is as low as
    it gets.
    """
    limits = position.policy.decision.at(Urgency.EMERGENCY)
    kept = _kept_share(position, limits.max_slippage_bps / BPS)
    sellable = _sellable(position)
    lowered = tuple(
        weight * kept if symbol in sellable else weight
        for symbol, weight in zip(position.model.symbols, position.current.weights, strict=True)
    )
    return _within_trade_limit(position, lowered, 1.0, limits.max_trade)


def remaining(position: Position, goal: Goal) -> float:
    """Sum of absolute weight changes between the goal and the target."""
    return math.fsum(abs(t - g) for t, g in zip(position.target.weights, goal.weights, strict=True))


def _within_trade_limit(
    position: Position, aim: Sequence[float], recentring: float, max_trade: float
) -> Move:
    now = position.current.weights
    moves = [recentring * (to - at) for to, at in zip(aim, now, strict=True)]
    size = math.fsum(abs(move) for move in moves)
    cut_short = size > max_trade
    scale = max_trade / size if cut_short else 1.0
    weights = tuple(max(0.0, at + scale * move) for at, move in zip(now, moves, strict=True))
    return Move(Goal(position.model.symbols, weights, math.fsum(weights)), cut_short=cut_short)


def _sellable(position: Position) -> frozenset[str]:
    return frozenset(feed.symbol for feed in position.snapshot.feeds[1:] if feed.trust is not Trust.DEAD)


def _kept_share(position: Position, slippage: float) -> float:
    """Share ``g`` of every sellable asset to keep, in [0, 1].

    With collateral V and threshold-weighted collateral K at the lending oracle's prices, split into what can
    be sold (1) and what cannot (0), and debt D: ``K0 + g K1 = h (D - (1 - slippage) (1 - g) V1)``.
    """
    snapshot, sellable = position.snapshot, _sellable(position)
    fixed_k = sold_v = sold_k = 0.0
    for token, reserve, holding in zip(
        snapshot.tokens[1:], snapshot.reserves[1:], snapshot.holdings[1:], strict=True
    ):
        value = usd(holding.supplied, token.decimals, reserve.market_price)
        threshold = value * reserve.liquidation_threshold_bps / BPS
        if token.symbol in sellable:
            sold_v, sold_k = sold_v + value, sold_k + threshold
        else:
            fixed_k += threshold
    debt = snapshot.account.debt_base / 10**8
    total_k = fixed_k + sold_k
    if total_k > 0.0 and snapshot.account.health_factor != UINT256_MAX:
        # The account's own health factor knows of eMode and other collateral.
        scale = snapshot.account.health_factor / WAD * debt / total_k
        fixed_k, sold_k = scale * fixed_k, scale * sold_k
    safe = position.policy.decision.safe_health_factor
    proceeds = (1.0 - slippage) * sold_v
    slope = safe * proceeds - sold_k
    if slope <= 0.0:
        return 0.0
    return min(1.0, max(0.0, (fixed_k - safe * (debt - proceeds)) / slope))
