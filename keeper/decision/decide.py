"""Whether to trade, how urgently and how far, with the number and limit of every gate."""

from __future__ import annotations

import math

from keeper.decision import measures
from keeper.decision.deleverage import emergency_move, target_health_factor
from keeper.decision.gates import DELEVERAGE_REQUEST, holds_back, judged_limits, judged_triggers
from keeper.decision.move import planned_move, remaining
from keeper.decision.position import VaultPosition, take_position
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.errors import Refused, Untrusted
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.sizing.tighten import Tightened

BY_PRESSURE = (Urgency.ROUTINE, Urgency.OUT_OF_BAND, Urgency.EMERGENCY)
"""The most pressing last."""

Gates = tuple[Gate, ...]


def decide(
    observation: Observation,
    model: RiskModel,
    target: TargetPortfolio,
    *,
    policy: Policy,
    tightened: tuple[Tightened, ...],
) -> Decision:
    """HOLD, REBALANCE, ITERATE or RIPCORD. ``policy`` is the tightened one, ``tightened`` lists what was looser.

    The most pressing trigger that fired sets the urgency, the urgency sets the limits. Raises InvalidSetting when
    plan.gas_usd_price_symbol is not a token of the vault or decision.rebalance_to is unknown; InvalidCovariance and
    SolverFailed where an aim cannot be computed.
    """
    position = take_position(observation, model, target, policy=policy, tightened=tightened)
    triggers = judged_triggers(position)
    fired = [gate for gate in triggers if gate.passed]
    urgency = max((gate.urgency for gate in fired), key=BY_PRESSURE.index, default=Urgency.ROUTINE)
    if urgency is Urgency.EMERGENCY:
        move = emergency_move(position)
    else:
        move = planned_move(position, policy.decision.at(urgency))
    trade = consider(position, move, urgency)
    limits = judged_limits(trade)
    gates = triggers + limits
    stopping = [gate for gate in limits if holds_back(gate, trade)]

    if not fired:
        return _nothing_to_do(trade, gates, stopping)
    cause = next(gate for gate in fired if gate.urgency is urgency)
    if stopping:
        return _hold(
            trade, gates, f"{cause.detail}, but {stopping[0].detail}", exit_code=stopping[0].exit_code
        )
    if urgency is Urgency.EMERGENCY:
        return _ripcord(trade, gates, cause)
    return _rebalance(trade, gates, cause)


def _nothing_to_do(trade: TradeContext, gates: Gates, stopping: list[Gate]) -> Decision:
    if trade.position.observation.deleverage_request is not None:
        request = next(gate for gate in gates if gate.name == DELEVERAGE_REQUEST)
        return _hold(trade, gates, request.detail, exit_code=0)
    # On data that is not trusted, nobody knows that there is nothing to do.
    untrusted = [gate for gate in stopping if gate.exit_code == Untrusted.exit_code]
    if untrusted:
        why = f"{untrusted[0].detail}; by this data no trade is needed"
        return _hold(trade, gates, why, exit_code=Untrusted.exit_code)
    return _hold(trade, gates, _within_bands(trade.position), exit_code=0)


def _within_bands(position: VaultPosition) -> str:
    decision, current, target = position.policy.decision, position.current, position.target
    facts = []
    if "risk_share" in decision.triggers:
        gap, place = measures.widest_gap(current.risk_shares, target.risk_shares)
        facts.append(
            f"every asset's risk share is within {100 * decision.risk_share_band:.1f} pp of its target share "
            f"(worst: {position.model.symbols[place]} {100 * gap:.1f} pp)"
        )
    if "tracking_error" in decision.triggers:
        facts.append(
            f"tracking error against the target is {position.tracking_error:.2%} a year, "
            f"band {decision.tracking_error_band:.2%}"
        )
    facts.append(f"volatility is {current.volatility:.1%} against {target.volatility:.1%}")
    facts.append(f"leverage {position.held.leverage:.3f} against {target.leverage:.3f}")
    return ", ".join(facts)


def _ripcord(trade: TradeContext, gates: Gates, cause: Gate) -> Decision:
    position, before, after = trade.position, trade.position.held.leverage, trade.goal.leverage
    if position.held.nav_usd <= 0.0:
        why = f"{cause.detail}, but the vault owes more than it holds"
        return _hold(trade, gates, why, exit_code=Refused.exit_code)
    if after >= before:
        why = f"{cause.detail}, but nothing can be sold to raise it"
        return _hold(trade, gates, why, exit_code=Untrusted.exit_code)
    target = target_health_factor(position)
    towards = "all debt repaid" if math.isinf(target) else f"health factor {target:.2f}"
    part = " in part, as far as one trade may go" if trade.move.cut_short else ""
    why = f"{cause.detail}: leverage from {before:.3f} to {after:.3f}, towards {towards}{part}"
    return _decision(Action.RIPCORD, trade, gates, why=why)


def _rebalance(trade: TradeContext, gates: Gates, cause: Gate) -> Decision:
    before, after = trade.position.held.leverage, trade.goal.leverage
    why = f"{cause.detail}: leverage from {before:.3f} to {after:.3f}"
    if not trade.move.cut_short:
        return _decision(Action.REBALANCE, trade, gates, why=why)
    later = measures.turnover(trade.goal.weights, trade.move.aim)
    return _decision(
        Action.ITERATE, trade, gates, why=f"{why}, {later:.3f} NAVs of trading left for later cycles"
    )


def _hold(trade: TradeContext, gates: Gates, why: str, *, exit_code: int) -> Decision:
    return _decision(Action.HOLD, trade, gates, why=why, exit_code=exit_code)


def _decision(action: Action, trade: TradeContext, gates: Gates, *, why: str, exit_code: int = 0) -> Decision:
    return Decision(
        action=action,
        urgency=trade.urgency,
        reason=f"{action.value}: {why}.",
        gates=gates,
        current=trade.position.current,
        goal=None if action is Action.HOLD else trade.goal,
        benefit_usd=trade.benefit_usd,
        expected_cost_usd=trade.cost_usd,
        remaining=remaining(trade.position, trade.goal),
        exit_code=exit_code,
        pool_costs=trade.pool_costs,
    )
