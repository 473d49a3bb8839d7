"""Pauses, and limits on what the last 24 hours used up. One function per limit.

They are judged only with a ``PauseState``. A backtest has none.
"""

from __future__ import annotations

from keeper.decision.gate_result import GateResult
from keeper.decision.trade_context import TradeContext
from keeper.domain.observation import Observation
from keeper.domain.pause_causes import DAY_FAILURES, DAY_LOSS
from keeper.domain.pause_state import DailyUsage, Pause, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency


def forbids(pause_state: PauseState, urgency: Urgency) -> str | None:
    """Why nothing of this urgency may be sent now, or None where it may. An EMERGENCY may always be sent."""
    if urgency is Urgency.EMERGENCY or not pause_state.pauses:
        return None
    return describe(pause_state.pauses[0])


def describe(pause: Pause) -> str:
    """Who paused, and why."""
    return f"paused by {pause.cause} ({pause.by.value.lower()}): {pause.reason or 'no reason given'}"


def overdrawn(spent: DailyUsage, daily: DailyPolicy) -> tuple[str, str] | None:
    """Cause and reason of a pause that the keeper orders itself, or None. Too many losses or failures mean that
    something is wrong."""
    if spent.loss > daily.max_loss:
        return DAY_LOSS, f"{spent.loss:.2%} of NAV lost in 24 hours, at most {daily.max_loss:.2%}"
    if spent.failures >= daily.max_failures:
        return (
            DAY_FAILURES,
            f"{spent.failures} calls reverted in 24 hours, at most {daily.max_failures - 1}",
        )
    return None


def not_paused(trade: TradeContext) -> GateResult:
    pauses = _pause_state(trade).pauses
    if not pauses:
        return GateResult(0, 0, passed=True, detail="nobody paused the keeper")
    return GateResult(len(pauses), 0, passed=False, detail=f"{describe(pauses[0])}; `keeper resume` lifts it")


def day_loss(trade: TradeContext) -> GateResult:
    used, limit = _pause_state(trade).usage.loss, trade.position.policy.daily.max_loss
    detail = f"{used:.3%} of NAV lost by trades in 24 hours, at most {limit:.3%}"
    return GateResult(used, limit, used <= limit, detail=detail)


def day_failures(trade: TradeContext) -> GateResult:
    used, limit = _pause_state(trade).usage.failures, trade.position.policy.daily.max_failures
    detail = f"{used} calls reverted in 24 hours, halts at {limit}"
    return GateResult(used, limit, used < limit, detail=detail)


def day_turnover(trade: TradeContext) -> GateResult:
    spent, limit = _pause_state(trade).usage.turnover, trade.position.policy.daily.max_turnover
    used = spent + trade.turnover
    detail = f"{spent:.3f} NAVs traded in 24 hours, {trade.turnover:.3f} now, limit {limit:.3f}"
    return GateResult(used, limit, used <= limit, detail=detail)


def day_gas(trade: TradeContext) -> GateResult:
    """This trade's gas counts at the next block's base fee. The ``gas_price`` limit caps what it may cost at most."""
    spent, limit = _pause_state(trade).usage.gas_wei, trade.position.policy.daily.max_gas_wei
    used = spent + trade.gas_cost_wei
    detail = (
        f"{spent / WAD:.4f} ETH paid for gas in 24 hours, {trade.gas_cost_wei / WAD:.4f} now, "
        f"limit {limit / WAD:.4f}"
    )
    return GateResult(used / WAD, limit / WAD, used <= limit, detail=detail)


def _pause_state(trade: TradeContext) -> PauseState:
    pause_state = trade.position.observation.pause_state
    assert pause_state is not None, "judged only with a pause state"
    return pause_state


def with_pauses(reason: str, observation: Observation | None) -> str:
    """The reason of a HOLD says that a trade would not have been made either, unless the pause is the reason."""
    if observation is None or observation.pause_state is None or "paused" in reason:
        return reason
    causes = [pause.cause for pause in observation.pause_state.pauses]
    causes += ["the vault itself"] if observation.snapshot.vault.paused else []
    return f"{reason} (paused: {', '.join(causes)})" if causes else reason
