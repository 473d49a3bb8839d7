"""Decisions on a vault of the test's market."""

from __future__ import annotations

from keeper.decision.decide import decide
from keeper.domain.decision import Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.tx import InFlight
from keeper.lending.aave import health_factor
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.factories import (
    a_model,
    a_policy,
    a_snapshot,
    with_market_move,
)

LOST = 0.03 + 0.002
"""An emergency's slippage and the assumed cost of a trade."""


def a_target(snapshot: MarketSnapshot | None = None, policy: Policy | None = None) -> TargetPortfolio:
    return size(a_model(), Observation(snapshot or a_snapshot()), policy or a_policy())


def decided(
    snapshot: MarketSnapshot,
    policy: Policy | None = None,
    *,
    model: RiskModel | None = None,
    target: TargetPortfolio | None = None,
    in_flight: InFlight | None = None,
    deleverage_request: DeleverageRequest | None = None,
) -> Decision:
    tight, tightened = tighten(policy or a_policy(), snapshot.vault)
    risk = model or a_model()
    return decide(
        Observation(snapshot, in_flight=in_flight, deleverage_request=deleverage_request),
        risk,
        target or size(risk, Observation(snapshot), tight),
        policy=tight,
        tightened=tightened,
    )


def health_factor_after(snapshot: MarketSnapshot, decision: Decision, loss_of_sold: float) -> float:
    """The lending market's health factor when the goal is reached and so much of what is sold is lost; inf where the
    rest repays all debt."""
    assert decision.goal is not None
    gross = portfolio(snapshot).values_usd
    kept = [
        goal / now if now > 0 else 0.0
        for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)
    ]
    sold = sum(value * (1 - part) for value, part in zip(gross, kept, strict=True))
    thresholds = [reserve.liquidation_threshold_bps / 1e4 for reserve in snapshot.reserves[1:]]
    threshold = sum(v * part * lt for v, part, lt in zip(gross, kept, thresholds, strict=True))
    return health_factor(threshold, portfolio(snapshot).debt_usd - (1 - loss_of_sold) * sold)


def fallen(factor: float = 0.70, leverage: float = 1.95) -> MarketSnapshot:
    """Levered, and the market fell."""
    return with_market_move(a_snapshot(weights=a_target().unit_weights, leverage=leverage), factor)
