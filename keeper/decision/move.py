"""How far a planned trade goes this cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.aims import aim_named, interpolated
from keeper.decision.cost_curve import pools_passed
from keeper.decision.exits import exit_losses_bps
from keeper.decision.overshoot import worst_overshoot
from keeper.decision.position import VaultPosition
from keeper.domain.decision import Goal
from keeper.domain.market import Vault
from keeper.domain.policy import UrgencyLimits
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.oracle import vault_rules
from keeper.oracle.vault_rules import CallLimits

TURNOVER_PART = 0.9
"""Of what may be sold: a plan may take further pools than a decision can know of."""
SAME = 1e-9
"""Relative difference of two sizes that are the same but for rounding."""


@dataclass(frozen=True, slots=True)
class Move:
    """``goal`` is where this cycle's trade ends. ``aim`` is where it would end without limits on its size, and
    ``cut_short_by`` says in words which of them ended it earlier, empty if none did. ``sells_only``: it is the selling
    half of a trade whose buying half was held back."""

    goal: Goal
    aim: tuple[float, ...]
    cut_short_by: str
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
        call_limits=vault_rules.call_limits(position.snapshot, lowering=False),
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
        floors=(size.min_health_factor, vault.min_health / WAD),
        buffers=(position.cash, position.cash + vault.max_loss_bps / BPS),
    )
    return capped if share == 1.0 else tuple(share * weight for weight in capped)


def limited_move(
    position: VaultPosition,
    aim: tuple[float, ...],
    max_trade: float,
    *,
    costs_bps: Sequence[float],
    call_limits: CallLimits,
) -> Move:
    """The move to ``aim``, cut to ``max_trade`` NAVs of turnover and to what the vault lets its call sell and lose, at
    these costs of each asset's trade. The vault counts the feeds' lag as lost, and as sold what enters every pool."""
    snapshot, current = position.snapshot, position.current.weights
    lags = (vault_rules.lag_bps(snapshot, symbol) for symbol in position.model.symbols)
    may_sell = call_limits.turnover * TURNOVER_PART / _pools_passed(position, aim)
    part = measures.allowed_part(
        current,
        aim,
        tuple(cost + lag for cost, lag in zip(costs_bps, lags, strict=True)),
        max_trade=min(max_trade, may_sell),
        max_loss_bps=call_limits.loss * BPS,
        cash_cost_bps=cash_cost_bps(position),
    )
    weights = interpolated(current, aim, part)
    cut_short_by = ""
    if part < 1.0:
        by_size = part * measures.turnover(current, aim) >= min(max_trade, may_sell) * (1.0 - SAME)
        if not by_size:
            cut_short_by = _loss_in_words(snapshot.vault)
        elif max_trade <= may_sell:
            cut_short_by = f"max_trade allows {max_trade:g} NAVs in one trade"
        else:
            cut_short_by = _turnover_in_words(snapshot.vault)
    return Move(Goal(position.model.symbols, weights, math.fsum(weights)), aim, cut_short_by)


def _loss_in_words(vault: Vault) -> str:
    """The vault's tighter limit on the loss of the next call."""
    call, day = vault.policy.max_loss_bps / BPS, vault.policy.daily_loss_bps / BPS
    counted = "the feeds' lag counted as lost"
    if call <= day - vault.used_daily_loss:
        return f"the vault lets one call lose {call:.2%} of NAV, {counted}"
    return f"the vault lets 24 hours lose {day:.2%} of NAV, {counted}, and {vault.used_daily_loss:.2%} of it is used"


def _turnover_in_words(vault: Vault) -> str:
    day = vault.policy.daily_turnover_bps / BPS
    used = vault.used_daily_turnover
    return f"the vault lets 24 hours sell {day:.2f} NAVs, every pool on the way counted, and {used:.2f} of it is used"


def _pools_passed(position: VaultPosition, aim: tuple[float, ...]) -> float:
    """Pools that the average dollar of the move passes through. What is sold and bought alike passes through two at
    most, from asset to asset, and is counted twice as turnover already. The rest is traded against the accounting
    asset, at the tightest slippage."""
    slippage_bps = position.policy.decision.at(Urgency.ROUTINE).max_slippage_bps
    nav = position.held.nav_usd
    changes = [goal - now for goal, now in zip(aim, position.current.weights, strict=True)]
    whole, net = math.fsum(abs(change) for change in changes), math.fsum(changes)
    if whole <= 0.0:
        return 1.0
    unmatched = {
        symbol: abs(change)
        for symbol, change in zip(position.model.symbols, changes, strict=True)
        if change * net > 0.0
    }
    passed = math.fsum(
        size * pools_passed(position.snapshot, symbol, size * nav, slippage_bps=slippage_bps)
        for symbol, size in unmatched.items()
    )
    rest = passed / math.fsum(unmatched.values()) * abs(net) if unmatched else 0.0
    return (whole - abs(net) + rest) / whole


def cash_cost_bps(position: VaultPosition) -> float:
    """What the vault counts as lost on the cash of a trade, and the premium of a flash loan for it."""
    snapshot = position.snapshot
    return vault_rules.lag_bps(snapshot, snapshot.debt_token.symbol) + flash_lender(snapshot).premium_bps


def cautious_costs_bps(position: VaultPosition, aim: tuple[float, ...]) -> tuple[float, ...]:
    """The vault reverts a rebalance that loses more than its limit, which wastes a cycle. So the higher of both
    estimates of each asset's cost counts."""
    return tuple(
        max(bps, cost.cautious_bps) for bps, cost in zip(position.costs_bps(aim), position.costs, strict=True)
    )


def sale_costs_bps(position: VaultPosition, aim: tuple[float, ...]) -> tuple[float, ...]:
    """Of sales at prices that may not be trusted: also what the most careful source is below the vault's price."""
    pairs = zip(cautious_costs_bps(position, aim), exit_losses_bps(position), strict=True)
    return tuple(cost + loss for cost, loss in pairs)


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
