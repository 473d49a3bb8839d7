"""The selling half of a trade whose buying half a levering gate holds back."""

from __future__ import annotations

from dataclasses import replace

from keeper.decision.deleverage import lowered_weights
from keeper.decision.exits import sellable
from keeper.decision.move import Move, limited_move, sale_costs_bps
from keeper.decision.position import VaultPosition
from keeper.domain.policy import UrgencyLimits
from keeper.domain.urgency import Urgency
from keeper.oracle.vault_rules import call_limits, rebalance_refusal


def selling_half(position: VaultPosition, move: Move, limits: UrgencyLimits) -> Move:
    """Each weight is the lower of now and the whole move's aim, and the proceeds repay debt. Below the alert level all
    weights are lowered to the safe level instead, as in an emergency.

    An asset that may not be sold at its price keeps its weight. Sales at prices that are not trusted count at the most
    careful source. The vault's limit on losses is that of the call that takes them."""
    if position.held.health_factor < position.alert_level:
        aim = lowered_weights(position, limits.urgency)
    else:
        aim = _lower_of_both(position, move, limits)
    sold = [
        symbol
        for symbol, now, goal in zip(position.model.symbols, position.current.weights, aim, strict=True)
        if goal < now
    ]
    half = limited_move(
        position,
        aim,
        limits.max_trade,
        costs_bps=sale_costs_bps(position, aim),
        call_limits=call_limits(position.snapshot, lowering=bool(rebalance_refusal(position.snapshot, sold))),
    )
    return replace(half, sells_only=True)


def sells(position: VaultPosition, half: Move) -> bool:
    """Whether the selling half sells anything."""
    return any(goal < now for goal, now in zip(half.goal.weights, position.current.weights, strict=True))


def why_nothing_is_sold(position: VaultPosition, move: Move, urgency: Urgency) -> str:
    """The assets that the whole move sells, and why none of them may be sold. Empty where it sells none."""
    feeds = {feed.symbol: feed for feed in position.snapshot.feeds}
    kept = [
        f"{symbol} may not be sold, because its price is {feeds[symbol].trust.value}"
        for symbol, now, aim in zip(position.model.symbols, position.current.weights, move.aim, strict=True)
        if aim < now and symbol not in sellable(position, urgency)
    ]
    return "; ".join(kept)


def _lower_of_both(position: VaultPosition, move: Move, limits: UrgencyLimits) -> tuple[float, ...]:
    may_go = sellable(position, limits.urgency)
    return tuple(
        min(now, aim) if symbol in may_go else now
        for symbol, now, aim in zip(position.model.symbols, position.current.weights, move.aim, strict=True)
    )
