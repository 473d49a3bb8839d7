"""Whether the account that a call can lower is one that needs it. A healthy one is not sold for one that is stuck."""

from __future__ import annotations

from keeper.decision.gate_result import GateResult
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import TradeContext
from keeper.domain.accounts import in_need, to_lower, why_stuck
from keeper.domain.units import health_factor_of
from keeper.domain.urgency import Urgency


def needed_below(position: VaultPosition, urgency: Urgency) -> float:
    """The health factor below which an account is in need: in an emergency the act level or, where a person asked for
    more, the requested one; else the alert level."""
    if urgency is not Urgency.EMERGENCY:
        return position.alert_level
    act, request = position.policy.decision.act_health_factor, position.observation.deleverage_request
    return act if request is None else max(act, request.health_factor)


def reaches_need(position: VaultPosition, urgency: Urgency) -> bool:
    """Always with one account, or where none is in need: what is sold then has another reason."""
    if not position.snapshot.others:
        return True
    level = needed_below(position, urgency)
    return position.held.health_factor >= level or _health_factor(position) < level


def account_in_reach(trade: TradeContext) -> GateResult:
    position = trade.position
    level, lowest = needed_below(position, trade.urgency), in_need(position.snapshot)
    shown = to_lower(position.snapshot)
    detail = f"a call lowers account {shown.venue.place}, health factor {_health_factor(position):.3f}"
    if reaches_need(position, trade.urgency):
        return GateResult(_health_factor(position), level, passed=True, detail=detail)
    detail = (
        f"account {lowest.venue.place} is in need, below {level:.3f}, and nothing lowers it now: "
        f"{why_stuck(position.snapshot, lowest)}; account {shown.venue.place}, which a call could lower, is not in need"
    )
    return GateResult(_health_factor(position), level, passed=False, detail=detail)


def _health_factor(position: VaultPosition) -> float:
    """Of the account that a call lowers."""
    return health_factor_of(to_lower(position.snapshot).account.health_factor)
