"""The selling half of a trade whose buying half a levering gate holds back."""

from __future__ import annotations

import math
from dataclasses import replace

from keeper.decision.deleverage import largest_loss, lowered_weights
from keeper.decision.exits import is_below_rate, sellable
from keeper.decision.move import Move, limited_move, sale_costs_bps
from keeper.decision.position import VaultPosition
from keeper.decision.triggers import line_waits_too_long
from keeper.domain.policy import UrgencyLimits
from keeper.domain.urgency import Urgency
from keeper.domain.vault_quotes import is_tradable
from keeper.oracle.vault_rules import call_limits, rebalance_refusal
from keeper.sizing.redemptions import missing_usd


def selling_half(position: VaultPosition, move: Move, limits: UrgencyLimits) -> Move:
    """Each weight is the lower of now and the whole move's aim, and the proceeds repay debt. Redemptions that wait too
    long lower them further, because nothing is borrowed for those. Below the alert level all weights are lowered to the
    safe level instead, as in an emergency.

    An asset that may not be sold at its price keeps its weight. Sales at prices that are not trusted count at the most
    careful source. The vault's limit on losses is that of the call that takes them."""
    if position.held.health_factor < position.alert_level:
        aim = lowered_weights(position, limits.urgency)
    else:
        aim = _raising_redemptions(position, _lower_of_both(position, move, limits), limits)
    sold = _sold(position, aim)
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
        + (f" by the rule {feeds[symbol].rule}" if is_below_rate(feeds[symbol]) else "")
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


def _sold(position: VaultPosition, aim: tuple[float, ...]) -> tuple[str, ...]:
    pairs = zip(position.model.symbols, position.current.weights, aim, strict=True)
    return tuple(symbol for symbol, now, goal in pairs if goal < now)


def _raising_redemptions(
    position: VaultPosition, aim: tuple[float, ...], limits: UrgencyLimits
) -> tuple[float, ...]:
    """``aim``, and where the line waits too long, all of it lowered alike until the sales certainly raise what the line
    lacks.

    Only through the vault's ``rebalance``: a deleverage repays debt with what it sells. The debt takes of the proceeds
    what keeps the policy's health factor ``h``. With weights ``w`` now, debt D, thresholds LT and the share ``g`` of
    the aim ``a`` to keep, in NAVs: ``sum (w - g a) (1 - lost) - max(0, D - g sum a LT / h) = lacking``.
    """
    snapshot, held = position.snapshot, position.held
    lacking = missing_usd(snapshot)
    if lacking <= position.policy.plan.dust_usd or not line_waits_too_long(position) or held.nav_usd <= 0.0:
        return aim
    assets = frozenset(
        symbol
        for symbol in sellable(position, limits.urgency)
        if is_tradable(snapshot, symbol, lowering=False)
    )
    if rebalance_refusal(snapshot, (*assets, *_sold(position, aim))):
        return aim
    floor = position.policy.size.min_health_factor
    rows = list(
        zip(
            position.model.symbols,
            position.current.weights,
            aim,
            position.liquidation_thresholds,
            strict=True,
        )
    )
    returned = 1.0 - largest_loss(position, assets, limits.urgency)
    kept = returned * math.fsum(goal for symbol, _, goal, _ in rows if symbol in assets)
    carried = math.fsum(goal * threshold for symbol, _, goal, threshold in rows if symbol in assets) / floor
    fixed = math.fsum(goal * threshold for symbol, _, goal, threshold in rows if symbol not in assets) / floor
    whole = returned * math.fsum(now for symbol, now, _, _ in rows if symbol in assets)
    raised = whole - lacking / held.nav_usd
    after_debt = raised - held.debt_usd / held.nav_usd + fixed
    bounds = [
        cash / weight for cash, weight in ((raised, kept), (after_debt, kept - carried)) if weight > 0.0
    ]
    share = max(0.0, min((1.0, *bounds)))
    return tuple(share * goal if symbol in assets else goal for symbol, _, goal, _ in rows)
