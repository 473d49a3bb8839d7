"""What holds the keeper back beside the market: pauses, and what the last 24 hours used up. One function per limit.

Only asked where there is a ``PauseState``: the backtest, and records from before there was one, have none.
"""

from __future__ import annotations

from keeper.decision.gate_result import GateResult
from keeper.decision.trade_context import TradeContext
from keeper.domain.pause_state import DailyUsage, Pause, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency

STOPPED = "levering and routine rebalancing"
STILL_RUNS = "RIPCORD and `keeper deleverage`"


def forbids(pause_state: PauseState, urgency: Urgency) -> str | None:
    """Why nothing of this urgency may be sent now; None where it may. An EMERGENCY always may."""
    if urgency is Urgency.EMERGENCY or not pause_state.pauses:
        return None
    return describe(pause_state.pauses[0])


def describe(pause: Pause) -> str:
    """One sentence's worth: who paused, and why."""
    return f"paused by {pause.cause} ({pause.by.value.lower()}): {pause.reason or 'no reason given'}"


def overdrawn(spent: DailyUsage, daily: DailyPolicy) -> tuple[str, str] | None:
    """Cause and reason of a pause that the keeper orders itself: losses and failures mean that something is wrong."""
    if spent.loss > daily.max_loss:
        return "day_loss", f"{spent.loss:.2%} of NAV lost in 24 hours, at most {daily.max_loss:.2%}"
    if spent.failures >= daily.max_failures:
        return (
            "day_failures",
            f"{spent.failures} calls reverted in 24 hours, at most {daily.max_failures - 1}",
        )
    return None


def not_paused(situation: TradeContext) -> GateResult:
    pauses = _standing(situation).pauses
    if not pauses:
        return GateResult(0, 0, passed=True, detail="nobody paused the keeper")
    return GateResult(len(pauses), 0, passed=False, detail=f"{describe(pauses[0])}; `keeper resume` lifts it")


def day_loss(situation: TradeContext) -> GateResult:
    used, limit = _standing(situation).spent.loss, situation.position.policy.daily.max_loss
    detail = f"{used:.3%} of NAV lost by trades in 24 hours, at most {limit:.3%}"
    return GateResult(used, limit, used <= limit, detail)


def day_failures(situation: TradeContext) -> GateResult:
    used, limit = _standing(situation).spent.failures, situation.position.policy.daily.max_failures
    return GateResult(used, limit, used < limit, f"{used} calls reverted in 24 hours, halts at {limit}")


def day_turnover(situation: TradeContext) -> GateResult:
    spent, limit = _standing(situation).spent.turnover, situation.position.policy.daily.max_turnover
    used = spent + situation.turnover
    detail = f"{spent:.3f} NAVs traded in 24 hours, {situation.turnover:.3f} now, limit {limit:.3f}"
    return GateResult(used, limit, used <= limit, detail)


def day_gas(situation: TradeContext) -> GateResult:
    """This trade's gas counts at the price of the next block; what it may cost at most, ``gas_price`` limits."""
    spent, limit = _standing(situation).spent.gas_wei, situation.position.policy.daily.max_gas_wei
    used = spent + situation.gas_cost_wei
    now = situation.gas_cost_wei / WAD
    detail = f"{spent / WAD:.4f} ETH paid for gas in 24 hours, {now:.4f} now, limit {limit / WAD:.4f}"
    return GateResult(used / WAD, limit / WAD, used <= limit, detail)


def _standing(situation: TradeContext) -> PauseState:
    assert situation.pause_state is not None, "these limits are only asked where there is a standing"
    return situation.pause_state
