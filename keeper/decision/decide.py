"""Whether to trade, how urgently and how far, with the number and limit of every gate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keeper.decision import goals, measures
from keeper.decision.gates import ORDERED, holds_back, judged_limits, judged_triggers
from keeper.decision.trade_context import Position, TradeContext, consider, take_position
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.errors import Refused, Untrusted
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.pause_state import DeleverageRequest, PauseState
from keeper.domain.policy import Policy
from keeper.domain.tx import InFlight
from keeper.domain.urgency import Urgency
from keeper.sizing.tighten import Tightened

PRESSING = (Urgency.ROUTINE, Urgency.OUT_OF_BAND, Urgency.EMERGENCY)


def decide(
    snapshot: MarketSnapshot,
    model: RiskModel,
    target: TargetPortfolio,
    in_flight: InFlight | None,
    policy: Policy,
    tightened: tuple[Tightened, ...],
    pause_state: PauseState | None = None,
    deleverage_request: DeleverageRequest | None = None,
    read_at: float | None = None,
    learned: Sequence[LearnedCost] = (),
) -> Decision:
    """HOLD, REBALANCE, ITERATE or RIPCORD. ``policy`` is the tightened one; ``tightened`` says what was
    looser; ``learned`` what earlier trades cost.

    The most pressing trigger that fired sets the urgency, the urgency sets the limits. Raises InvalidSetting
    when plan.gas_usd_price_symbol is not a token of the vault or decision.rebalance_to no known aim;
    InvalidCovariance and SolverFailed where an aim cannot be computed.
    """
    position = take_position(snapshot, model, target, policy, deleverage_request, learned)
    triggers = judged_triggers(position)
    fired = [gate for gate in triggers if gate.passed]
    urgency = max((gate.urgency for gate in fired), key=PRESSING.index, default=Urgency.ROUTINE)

    if urgency is Urgency.EMERGENCY:
        move = goals.ripcord(position)
    else:
        move = goals.planned(position, policy.decision.at(urgency))
    situation = consider(position, move.goal, urgency, in_flight, tightened, move.aim, pause_state, read_at)
    limits = judged_limits(situation)
    gates = triggers + limits
    held_back = [gate for gate in limits if holds_back(gate, situation)]

    if not fired:
        return _nothing_to_do(position, situation, gates, held_back)
    cause = next(gate for gate in fired if gate.urgency is urgency)
    if held_back:
        return _held(situation, gates, f"{cause.detail}, but {held_back[0].detail}", held_back[0].exit_code)
    if urgency is Urgency.EMERGENCY:
        return _ripcord(situation, gates, cause, move)
    return _rebalance(situation, gates, cause, move)


def _nothing_to_do(
    position: Position, situation: TradeContext, gates: tuple[Gate, ...], held_back: list[Gate]
) -> Decision:
    if position.deleverage_request is not None:
        ordered = next(gate for gate in gates if gate.name == ORDERED)
        return _held(situation, gates, ordered.detail, 0)
    # On data that is not trusted, "nothing to do" is not known either.
    untrusted = [gate for gate in held_back if gate.exit_code == Untrusted.exit_code]
    if untrusted:
        return _held(
            situation,
            gates,
            f"{untrusted[0].detail}; what it shows asks for no trade",
            untrusted[0].exit_code,
        )
    return _held(situation, gates, _within_bands(position), 0)


def _within_bands(position: Position) -> str:
    decision, current, target = position.policy.decision, position.current, position.target
    said = []
    if "risk_share" in decision.triggers:
        gap, place = measures.widest_gap(current.risk_shares, target.risk_shares)
        said.append(
            f"every asset's risk share is within {100 * decision.risk_share_band:.1f} pp of its target share "
            f"(worst: {position.model.symbols[place]} {100 * gap:.1f} pp)"
        )
    if "tracking_error" in decision.triggers:
        said.append(
            f"tracking error against the target is {position.tracking_error:.2%} a year, "
            f"band {decision.tracking_error_band:.2%}"
        )
    said.append(f"volatility is {current.volatility:.1%} against {target.volatility:.1%}")
    said.append(f"leverage {position.held.leverage:.3f} against {target.leverage:.3f}")
    return ", ".join(said)


def _held(situation: TradeContext, gates: tuple[Gate, ...], why: str, exit_code: int) -> Decision:
    return Decision(
        action=Action.HOLD,
        urgency=situation.urgency,
        reason=f"HOLD: {why}.",
        gates=gates,
        current=situation.position.current,
        goal=None,
        benefit_usd=situation.benefit_usd,
        expected_cost_usd=situation.cost_usd,
        remaining=goals.remaining(situation.position, situation.goal),
        exit_code=exit_code,
        pool_costs=situation.pool_costs,
    )


def _ripcord(situation: TradeContext, gates: tuple[Gate, ...], cause: Gate, move: goals.Move) -> Decision:
    now, then = situation.position.held.leverage, situation.goal.leverage
    if situation.position.held.nav_usd <= 0.0:
        return _held(
            situation, gates, f"{cause.detail}, but the vault owes more than it holds", Refused.exit_code
        )
    if then >= now:
        return _held(
            situation, gates, f"{cause.detail}, but nothing can be sold to raise it", Untrusted.exit_code
        )
    safe = goals.wanted_health_factor(situation.position)
    towards = "all debt repaid" if math.isinf(safe) else f"health factor {safe:.2f}"
    part = " in part, as far as one trade may go" if move.cut_short else ""
    why = f"{cause.detail}: leverage from {now:.3f} to {then:.3f}, towards {towards}{part}"
    return _traded(Action.RIPCORD, situation, gates, why)


def _rebalance(situation: TradeContext, gates: tuple[Gate, ...], cause: Gate, move: goals.Move) -> Decision:
    now, then = situation.position.held.leverage, situation.goal.leverage
    why = f"{cause.detail}: leverage from {now:.3f} to {then:.3f}"
    if not move.cut_short:
        return _traded(Action.REBALANCE, situation, gates, why)
    left = measures.turnover(situation.goal.weights, situation.aim)
    return _traded(
        Action.ITERATE, situation, gates, f"{why}, {left:.3f} NAVs of trading left for later cycles"
    )


def _traded(action: Action, situation: TradeContext, gates: tuple[Gate, ...], why: str) -> Decision:
    return Decision(
        action=action,
        urgency=situation.urgency,
        reason=f"{action.value}: {why}.",
        gates=gates,
        current=situation.position.current,
        goal=situation.goal,
        benefit_usd=situation.benefit_usd,
        expected_cost_usd=situation.cost_usd,
        remaining=goals.remaining(situation.position, situation.goal),
        exit_code=0,
        pool_costs=situation.pool_costs,
    )
