"""Trades and positions on which a gate is judged."""

from __future__ import annotations

from keeper.decision.gates import judged_limits
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.decision import Gate
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.tx import InFlight
from keeper.domain.urgency import Urgency
from keeper.sizing.tighten import Tightened
from tests.decision.positions import a_move, a_position

ROUTINE, OUT_OF_BAND, EMERGENCY = Urgency.ROUTINE, Urgency.OUT_OF_BAND, Urgency.EMERGENCY


def a_trade(
    snapshot: MarketSnapshot | None = None,
    policy: Policy | None = None,
    urgency: Urgency = OUT_OF_BAND,
    *,
    weights: tuple[float, ...] | None = None,
    in_flight: InFlight | None = None,
    tightened: tuple[Tightened, ...] = (),
) -> TradeContext:
    position = a_position(snapshot, policy, in_flight=in_flight, tightened=tightened)
    return consider(position, a_move(weights or position.target.weights), urgency)


def limit(name: str, trade: TradeContext) -> Gate:
    return next(gate for gate in judged_limits(trade) if gate.name == name)


def passes(name: str, snapshot: MarketSnapshot, urgency: Urgency = OUT_OF_BAND) -> bool:
    return limit(name, a_trade(snapshot, urgency=urgency)).passed


def target_weights() -> tuple[float, ...]:
    return a_position().target.weights
