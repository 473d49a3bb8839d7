"""Whether to trade, how urgently and how far, with the number and limit of every gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.data_limits import MARKETS_OPEN
from keeper.decision.deleverage import emergency_move, target_health_factor
from keeper.decision.gate_rules import LEVERING
from keeper.decision.gates import (
    CHEAPER_ACCOUNTS,
    DELEVERAGE_REQUEST,
    holds_back,
    judged_limits,
    judged_triggers,
)
from keeper.decision.move import planned_move, remaining
from keeper.decision.placing import with_placing
from keeper.decision.position import VaultPosition, take_position
from keeper.decision.selling_half import selling_half, sells, why_nothing_is_sold
from keeper.decision.trade_context import TradeContext, consider, consider_moves
from keeper.domain.accounts import to_lower
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.errors import Refused, Untrusted
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.placement import Placement, Placing
from keeper.domain.policy import Policy
from keeper.domain.units import health_factor_of
from keeper.domain.urgency import Urgency
from keeper.oracle.vault_rules import repaying_cash
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

    The most pressing trigger that fired sets the urgency, the urgency sets the limits. That of a change of accounts
    sets only its own: it makes no trade of weights more pressing. Raises InvalidSetting when decision.rebalance_to is
    unknown; InvalidCovariance and SolverFailed where an aim cannot be computed.
    """
    position = with_placing(take_position(observation, model, target, policy=policy, tightened=tightened))
    triggers = judged_triggers(position)
    fired = [gate for gate in triggers if gate.passed and gate.name != CHEAPER_ACCOUNTS]
    changes = [gate for gate in triggers if gate.passed and gate.name == CHEAPER_ACCOUNTS]
    urgency = max((gate.urgency for gate in fired), key=BY_PRESSURE.index, default=Urgency.ROUTINE)
    judged = _judged_emergency(position) if urgency is Urgency.EMERGENCY else _judged_plan(position, urgency)
    moves = _judged_moves(position, judged, alone=not fired) if changes else None
    if moves is not None:
        fired, judged = changes, moves
    gates = triggers + judged.limits

    if not fired:
        return _nothing_to_do(judged, gates)
    cause = next(gate for gate in fired if gate.urgency is judged.trade.urgency)
    if judged.stopping:
        codes = (gate.exit_code for gate in (*judged.stopping, *judged.doubts))
        why = f"{cause.detail}, but {judged.why_stopped}"
        return _hold(judged.trade, gates, why, exit_code=next((code for code in codes if code), 0))
    if judged.trade.urgency is Urgency.EMERGENCY:
        return _ripcord(judged.trade, gates, cause)
    return _rebalance(judged, gates, cause)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A trade under every limit. ``doubts`` are the levering gates that fail on the whole trade, ``stopping`` are the
    gates that stop this one, and ``why_stopped`` says why."""

    trade: TradeContext
    limits: Gates
    doubts: Gates
    stopping: Gates
    why_stopped: str


def _judged_emergency(position: VaultPosition) -> _Judged:
    trade = consider(position, emergency_move(position), Urgency.EMERGENCY)
    limits = judged_limits(trade)
    stopping = tuple(gate for gate in limits if holds_back(gate, trade))
    return _Judged(trade, limits, doubts=(), stopping=stopping, why_stopped=_first_detail(stopping))


def _judged_plan(position: VaultPosition, urgency: Urgency) -> _Judged:
    """The whole trade, or its selling half where a levering gate fails."""
    row = position.policy.decision.at(urgency)
    whole = consider(position, planned_move(position, row), urgency)
    limits = judged_limits(whole)
    doubts = tuple(gate for gate in limits if gate.kind == LEVERING and not gate.passed)
    if not doubts:
        stopping = tuple(gate for gate in limits if not gate.passed)
        return _Judged(whole, limits, doubts=(), stopping=stopping, why_stopped=_first_detail(stopping))
    half_move = selling_half(position, whole.move, row)
    if not sells(position, half_move):
        stopping = tuple(gate for gate in limits if not gate.passed)
        kept = why_nothing_is_sold(position, whole.move, urgency)
        why = "; ".join(text for text in (_first_detail(stopping), kept) if text)
        return _Judged(whole, limits, doubts=doubts, stopping=stopping, why_stopped=why)
    half = consider(position, half_move, urgency)
    of_half = judged_limits(half)
    stopping = tuple(gate for gate in of_half if holds_back(gate, half))
    why = f"{doubts[0].detail}, and to sell alone is stopped: {_first_detail(stopping)}"
    # Levering gates are about the whole trade, limits about the half that may be made.
    of_whole = {gate.name: gate for gate in limits}
    shown = tuple(of_whole[gate.name] if gate.kind == LEVERING else gate for gate in of_half)
    return _Judged(half, shown, doubts=doubts, stopping=stopping, why_stopped=why)


def _judged_moves(position: VaultPosition, judged: _Judged, *, alone: bool) -> _Judged | None:
    """A change of accounts alone, where it is the only reason to act, or what else was asked for is stopped and this is
    not. A trade takes its accounts along. Nothing doubtful is allowed to it: it borrows."""
    emergency = judged.trade.urgency is Urgency.EMERGENCY
    if emergency and not _is_out_of_reach(position):
        return None
    trade = consider_moves(position)
    if trade is None or not (alone or emergency or judged.stopping):
        return None
    limits = judged_limits(trade)
    stopping = tuple(gate for gate in limits if not gate.passed)
    if stopping and not alone:
        return None
    return _Judged(trade, limits, doubts=(), stopping=stopping, why_stopped=_first_detail(stopping))


def _is_out_of_reach(position: VaultPosition) -> bool:
    """Whether a deleverage would lower another account than the one in need: nothing leaves that one by itself."""
    act = position.policy.decision.act_health_factor
    return health_factor_of(to_lower(position.snapshot).account.health_factor) >= act


def _first_detail(stopping: Gates) -> str:
    return stopping[0].detail if stopping else ""


def _nothing_to_do(judged: _Judged, gates: Gates) -> Decision:
    trade = judged.trade
    if trade.position.observation.deleverage_request is not None:
        request = next(gate for gate in gates if gate.name == DELEVERAGE_REQUEST)
        return _hold(trade, gates, request.detail, exit_code=0)
    # On data that is not trusted, nobody knows that there is nothing to do.
    untrusted = [gate for gate in judged.doubts if gate.exit_code == Untrusted.exit_code]
    if untrusted:
        why = f"{untrusted[0].detail}; by this data no trade is needed"
        return _hold(trade, gates, why, exit_code=Untrusted.exit_code)
    closed = "".join(f"; {gate.detail}" for gate in judged.doubts if gate.name == MARKETS_OPEN)
    return _hold(trade, gates, f"{_within_bands(trade.position)}{closed}", exit_code=0)


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
    if after >= before and not repaying_cash(position.snapshot, position.policy.plan.dust_usd):
        why = f"{cause.detail}, but nothing can be sold to raise it"
        return _hold(trade, gates, why, exit_code=Untrusted.exit_code)
    target = target_health_factor(position)
    towards = "all debt repaid" if math.isinf(target) else f"health factor {target:.2f}"
    part = f" in part, because {trade.move.cut_short_by}" if trade.move.cut_short_by else ""
    why = f"{cause.detail}: leverage from {before:.3f} to {after:.3f}, towards {towards}{part}"
    return _decision(Action.RIPCORD, trade, gates, why=why)


def _rebalance(judged: _Judged, gates: Gates, cause: Gate) -> Decision:
    trade = judged.trade
    if trade.moves is not None:
        moved = trade.moves.placement.moved_usd
        return _decision(
            Action.REBALANCE, trade, gates, why=f"{cause.detail}: {moved:,.0f} USD change account"
        )
    before, after = trade.position.held.leverage, trade.goal.leverage
    why = f"{cause.detail}: leverage from {before:.3f} to {after:.3f}"
    if judged.doubts:
        why = f"{why} by sales alone, because {judged.doubts[0].detail}"
    if not trade.move.cut_short_by:
        return _decision(Action.REBALANCE, trade, gates, why=why)
    later = measures.turnover(trade.goal.weights, trade.move.aim)
    return _decision(
        Action.ITERATE,
        trade,
        gates,
        why=f"{why}, {later:.3f} NAVs of trading left for later cycles, because {trade.move.cut_short_by}",
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
        sells_only=action is not Action.HOLD and trade.move.sells_only,
        placement=_placement(trade) if action in (Action.REBALANCE, Action.ITERATE) else None,
    )


def _placement(trade: TradeContext) -> Placement | None:
    return trade.placing.placement if isinstance(trade.placing, Placing) else None
