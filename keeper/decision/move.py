"""How far a planned trade goes this cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.aims import aim_named, interpolated
from keeper.decision.overshoot import worst_overshoot
from keeper.decision.position import VaultPosition
from keeper.domain.decision import Goal
from keeper.domain.policy import UrgencyLimits
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Move:
    """``goal`` is where this cycle's trade ends. ``aim`` is where it would end without limits on its size, and
    ``cut_short`` says whether such a limit ended it earlier. ``sells_only``: it is the selling half of a trade whose
    buying half was held back."""

    goal: Goal
    aim: tuple[float, ...]
    cut_short: bool
    sells_only: bool = False


def planned_move(position: VaultPosition, limits: UrgencyLimits) -> Move:
    """The part ``recentring`` of the distance to the aim of ``decision.rebalance_to``, within the target's bounds.

    The aim is the target itself where that would overshoot a band, not lead nearer to the target, or be a trade out of
    band that is smaller than ``min_trade_usd``. No trigger fires at the target, so no later trade can be its opposite,
    and a drift out of band cannot last because each part of the correction is too small. Raises InvalidSetting,
    InvalidCovariance, SolverFailed.
    """
    target = position.target.weights
    intended = aim_named(position.policy.decision.rebalance_to)(position, limits.urgency)
    recentred = interpolated(position.current.weights, intended, limits.recentring)
    aim = within_bounds(position, recentred)
    if aim != target and (
        worst_overshoot(position, aim).of_band > 1.0
        or _leads_away(position, recentred, aim)
        or (limits.urgency is Urgency.OUT_OF_BAND and _is_below_minimum(position, aim))
    ):
        aim = target
    return limited_move(
        position,
        aim,
        limits.max_trade,
        costs_bps=cautious_costs_bps(position, aim),
        max_loss_bps=position.snapshot.vault.policy.max_loss_bps,
    )


def within_bounds(position: VaultPosition, aim: tuple[float, ...]) -> tuple[float, ...]:
    """Caps each weight, then lowers all weights alike until the target's bounds on leverage and the floors of the
    health factor hold. No trade may end above what bounds the target."""
    target, size = position.target, position.policy.size
    vault = position.snapshot.vault.policy
    if aim == target.weights:
        return aim
    caps = {asset.symbol: asset.max_weight for asset in position.policy.assets}
    capped = tuple(min(weight, caps[symbol]) for symbol, weight in zip(target.symbols, aim, strict=True))
    limits = (bound.leverage for bound in target.bounds if bound.name != "target_volatility")
    share = measures.share_within_bounds(
        capped,
        (1.0 - position.queued) * min(limits, default=math.inf),
        position.liquidation_thresholds,
        floors=(size.min_health_factor, vault.min_health_factor / WAD),
        buffers=(position.cash, position.cash + vault.max_loss_bps / BPS),
    )
    return capped if share == 1.0 else tuple(share * weight for weight in capped)


def limited_move(
    position: VaultPosition,
    aim: tuple[float, ...],
    max_trade: float,
    *,
    costs_bps: Sequence[float],
    max_loss_bps: float,
) -> Move:
    """The move to ``aim``, cut to ``max_trade`` NAVs of turnover and a loss of ``max_loss_bps`` of NAV at these costs
    of each asset's trade."""
    current = position.current.weights
    part = measures.allowed_part(current, aim, costs_bps, max_trade=max_trade, max_loss_bps=max_loss_bps)
    weights = interpolated(current, aim, part)
    return Move(Goal(position.model.symbols, weights, math.fsum(weights)), aim, cut_short=part < 1.0)


def cautious_costs_bps(position: VaultPosition, aim: tuple[float, ...]) -> tuple[float, ...]:
    """The vault reverts a rebalance that loses more than its limit, which wastes a cycle. So the higher of both
    estimates of each asset's cost counts."""
    return tuple(
        max(bps, cost.cautious_bps) for bps, cost in zip(position.costs_bps(aim), position.costs, strict=True)
    )


def remaining(position: VaultPosition, goal: Goal) -> float:
    """Sum of absolute weight changes between the goal and the target."""
    return math.fsum(
        abs(target - weight) for target, weight in zip(position.target.weights, goal.weights, strict=True)
    )


def _is_below_minimum(position: VaultPosition, aim: tuple[float, ...]) -> bool:
    size_usd = measures.turnover(position.current.weights, aim) * position.held.nav_usd
    return size_usd < position.policy.decision.min_trade_usd


def _leads_away(position: VaultPosition, recentred: tuple[float, ...], aim: tuple[float, ...]) -> bool:
    """Whether keeping the bounds turned the move into one that does not lead nearer to the target."""
    if aim == recentred:
        return False
    distance = measures.tracking_error(aim, position.target.weights, position.model.covariance)
    return distance >= position.tracking_error
